# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies below given directories: every file's kind and arrays, within the bounds of the search.

Nothing is changed, and no link to a directory is followed but those that were given. A link to a file is counted as a
link of the file that it leads to.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .._formats import classify, damage, dtypes, interface, zip_central_directory
from .._formats.arrays import ArraySpec
from .._system import at, parallel, samples
from .._system.files import with_file
from .._system.paths import FOLLOW_DIRECTORY, FOLLOW_FILE, OPEN_DIRECTORY, InodeKey, display
from . import budget, search

# What a file may be besides a kind that is known.
DAMAGED, OTHER = "damaged", "other"


class Array(NamedTuple):
    """An array of a file: name (empty where it has none), dtype, shape."""

    name: str
    dtype: str
    shape: Tuple[int, ...]


class Described(NamedTuple):
    """What a file is. kind: its kind's name, or DAMAGED or OTHER with a reason; key: of its inode."""

    kind: str
    reason: str
    arrays: Tuple[Array, ...]
    identity: Optional[bytes]
    size: int
    key: InodeKey


@dataclass
class Found:
    """Everything below the given directories. files: (directory, name, what it is, whether it is a link there)."""

    files: List[Tuple[str, str, Described, bool]] = field(default_factory=list)
    linked_directories: int = 0
    dangling: int = 0
    unreadable: List[str] = field(default_factory=list)
    unreadable_count: int = 0
    cut_short: List[str] = field(default_factory=list)

    def cannot_read(self, sentence: str) -> None:
        """Notes what could not be looked at; the first ten are kept in words."""
        self.unreadable_count += 1
        samples.keep(self.unreadable, sentence)


def describe_directories(paths: Sequence[str], bounds: budget.Bounds = budget.BOUNDS) -> Found:
    """What lies below these absolute paths, each a directory or a link to one."""
    walk = _Walk(paths, bounds)
    for path in paths:
        walk.root(path.rstrip("/") or "/")
    walk.found.cut_short = walk.budget.cut_short
    return walk.found


def describe_file(fd: int, info: os.stat_result, name: str) -> Described:
    """What one open regular file is, told as quickly as a quick look is."""
    key = (info.st_dev, info.st_ino)
    # A file with holes is looked at in full before it is believed.
    criteria = interface.Criteria(ArraySpec(), info.st_blocks * 512 < info.st_size)
    try:
        content = classify.read_content(zip_central_directory.open_reader(fd, info.st_size), name, criteria)
    except damage.Foreign as error:
        return Described(OTHER, str(error), (), None, info.st_size, key)
    except damage.Damaged as error:
        return Described(DAMAGED, str(error), (), None, info.st_size, key)
    headers = dict(content.arrays)
    if content.single is not None:
        headers[""] = content.single
    if headers and all(header.dtype.objects for header in headers.values()):
        return Described(OTHER, "holds Python objects, which only a pickle can load", (), None, info.st_size, key)
    arrays = tuple(Array(one, _word(header.dtype), header.shape) for one, header in sorted(headers.items()))
    return Described(content.kind.name, "", arrays, content.identity, info.st_size, key)


def _word(dtype: dtypes.DType) -> str:
    """The type as a set can ask for it."""
    return dtype.text if str(dtype).startswith("big-endian") else str(dtype)


class _Walk:
    def __init__(self, paths: Sequence[str], bounds: budget.Bounds) -> None:
        self.found = Found()
        self.budget = budget.Budget(bounds)
        self.roots = {path.rstrip("/") or "/" for path in paths}
        self.visited: Set[InodeKey] = set()

    def root(self, path: str) -> None:
        try:
            fd = os.open(path, FOLLOW_DIRECTORY)
        except OSError as error:
            self.found.cannot_read(f"{display(path)} cannot be listed ({error.strerror})")
            return
        try:
            self._enter(fd, path, os.fstat(fd).st_dev, 0)
        finally:
            os.close(fd)

    def _enter(self, fd: int, path: str, device: int, depth: int) -> None:
        info = os.fstat(fd)
        key = (info.st_dev, info.st_ino)
        if key in self.visited or (depth and path in search.SYSTEM_DIRECTORIES):
            return
        if info.st_dev != device:
            if path not in self.roots:
                self.budget.cut(f"{display(path)} is on another file system: name it as well to look into it")
            return
        if self.budget.too_deep(path, depth):
            return
        self.visited.add(key)
        files, folders = self._list(fd, path)
        self._describe(fd, path, files)
        for name in folders:
            if self.budget.over:
                return
            below = f"{path.rstrip('/')}/{name}"
            try:
                inner = at.open_name(fd, name, OPEN_DIRECTORY)
            except OSError as error:
                self.found.cannot_read(f"{display(below)} cannot be listed ({error.strerror})")
                continue
            try:
                self._enter(inner, below, device, depth + 1)
            finally:
                os.close(inner)

    def _list(self, fd: int, path: str) -> Tuple[Dict[str, bool], List[str]]:
        """Names of files, and whether each is a link; and of directories. Hidden names are not features."""
        files: Dict[str, bool] = {}
        folders: List[str] = []
        try:
            with os.scandir(fd) as listing:
                for item in listing:
                    if self.budget.spent(path):
                        break
                    if item.name.startswith(".") or search.is_left_out(item.name):
                        continue
                    if item.is_dir(follow_symlinks=False):
                        folders.append(item.name)
                    elif item.is_symlink():
                        self._link(fd, item.name, files)
                    elif item.is_file(follow_symlinks=False):
                        files[item.name] = False
        except OSError as error:
            self.found.cannot_read(f"{display(path)} cannot be listed ({error.strerror})")
        return dict(sorted(files.items())), sorted(folders)

    def _link(self, fd: int, name: str, files: Dict[str, bool]) -> None:
        try:
            mode = at.stat(fd, name).st_mode
        except OSError:
            self.found.dangling += 1
            return
        if stat.S_ISDIR(mode):
            self.found.linked_directories += 1
        elif stat.S_ISREG(mode):
            files[name] = True

    def _describe(self, fd: int, path: str, files: Dict[str, bool]) -> None:
        def look(name: str) -> Any:
            return with_file(describe_file, name, fd, FOLLOW_FILE, (path, name))

        for name, described in parallel.map_parallel(self.budget.in_time(files, path), look):
            if isinstance(described, OSError):
                self.found.cannot_read(f"{display(path)}/{display(name)} cannot be read ({described.strerror})")
            elif isinstance(described, Exception):
                raise described
            elif described is not None:
                self.found.files.append((path, name, described, files[name]))
