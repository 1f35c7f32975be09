# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Describe every file below given directories: its kind and arrays, within the bounds of the search.

Nothing is changed, and no link to a directory is followed but those that were given. A link to a file is counted as a link of the file
that it leads to.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .._formats import classify, damage, dtypes, interface, reader
from .._formats.arrays import ArraySpec
from .._system import at, parallel, words
from .._system.files import with_file
from .._system.paths import FOLLOW_FILE, InodeKey, display
from . import walk


class Described(NamedTuple):
    """A file. kind: its kind's name, or classify.DAMAGED or OTHER with a reason; arrays: dtype and shape by name (empty if an array has
    none); key: of its inode."""

    kind: str
    reason: str
    arrays: Dict[str, Tuple[str, Tuple[int, ...]]]
    identity: Optional[bytes]
    size: int
    key: InodeKey


@dataclass
class Survey:
    """Everything below the given directories. files: (directory, name, description, whether it is a link there)."""

    files: List[Tuple[str, str, Described, bool]] = field(default_factory=list)
    linked_directories: int = 0
    dangling: int = 0
    unreadable: List[str] = field(default_factory=list)
    unreadable_count: int = 0
    cut_short: List[str] = field(default_factory=list)

    def cannot_read(self, message: str) -> None:
        """Note a part that could not be read; the first ten are kept as text."""
        self.unreadable_count += 1
        words.keep(self.unreadable, message)

    def cannot_list(self, path: str, error: OSError) -> None:
        self.cannot_read(f"{display(path)} cannot be listed ({error.strerror})")


def describe_directories(paths: Sequence[str], bounds: walk.Bounds = walk.BOUNDS) -> Survey:
    """Describe what is below these absolute paths, each a directory or a link to one."""
    describer = _Describer(paths, bounds)
    describer.walk.walk()
    describer.found.cut_short = describer.walk.cut_short
    return describer.found


def describe_file(fd: int, info: os.stat_result, name: str) -> Described:
    key = (info.st_dev, info.st_ino)
    # A file with holes is read in full before it is believed.
    criteria = interface.Criteria(ArraySpec(), info.st_blocks * 512 < info.st_size)
    try:
        with reader.open_reader(fd, info.st_size) as opened:
            if criteria.full:
                opened.allow_full(info.st_blocks * 512)
            content = classify.read_content(opened, name, criteria)
    except damage.NotAFeature as error:
        kind = classify.DAMAGED if isinstance(error, damage.Damaged) else classify.OTHER
        return Described(kind, str(error), {}, None, info.st_size, key)
    headers = dict(content.arrays)
    if content.single is not None:
        headers[""] = content.single
    if headers and all(header.dtype.objects for header in headers.values()):
        return Described(classify.OTHER, classify.OBJECTS, {}, None, info.st_size, key)
    arrays = {one: (_word(header.dtype), header.shape) for one, header in sorted(headers.items())}
    return Described(content.kind.name, "", arrays, content.identity, info.st_size, key)


def _word(dtype: dtypes.DType) -> str:
    """Return the type as a set can ask for it."""
    return dtype.text if str(dtype).startswith("big-endian") else str(dtype)


class _Describer:
    def __init__(self, paths: Sequence[str], bounds: walk.Bounds) -> None:
        self.found = Survey()
        self.walk = walk.Walk(paths, bounds, self._visit, self.found.cannot_list, (), "name it as well to look into it")

    def _visit(self, fd: int, path: str) -> List[str]:
        """Describe the files right in a directory; return its folders. Hidden names are not features."""
        files: Dict[str, bool] = {}
        folders: List[str] = []
        try:
            for item in self.walk.listed(fd, path):
                if item.name.startswith(".") or walk.is_left_out(item.name):
                    continue
                if item.is_dir(follow_symlinks=False):
                    folders.append(item.name)
                elif item.is_symlink():
                    self._link(fd, item.name, files)
                elif item.is_file(follow_symlinks=False):
                    files[item.name] = False
        except OSError as error:
            self.found.cannot_list(path, error)
        self._describe(fd, path, dict(sorted(files.items())))
        return sorted(folders)

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

        for name, described in parallel.map_parallel(self.walk.in_time(files, path), look):
            if isinstance(described, OSError):
                self.found.cannot_read(f"{display(path)}/{display(name)} cannot be read ({described.strerror})")
            elif described is not None:
                self.found.files.append((path, name, described, files[name]))
