# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are the same feature, under any names?

An archive's directory gives each array's size and CRC-32, which is enough if two files also share their name. The bytes decide if two
names share these checksums, and, for a format without checksums, if two files share a size. After resolve_identities, equal
C(Entry.classification.identity) means the same feature.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .._formats import classify
from .._formats.digest import short_digest
from .._system import accounts, become, files, parallel, paths
from . import model
from .places import may_ask

Located = Tuple[str, model.Entry]  # (path of the scanned directory, entry below it)

# What is digested of a file: a few blocks; all of its bytes; what an archive holds, however it is packed.
SAMPLE, WHOLE, CONTENT = "sample", "whole", "content"
_BLOCK, _BLOCKS = 4096, 4
# From this size on, samples are compared first: they cost at most an eighth of a full read.
_SAMPLED = 8 * _BLOCK * _BLOCKS
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)

# The digest of each file, in order, or the error that reading it ended in: (errno, text).
Read = Callable[[str, Sequence[Located]], Sequence[Any]]


class Contents:
    """Reads files, each once; if that is refused to root (a squashed network file system), as the account."""

    def __init__(self, account: Optional[accounts.Account] = None) -> None:
        self._account = account
        self._known: Dict[Tuple[str, int], Any] = {}

    def read(self, how: str, located: Sequence[Located]) -> List[Any]:
        """The digest of each file, in order, or the error that reading it ended in: (errno, text)."""
        todo = {entry.key: (directory, entry) for directory, entry in located if (how, entry.key) not in self._known}
        self._keep(how, todo, _read_all(how, list(todo.values())))
        refused = {key: one for key, one in todo.items() if _number(self._known[how, key]) in (errno.EACCES, errno.EPERM)}
        if refused and self._account is not None and may_ask(self._account):
            self._keep(how, refused, become.run_as(self._account, _read_all, how, list(refused.values())))
        return [self._known[how, entry.key] for _directory, entry in located]

    def _keep(self, how: str, located: Dict[int, Located], results: Sequence[Any]) -> None:
        self._known.update(((how, key), result) for key, result in zip(located, results))


def _number(result: Any) -> int:
    return 0 if isinstance(result, bytes) else int(result[0])


def _read_all(how: str, located: Sequence[Located]) -> List[Any]:
    results = []
    for _one, result in parallel.map_parallel(located, functools.partial(_digest, how), share=16):
        if isinstance(result, Exception) and not isinstance(result, OSError):
            raise result
        results.append((result.errno or errno.EIO, result.strerror or str(result)) if isinstance(result, OSError) else result)
    return results


def _digest(how: str, located: Located) -> bytes:
    """The digest of a scanned file. OSError if it cannot be read, FeatureError for an internal error."""
    directory, entry = located

    def digest(fd: int, info: os.stat_result, name: str) -> bytes:
        if how == SAMPLE:
            return _digest_blocks(fd, info.st_size)
        return classify.content_digest(fd, name) if how == CONTENT else classify.file_digest(fd)

    found = files.with_file(digest, os.path.join(directory, entry.path), None, paths.FOLLOW_FILE, (directory, entry.path))
    if found is None:
        raise OSError(errno.EINVAL, "is not a regular file", os.path.join(directory, entry.path))
    return found


def _digest_blocks(fd: int, size: int) -> bytes:
    """Of blocks all over the file: features of one shape share their header, and often begin and end in silence."""
    digest = hashlib.sha256()
    for block in range(1, _BLOCKS + 1):
        digest.update(os.pread(fd, _BLOCK, size * block // _BLOCKS - _BLOCK))
    return digest.digest()


def resolve_identities(features: Iterable[Located], read: Read) -> List[Located]:
    """Give each feature an identity that can be compared, reading only what checksums and sizes leave open.

    features: all features on the host. Returns those that could not be compared: they are no features any more.
    """
    everything = list(features)
    unreadable: Dict[int, str] = {}
    doubtful = _doubtful(everything)
    archives = [one for one in everything if one[1].classification.identity in doubtful]
    for (_directory, entry), digest in zip(archives, read(CONTENT, archives)):
        if isinstance(digest, bytes):
            _identify(entry, short_digest(digest))
        else:
            _identify(entry, _by_inode(entry))
            _note(entry, digest, unreadable)
    found = _find_equal(everything, read, unreadable)
    for _directory, entry in everything:
        if entry.classification.identity is None:
            _identify(entry, found.get(entry.key) or _by_inode(entry))
    lost = [one for one in everything if one[1].key in unreadable]
    for _directory, entry in lost:
        entry.classification = entry.classification._replace(kind=model.UNREAD, reason=f"cannot be read ({unreadable[entry.key]})")
        entry.is_feature = False
    return lost


def _doubtful(features: Sequence[Located]) -> Set[Optional[bytes]]:
    """The identities that different files have under different names."""
    first: Dict[bytes, model.Entry] = {}
    doubtful: Set[Optional[bytes]] = set()
    for _directory, entry in features:
        identity = entry.classification.identity
        if identity is not None:
            known = first.setdefault(identity, entry)
            if known.key != entry.key and known.name != entry.name:
                doubtful.add(identity)
    return doubtful


def _find_equal(features: Sequence[Located], read: Read, unreadable: Dict[int, str]) -> Dict[int, bytes]:
    """By inode key, the identities of files without checksums that are equal to another file.

    A file may have an identity as an archive in one set, and none in another that takes any file: then the archive's counts.
    """
    by_size: Dict[int, Dict[int, Located]] = {}
    for one in features:
        if one[1].classification.identity is None:
            by_size.setdefault(one[1].size, {}).setdefault(one[1].key, one)
    found: Dict[int, bytes] = {}
    for one in features if by_size else ():
        identity = one[1].classification.identity
        if identity is not None and one[1].size in by_size:
            found[one[1].key] = identity
            by_size[one[1].size].setdefault(one[1].key, one)
    groups = [list(group.values()) for group in by_size.values() if len(group) > 1]
    small = [group for group in groups if group[0][1].size < _SAMPLED]
    large = [group for group in groups if group[0][1].size >= _SAMPLED]
    alike = [group for group, _digest in _split(large, SAMPLE, read, unreadable)]
    for group, digest in _split(small + alike, WHOLE, read, unreadable):
        archive = next((found[entry.key] for _directory, entry in group if entry.key in found), short_digest(digest))
        for _directory, entry in group:
            found.setdefault(entry.key, archive)
    return found


def _split(
    groups: Sequence[Sequence[Located]], how: str, read: Read, unreadable: Dict[int, str]
) -> Iterator[Tuple[List[Located], bytes]]:
    """The files of each group that have equal digests, with the digest; without those that differ from all others."""
    digests = iter(read(how, [one for group in groups for one in group]))
    for group in groups:
        parts: Dict[bytes, List[Located]] = {}
        for one in group:
            digest = next(digests)
            if isinstance(digest, bytes):
                parts.setdefault(digest, []).append(one)
            else:
                _note(one[1], digest, unreadable)
        yield from ((part, digest) for digest, part in parts.items() if len(part) > 1)


def _note(entry: model.Entry, error: Tuple[int, str], unreadable: Dict[int, str]) -> None:
    """A file that is gone by now is no feature of any other's; one that cannot be read may be."""
    if error[0] not in _VANISHED:
        unreadable[entry.key] = error[1]


def _identify(entry: model.Entry, identity: bytes) -> None:
    entry.classification = entry.classification._replace(identity=identity)


def _by_inode(entry: model.Entry) -> bytes:
    return short_digest(b"inode" + entry.key.to_bytes(16, "big"))
