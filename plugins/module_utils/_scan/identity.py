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
import os
import zlib
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from .._formats import classify
from .._formats.interface import short_digest
from .._system import accounts, as_needed, files, parallel, paths
from . import model

Located = Tuple[str, model.Entry]  # (path of the scanned directory, entry below it)

# What is digested of a file: a few blocks; all of its bytes; what an archive holds, however it is packed.
SAMPLE, WHOLE, CONTENT = "sample", "whole", "content"
_BLOCK, _BLOCKS = 4096, 4
# From this size on, samples are compared first. They are at most a fifth of the file.
_SAMPLED = 5 * _BLOCK
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)

# What a file gives: a digest, or the error that reading it ended in: (errno, text).
Result = Any


class Contents:
    """Reads files; if that is refused to root (a squashed network file system), as the account."""

    def __init__(self, account: Optional[accounts.Account] = None) -> None:
        self._account = account
        self._known: Dict[Tuple[str, int], Result] = {}

    def digests(self, how: str, located: Sequence[Located]) -> List[Result]:
        """The digest of each file, in order. None is read twice for the same."""
        todo = list({entry.key: (directory, entry) for directory, entry in located if (how, entry.key) not in self._known}.values())
        results = _all(how, todo)
        refused = [one for one, result in zip(todo, results) if _is_refused(result)]
        self._known.update(((how, entry.key), result) for (_directory, entry), result in zip(todo, results))
        if refused:
            again = as_needed.as_needed(self._account, lambda found: sum(map(_is_refused, found)), _all, how, refused)
            self._known.update(((how, entry.key), result) for (_directory, entry), result in zip(refused, again))
        return [self._known[how, entry.key] for _directory, entry in located]


def _is_refused(result: Result) -> bool:
    return isinstance(result, tuple) and result[0] in (errno.EACCES, errno.EPERM)


def _all(how: str, located: Sequence[Located]) -> List[Result]:
    results = parallel.map_parallel(located, functools.partial(_digest, how), share=16)
    return [(one.errno or errno.EIO, one.strerror or str(one)) if isinstance(one, OSError) else one for _item, one in results]


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
    """A checksum of blocks all over the file, of which the last one is its end: features of one shape share their header.

    Files that have it in common may still differ, which only costs a comparison.
    """
    number, checksum = min(_BLOCKS, 1 + (size >> 16)), 0
    for block in range(1, number + 1):
        checksum = zlib.crc32(os.pread(fd, _BLOCK, size * block // number - _BLOCK), checksum)
    return checksum.to_bytes(4, "big")


def resolve_identities(features: Sequence[Located], contents: Contents) -> List[Located]:
    """Give each feature an identity that can be compared, reading only what checksums and sizes leave open.

    features: all features on the host. Returns those that could not be compared: they are no features any more.
    """
    unreadable: Dict[int, str] = {}
    doubtful = _doubtful(features)
    archives = [one for one in features if one[1].classification.identity in doubtful]
    for (_directory, entry), digest in zip(archives, contents.digests(CONTENT, archives)):
        _identify(entry, short_digest(digest) if isinstance(digest, bytes) else _by_inode(entry))
        _note(entry, digest, unreadable)
    found = _find_equal(features, contents, unreadable)
    for _directory, entry in features:
        if entry.classification.identity is None:
            _identify(entry, found.get(entry.key) or _by_inode(entry))
    lost = [one for one in features if one[1].key in unreadable]
    for _directory, entry in lost:
        entry.classification = entry.classification._replace(kind=model.UNREAD, reason=f"cannot be read ({unreadable[entry.key]})")
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


def _find_equal(features: Sequence[Located], contents: Contents, unreadable: Dict[int, str]) -> Dict[int, bytes]:
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
    large = [group for group in groups if group[0][1].size >= _SAMPLED]
    samples = iter(contents.digests(SAMPLE, [one for group in large for one in group]))
    alike = [part for group in large for part in _split(group, [next(samples) for _one in group], unreadable)]
    alike += [group for group in groups if group[0][1].size < _SAMPLED]
    wholes = iter(contents.digests(WHOLE, [one for group in alike for one in group]))
    for group in alike:
        for part in _split(group, [next(wholes) for _one in group], unreadable):
            archive = next((found[entry.key] for _directory, entry in part if entry.key in found), _by_inode(part[0][1]))
            for _directory, entry in part:
                found.setdefault(entry.key, archive)
    return found


def _split(group: Sequence[Located], results: Sequence[Result], unreadable: Dict[int, str]) -> List[List[Located]]:
    """The parts of a group that have equal results; a file that differs from all others is left out."""
    parts: Dict[Any, List[Located]] = {}
    for one, result in zip(group, results):
        if not isinstance(result, tuple):
            parts.setdefault(result, []).append(one)
        _note(one[1], result, unreadable)
    return [part for part in parts.values() if len(part) > 1]


def _note(entry: model.Entry, result: Result, unreadable: Dict[int, str]) -> None:
    """A file that is gone by now is equal to no other; one that cannot be read may be."""
    if isinstance(result, tuple) and result[0] not in _VANISHED:
        unreadable[entry.key] = result[1]


def _identify(entry: model.Entry, identity: bytes) -> None:
    entry.classification = entry.classification._replace(identity=identity)


def _by_inode(entry: model.Entry) -> bytes:
    return entry.key.to_bytes(16, "big")
