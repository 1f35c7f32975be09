# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares directories with their fingerprint: names, inodes, sizes and times of change. No file is opened.

The kernel sets the time of change (ctime) at every change of an inode, and no user can set it back. So while all of that is the same,
the content is the same, on file systems that keep that promise: C(store) accepts no others.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import struct
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .._system import at, parallel, paths

CHUNK = 4096  # names that are compared together

# A link never changes, and a directory's own ctime tells when one was exchanged: if there are only links into folders that have
# fingerprints themselves, their names are enough. Otherwise each entry is compared, and if links lead elsewhere, what is behind them.
NAMES, EACH, FOLLOW = "names", "each", "follow"

_pack = struct.Struct("<QQIqq").pack


class Folder(NamedTuple):
    """One directory. C(key): (st_dev, st_ino); C(entries): how much of its entries is compared, see above; C(digests): one
    for each C(CHUNK) names, in the order of the listing."""

    path: str
    key: paths.InodeKey
    ctime: int
    entries: str
    names: int
    digests: Tuple[str, ...]


class _Open(NamedTuple):
    fd: int
    names: List[str]


class _Nothing(NamedTuple):
    """Stands for a file that is not there."""

    st_dev: int = 0
    st_ino: int = 0
    st_mode: int = 0
    st_size: int = 0
    st_ctime_ns: int = 0


def inspect_names(fd: int, names: Sequence[str], entries: str) -> List[Any]:
    """Return what is compared of these names in an open directory, as C(entries) says; OSError if one has vanished."""
    if entries == NAMES:
        return []
    lstat = at.lstat
    infos: List[Any] = [lstat(fd, name) for name in names]
    if entries == FOLLOW:
        infos += [_behind(fd, name) for name, info in zip(names, infos) if stat.S_ISLNK(info.st_mode)]
    return infos


def _behind(fd: int, name: str) -> Any:
    try:
        return at.stat(fd, name)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return _Nothing(st_size=error.errno)
        raise


def digest_of(names: Sequence[str], infos: Sequence[Any]) -> str:
    """Return one digest of names and of what is compared of them."""
    total = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape"))
    total.update(b"".join([_pack(one.st_dev, one.st_ino, one.st_mode, one.st_size, one.st_ctime_ns) for one in infos]))
    return total.hexdigest()


@contextlib.contextmanager
def listings(folders: Sequence[Folder]) -> Iterator[Optional[List[_Open]]]:
    """Yield the folders, open and listed, or None if one is another directory than it was."""
    found: List[_Open] = []
    try:
        yield found if all(_is_listed(folder, found) for folder in folders) else None
    finally:
        for one in found:
            os.close(one.fd)


def _is_listed(folder: Folder, found: List[_Open]) -> bool:
    """Open and list a folder; False if it is another directory than it was."""
    try:
        fd = os.open(folder.path, paths.FOLLOW_DIRECTORY)
    except OSError:
        return False
    found.append(_Open(fd, []))
    info = os.fstat(fd)
    if ((info.st_dev, info.st_ino), info.st_ctime_ns) != (folder.key, folder.ctime):
        return False
    found[-1].names.extend(os.listdir(fd))
    return len(found[-1].names) == folder.names


def unchanged(folders: Sequence[Folder], found: Sequence[_Open]) -> bool:
    """True if every name is what it was; many are compared by as many processes as there are processors."""
    chunks = [
        (one.fd, one.names[start : start + CHUNK], folder.entries, digest)
        for folder, one in zip(folders, found)
        for start, digest in zip(range(0, folder.names, CHUNK), folder.digests)
    ]

    def as_it_was(chunk: Tuple[int, List[str], str, str]) -> bool:
        fd, names, entries, digest = chunk
        return digest_of(names, inspect_names(fd, names, entries)) == digest

    results = parallel.map_parallel(chunks, as_it_was, slow=parallel.SLOW * CHUNK, share=1, sample=1)
    # A result may be an OSError, e.g. if a name has vanished.
    return all(result is True for _chunk, result in results)
