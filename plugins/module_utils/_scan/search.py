# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search before an upload: are the features on this host, in a directory that nobody listed?

To be called in a process that is the training user, so that only what that user can read is a find. Nothing is
changed, no link is followed, and a host with millions of files costs a bounded time.
"""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from .. import errors
from .._formats import classify, interface
from .._spec import names
from .._spec.folders import FolderRule, is_system_folder
from .._spec.sets import FeatureSet
from .._system import at, parallel, paths
from .._system.files import with_file
from . import budget, model

# Uploads under way and the beginnings of files: neither are features to link.
_LEFT_OUT = (".*.incoming", ".rsync-partial", ".~tmp~")
_NEVER_FEATURES = (".git", "__pycache__", "node_modules")
SYSTEM_DIRECTORIES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/snap", "/sys", "/usr"),
    *("/var/lib/containerd", "/var/lib/docker"),
)


@dataclass
class Sweep:
    """By set name: (directory, features of that set below it), most features first; why the search ended early."""

    directories: Dict[str, List[Tuple[str, int]]] = field(default_factory=dict)
    cut_short: List[str] = field(default_factory=list)


def sweep(
    roots: Sequence[str], sets: Sequence[FeatureSet], known: Iterable[paths.InodeKey], bounds: budget.Bounds = budget.BOUNDS
) -> Sweep:
    """Searches below the roots, which are absolute paths, for directories that hold features of the sets.

    known: (st_dev, st_ino) of directories that are not entered: targets and legacy directories.
    """
    search = _Search(sets, known, bounds, roots)
    for root in roots:
        search.root(root)
    found = {one.name: _topmost(search, one.name) for one in sets}
    return Sweep(found, search.budget.cut_short)


class _Look(NamedTuple):
    """What one set asks of a file."""

    name: str
    accepts: Callable[[str], bool]
    folders: FolderRule
    criteria: interface.Criteria


class _Search:
    def __init__(
        self, sets: Sequence[FeatureSet], known: Iterable[paths.InodeKey], bounds: budget.Bounds, roots: Sequence[str]
    ) -> None:
        self.looks = [
            _Look(one.name, names.name_filter(one.patterns, one.exclude), one.folders._replace(hidden=True), one.criteria)
            for one in sets
        ]
        self.top = ""
        self.visited: Set[paths.InodeKey] = set(known)
        self.budget = budget.Budget(bounds)
        self.roots = frozenset(root.rstrip("/") or "/" for root in roots)
        # By directory: features of each set right in it; all directories in it, entered or not.
        self.counts: Dict[str, Dict[str, int]] = {}
        self.children: Dict[str, List[str]] = {}

    def root(self, path: str) -> None:
        self.top = path = path.rstrip("/") or "/"
        try:
            fd = os.open(path, paths.FOLLOW_DIRECTORY)
        except OSError:
            return  # not there, or not for this user
        try:
            info = os.fstat(fd)
            self._enter(fd, path, info, info.st_dev, 0)
        finally:
            os.close(fd)

    def _enter(self, fd: int, path: str, info: os.stat_result, device: int, depth: int) -> None:
        key = (info.st_dev, info.st_ino)
        if key in self.visited or (depth and path in SYSTEM_DIRECTORIES):
            return
        if info.st_dev != device:
            if path not in self.roots:
                self.budget.cut(
                    f"{paths.display(path)} is on another file system: add it to {errors.named('search_roots')} to search it too"
                )
            return
        if self.budget.too_deep(path, depth):
            return
        self.visited.add(key)
        files, folders = self._list(fd, path)
        if files and not self.budget.over:
            self._classify(fd, path, files)
        self.children[path] = [_join(path, name) for name in folders]
        for name in folders:
            if self.budget.over:
                return
            self._descend(fd, name, _join(path, name), device, depth + 1)

    def _list(self, fd: int, path: str) -> Tuple[List[str], List[str]]:
        """Names of files that may be features, and of directories."""
        files: List[str] = []
        folders: List[str] = []
        try:
            with os.scandir(fd) as listing:
                for item in listing:
                    if self.budget.spent(path):
                        break
                    if item.is_dir(follow_symlinks=False):
                        if not is_left_out(item.name):
                            folders.append(item.name)
                    elif item.is_file(follow_symlinks=False) and any(look.accepts(item.name) for look in self.looks):
                        files.append(item.name)
        except OSError:
            pass  # the part that was listed counts
        return sorted(files), sorted(folders)

    def _descend(self, parent: int, name: str, path: str, device: int, depth: int) -> None:
        try:
            fd = at.open_name(parent, name, paths.OPEN_DIRECTORY)
        except OSError:
            return
        try:
            self._enter(fd, path, os.fstat(fd), device, depth)
        finally:
            os.close(fd)

    def _classify(self, fd: int, path: str, files: List[str]) -> None:
        counts: Dict[str, int] = {}
        looks = [look for look in self.looks if look.folders.enters(path[len(self.top) :])]
        for name, kinds in parallel.map_parallel(self.budget.in_time(files, path), lambda name: self._kinds(fd, path, name)):
            if isinstance(kinds, OSError):
                continue  # gone, or not for this user
            if isinstance(kinds, Exception):
                raise kinds
            for look in looks:
                if kinds.get(look.criteria) == classify.FEATURE and look.accepts(name):
                    counts[look.name] = counts.get(look.name, 0) + 1
        if counts:
            self.counts[path] = counts

    def _kinds(self, directory: int, path: str, name: str) -> Dict[Any, str]:
        """Classify the file for each distinct Criteria whose patterns accept its name."""
        return with_file(self._classify_file, name, directory, paths.OPEN_FILE, (path, name)) or {}

    def _classify_file(self, fd: int, info: os.stat_result, name: str) -> Dict[Any, str]:
        criteria = {look.criteria for look in self.looks if look.accepts(name)}
        return {one: classify.classify_file(fd, info, name, one).kind for one in criteria}


def is_left_out(name: str) -> bool:
    """Whether a directory of this name is never entered."""
    return name in _NEVER_FEATURES or is_system_folder(name) or any(fnmatch.fnmatchcase(name, pattern) for pattern in _LEFT_OUT)


def _join(path: str, name: str) -> str:
    return path.rstrip("/") + "/" + name


def _topmost(search: _Search, name: str) -> List[Tuple[str, int]]:
    """The directories to list for one set: each is scanned with all that lies in it, so the topmost will do.

    A directory stands for those in it where it holds features itself, or where each directory in it does; so that
    a folder for each speaker is one find, and a home directory is not.
    """
    below: Dict[str, List[Tuple[str, int]]] = {}
    whole: Set[str] = set()
    # Directories were entered from the top down, so that backwards each one comes after those in it.
    for path in reversed(list(search.children)):
        own = search.counts.get(path, {}).get(name, 0)
        inner = search.children[path]
        found = [item for child in inner for item in below.pop(child, ())]
        if own or (len(inner) > 1 and path not in search.roots and all(child in whole for child in inner)):
            whole.add(path)
            found = [(path, own + sum(count for _path, count in found))]
        if found:
            below[path] = found
    return sorted((item for found in below.values() for item in found), key=lambda item: (-item[1], item[0]))


def discover(roots: Sequence[str], sets: Sequence[FeatureSet], known: Sequence[paths.InodeKey]) -> Dict[str, model.Discovery]:
    """By set name, what lies below the roots in directories that are not known."""
    swept = sweep(roots, sets, known)
    return {name: model.Discovery(directories, swept.cut_short) for name, directories in swept.directories.items()}
