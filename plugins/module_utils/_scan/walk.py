# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bounded walk through directories that no user described: depth first, each directory once, on one file system, through no link."""

from __future__ import annotations

import fnmatch
import os
import time
from typing import Callable, Iterable, Iterator, List, NamedTuple, Sequence, Set

from .._spec.folders import is_system_folder
from .._system import at, paths, words

# Uploads under way and the beginnings of files: neither are features to link.
_LEFT_OUT = (".*.incoming", ".rsync-partial", ".~tmp~")
_NEVER_FEATURES = (".git", "__pycache__", "node_modules")
_SYSTEM_DIRECTORIES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/snap", "/sys", "/usr"),
    *("/var/lib/containerd", "/var/lib/docker"),
)


class Bounds(NamedTuple):
    """What a walk may cost. depth: levels of directories below a root; seconds; entries: names."""

    depth: int = 12
    seconds: float = 20.0
    entries: int = 2000000


BOUNDS = Bounds()

# Lists an open directory with this path, does what is to be done with its files, and returns the names of its folders.
Visit = Callable[[int, str], Sequence[str]]


class Walk:
    """A walk, and what is left of its bounds.

    roots: absolute paths, each a directory or a link to one; top: the one that is walked. C(over): nothing is left; C(cut_short): what
    was left out, a message each, at most ten.
    """

    def __init__(
        self, roots: Iterable[str], bounds: Bounds, visit: Visit, refused: Callable[[str, OSError], None], known: Iterable[paths.InodeKey],
        advice: str,
    ) -> None:  # fmt: skip
        """refused: called with what cannot be opened. known: directories that are not entered. advice: how to walk another file system."""
        self.roots = [root.rstrip("/") or "/" for root in roots]
        self.top = ""
        self.cut_short: List[str] = []
        self.over = False
        self._bounds = bounds
        self._deadline = time.monotonic() + bounds.seconds
        self._names = 0
        self._visited: Set[paths.InodeKey] = set(known)
        self._advice = advice
        self._visit, self._refused = visit, refused

    def walk(self) -> None:
        """Visit each root and all below it."""
        for root in self.roots:
            self.top = root
            try:
                fd = os.open(root, paths.FOLLOW_DIRECTORY)
            except OSError as error:
                self._refused(root, error)
                continue
            try:
                self._enter(fd, root, os.fstat(fd).st_dev, 0)
            finally:
                os.close(fd)

    def _enter(self, fd: int, path: str, device: int, depth: int) -> None:
        info = os.fstat(fd)
        key = paths.key_of(info)
        if key in self._visited or (depth and path in _SYSTEM_DIRECTORIES):
            return
        if info.st_dev != device:
            if path not in self.roots:
                self._cut(f"{paths.display(path)} is on another file system: {self._advice}")
            return
        if depth > self._bounds.depth:
            self._cut(f"{paths.display(path)} is more than {self._bounds.depth} levels deep")
            return
        self._visited.add(key)
        for name in self._visit(fd, path):
            if self.over:
                return
            below = join(path, name)
            try:
                inner = at.open_name(fd, name, paths.OPEN_DIRECTORY)
            except OSError as error:
                self._refused(below, error)
                continue
            try:
                self._enter(inner, below, device, depth + 1)
            finally:
                os.close(inner)

    def listed(self, fd: int, path: str) -> Iterator[os.DirEntry[str]]:
        """The entries of an open directory, as far as the bounds allow. OSError if it cannot be listed to its end."""
        with os.scandir(fd) as listing:
            for item in listing:
                self._names += 1
                if self._names > self._bounds.entries and not self.over:
                    self._cut(f"{self._bounds.entries} names were read before {paths.display(path)}, the limit of a search")
                    self.over = True
                if self.over or (self._names % 64 == 1 and self._late(path)):
                    return
                yield item

    def in_time(self, names: Iterable[str], path: str) -> Iterator[str]:
        """The names of a directory, until the time is up."""
        for name in names:
            if self._late(path):
                return
            yield name

    def _late(self, path: str) -> bool:
        if not self.over and time.monotonic() > self._deadline:
            self._cut(f"{self._bounds.seconds:g} seconds had passed before {paths.display(path)}, the limit of a search")
            self.over = True
        return self.over

    def _cut(self, reason: str) -> None:
        words.keep(self.cut_short, reason)


def join(path: str, name: str) -> str:
    return path.rstrip("/") + "/" + name


def is_left_out(name: str) -> bool:
    return name in _NEVER_FEATURES or is_system_folder(name) or any(fnmatch.fnmatchcase(name, pattern) for pattern in _LEFT_OUT)
