# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fingerprint of directories, which C(unchanged) compares later. No file is opened."""

from __future__ import annotations

import os
from typing import Any, List, Sequence, Set, Tuple

from .._system import at, mounts, paths
from . import unchanged

# Their ctime changes with every write, also one through a memory map that was written back since; tmpfs writes nothing back.
TRUSTED = frozenset(["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs"])


class Unfit(Exception):
    """The fingerprint of these directories would prove nothing, or cost too much."""


def survey(roots: Sequence[str], mountinfo: str, most: int, latest: int) -> List[unchanged.Folder]:
    """Return the fingerprint of everything below the roots, in every folder and behind every link to one.

    most: names to read in all. Unfit if that is not enough, if something changed after C(latest) (nanoseconds), or if a file system's
    ctime cannot be trusted; OSError if something cannot be read.
    """
    return _Surveyor(mountinfo, most, latest).walk(roots)


class _Surveyor:
    def __init__(self, mountinfo: str, most: int, latest: int) -> None:
        self._mountinfo = mountinfo
        self._left = most
        self._latest = latest
        self._trusted: Set[int] = set()

    def walk(self, roots: Sequence[str]) -> List[unchanged.Folder]:
        """Read all folders first: then it is known which of them a link leads into."""
        todo, seen, found = list(reversed(roots)), set(), []
        while todo:
            path = todo.pop()
            fd = os.open(path, paths.FOLLOW_DIRECTORY)
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
        return [
            self._folder(path, unchanged.FOLLOW if not _all_inside(links, visited) else unchanged.NAMES if only_links else unchanged.EACH)
            for path, links, only_links in found
        ]

    def _list(self, fd: int) -> Tuple[List[str], List[str], bool]:
        """Return the names that lead to folders, the links' texts, and whether there is nothing but links."""
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
                    links.append(at.readlink(fd, item.name))
        return folders, links, count == len(links)

    def _folder(self, path: str, entries: str) -> unchanged.Folder:
        fd = os.open(path, paths.FOLLOW_DIRECTORY)
        try:
            info = os.fstat(fd)
            names = os.listdir(fd)
            digests = []
            for start in range(0, len(names), unchanged.CHUNK):
                infos = unchanged.inspect_names(fd, names[start : start + unchanged.CHUNK], entries)
                for one in infos:
                    self._check(path, one)
                digests.append(unchanged.digest_of(names[start : start + unchanged.CHUNK], infos))
            return unchanged.Folder(path, (info.st_dev, info.st_ino), info.st_ctime_ns, entries, len(names), tuple(digests))
        finally:
            os.close(fd)

    def _check(self, path: str, info: Any) -> None:
        if info.st_ctime_ns > self._latest:
            raise Unfit
        if info.st_dev and info.st_dev not in self._trusted:
            if mounts.file_system_type(info.st_dev, path, self._mountinfo) not in TRUSTED:
                raise Unfit
            self._trusted.add(info.st_dev)


def _all_inside(links: Sequence[str], visited: Set[str]) -> bool:
    """True if each link leads, by its text alone, to a name in a folder that has a fingerprint itself."""
    return all(os.path.dirname(text) in visited and os.path.normpath(text) == text for text in links)
