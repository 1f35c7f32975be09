# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What directories look like from outside: names, inodes, sizes and times of change. No file is opened.

The kernel sets the time of change (ctime) at every change of an inode, and nobody can set it back. So where all of that is as it
was, the content is as it was, on file systems that keep that promise.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
from typing import Any, List, NamedTuple, Optional, Sequence, Set, Tuple

from .._system.mounts import file_system_type
from .._system.parallel import SLOW, map_parallel
from .._system.paths import FOLLOW_DIRECTORY, InodeKey

# Their ctime changes with every write, also one through a memory map that was written back since; tmpfs writes nothing back.
TRUSTED = frozenset(["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs"])

CHUNK = 4096  # names that are looked at together

# A link never changes, and a directory's own ctime tells when one was exchanged: where there are nothing but links into folders that
# are looked at themselves, their names are enough. Else each entry is looked at, and where links lead elsewhere, what lies behind them.
NAMES, EACH, FOLLOW = "names", "each", "follow"

_pack = struct.Struct("<QQIqq").pack


class Folder(NamedTuple):
    """One directory. C(key): (st_dev, st_ino); C(entries): how much of its entries has to be looked at, see below; C(digests): one
    for each C(CHUNK) names, in the order of the listing."""

    path: str
    key: InodeKey
    ctime: int
    entries: str
    names: int
    digests: Tuple[str, ...]


class _Open(NamedTuple):
    fd: int
    names: List[str]


class Survey(NamedTuple):
    """The folders below some roots, and the latest time of change of anything in them, in nanoseconds."""

    folders: List[Folder]
    newest: int


class Unfit(Exception):
    """The fingerprint of these directories would prove nothing, or cost too much."""


def survey(roots: Sequence[str], mountinfo: str, most: int, oldest_change: int) -> Survey:
    """Fingerprints all that lies below the roots, in every folder and behind every link to one.

    most: names to look at in all. Unfit where that is not enough, where something changed after C(oldest_change), or where a file
    system's ctime cannot be trusted; OSError where something cannot be looked at.
    """
    return _Surveyor(mountinfo, most, oldest_change).walk(roots)


class _Surveyor:
    def __init__(self, mountinfo: str, most: int, latest: int) -> None:
        self._mountinfo = mountinfo
        self._left = most
        self._latest = latest
        self._newest = 0
        self._trusted: Set[int] = set()

    def walk(self, roots: Sequence[str]) -> Survey:
        """All folders first: then it is known which of them a link leads into."""
        todo, seen, found = list(reversed(roots)), set(), []
        while todo:
            path = todo.pop()
            fd = os.open(path, FOLLOW_DIRECTORY)
            try:
                info = os.fstat(fd)
                key = (info.st_dev, info.st_ino)
                if key in seen:
                    continue
                seen.add(key)
                self._check(path, info)
                folders, links, only_links = self._list(fd)
            finally:
                os.close(fd)
            found.append((path, links, only_links))
            todo += [f"{path.rstrip('/')}/{name}" for name in folders]
        visited = {path for path, _links, _only in found}
        return Survey(
            [
                self._folder(path, FOLLOW if not _all_inside(links, visited) else NAMES if only_links else EACH)
                for path, links, only_links in found
            ],
            self._newest,
        )

    def _list(self, fd: int) -> Tuple[List[str], List[str], bool]:
        """The names that lead to folders, what the links say, and whether there is nothing but links."""
        folders, links, count = [], [], 0
        with os.scandir(fd) as listing:
            for item in listing:
                count += 1
                self._left -= 1
                if self._left < 0:
                    raise Unfit
                if item.is_dir():
                    folders.append(item.name)
                if item.is_symlink():
                    links.append(os.readlink(item.name, dir_fd=fd))
        return folders, links, count == len(links)

    def _folder(self, path: str, entries: str) -> Folder:
        fd = os.open(path, FOLLOW_DIRECTORY)
        try:
            info = os.fstat(fd)
            names = os.listdir(fd)
            digests = []
            for start in range(0, len(names), CHUNK):
                infos = _look(fd, names[start : start + CHUNK], entries)
                for one in infos:
                    self._check(path, one)
                digests.append(_digest(names[start : start + CHUNK], infos))
            return Folder(path, (info.st_dev, info.st_ino), info.st_ctime_ns, entries, len(names), tuple(digests))
        finally:
            os.close(fd)

    def _check(self, path: str, info: Any) -> None:
        if info.st_ctime_ns > self._latest:
            raise Unfit
        if info.st_ctime_ns > self._newest:
            self._newest = info.st_ctime_ns
        if info.st_dev and info.st_dev not in self._trusted:
            if file_system_type(info.st_dev, path, self._mountinfo) not in TRUSTED:
                raise Unfit
            self._trusted.add(info.st_dev)


def _all_inside(links: Sequence[str], visited: Set[str]) -> bool:
    """Whether each link leads, by its text alone, to a name in a folder that is looked at itself."""
    return all(os.path.dirname(text) in visited and os.path.normpath(text) == text for text in links)


class _Nothing(NamedTuple):
    """What stands for what is not there."""

    st_dev: int = 0
    st_ino: int = 0
    st_mode: int = 0
    st_size: int = 0
    st_ctime_ns: int = 0


def _look(fd: int, names: Sequence[str], entries: str) -> List[Any]:
    if entries == NAMES:
        return []
    lstat = os.lstat
    infos: List[Any] = [lstat(name, dir_fd=fd) for name in names]
    if entries == FOLLOW:
        infos += [_behind(fd, name) for name, info in zip(names, infos) if stat.S_ISLNK(info.st_mode)]
    return infos


def _behind(fd: int, name: str) -> Any:
    try:
        return os.stat(name, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return _Nothing(st_size=error.errno)
        raise


def _digest(names: Sequence[str], infos: Sequence[Any]) -> str:
    total = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape"))
    total.update(b"".join([_pack(one.st_dev, one.st_ino, one.st_mode, one.st_size, one.st_ctime_ns) for one in infos]))
    return total.hexdigest()


def listings(folders: Sequence[Folder]) -> Optional[List[_Open]]:
    """The folders, open and listed, where each is the directory it was; None where one is not. To be closed by C(close)."""
    found: List[_Open] = []
    for folder in folders:
        try:
            fd = os.open(folder.path, FOLLOW_DIRECTORY)
        except OSError:
            close(found)
            return None
        found.append(_Open(fd, []))
        info = os.fstat(fd)
        if ((info.st_dev, info.st_ino), info.st_ctime_ns) != (folder.key, folder.ctime):
            close(found)
            return None
        found[-1].names.extend(os.listdir(fd))
        if len(found[-1].names) != folder.names:
            close(found)
            return None
    return found


def close(found: Sequence[_Open]) -> None:
    """Closes what C(listings) opened."""
    for one in found:
        os.close(one.fd)


def unchanged(folders: Sequence[Folder], found: Sequence[_Open]) -> bool:
    """Whether every name is what it was; looked at by as many processes as there are processors."""
    chunks = [
        (one, index, folder)
        for folder, one in zip(folders, found)
        for index in range(max(len(folder.digests), -(-folder.names // CHUNK)))
    ]

    def as_it_was(chunk: Tuple[_Open, int, Folder]) -> bool:
        one, index, folder = chunk
        names = one.names[index * CHUNK : (index + 1) * CHUNK]
        return _digest(names, _look(one.fd, names, folder.entries)) == folder.digests[index]

    # A result of map_parallel may be an exception, as where a name has vanished.
    return all(result is True for _chunk, result in map_parallel(chunks, as_it_was, slow=SLOW * CHUNK, share=1, sample=1))
