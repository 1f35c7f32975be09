# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search before an upload: are the features on this host, in a directory that no set lists?

To be called in a process that is the training user, so that only files that the user can read are found. Nothing is changed, no
link is followed, and a host with millions of files costs a bounded time.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from .. import errors
from .._formats import classify, interface, registry
from .._spec import names
from .._spec.folders import FolderRule
from .._spec.sets import FeatureSet
from .._system import parallel, paths, words
from .._system.files import with_file
from . import model, walk


def sweep(
    roots: Sequence[str], sets: Sequence[FeatureSet], known: Iterable[paths.InodeKey], bounds: walk.Bounds = walk.BOUNDS
) -> Dict[str, model.Discovery]:
    """Return what is below the roots, which are absolute paths, by set name: directories that hold its features, most first.

    known: (st_dev, st_ino) of directories that are not entered: targets and legacy directories.
    """
    search = _Search(sets, known, bounds, roots)
    search.walk.walk()
    return {
        one.name: model.Discovery(_topmost(search, one.name), search.walk.cut_short, search.unclear.get(one.name, [])) for one in sets
    }


class _Query(NamedTuple):
    name: str
    accepts: Callable[[str], bool]
    folders: FolderRule
    criteria: interface.Criteria


class _Search:
    def __init__(self, sets: Sequence[FeatureSet], known: Iterable[paths.InodeKey], bounds: walk.Bounds, roots: Sequence[str]) -> None:
        self.queries = [
            _Query(one.name, names.name_filter(one.patterns, one.exclude), one.folders._replace(hidden=True), one.criteria)
            for one in sets
        ]
        advice = f"add it to {errors.named('search_roots')} to search it too"
        # What cannot be opened is not there, or not for this user.
        self.walk = walk.Walk(roots, bounds, self._visit, lambda _path, _error: None, known, advice)
        # By directory: the number of each set's features right in it; all directories in it, entered or not.
        self.counts: Dict[str, Dict[str, int]] = {}
        self.unclear: Dict[str, List[str]] = {}
        self.children: Dict[str, List[str]] = {}

    def _visit(self, fd: int, path: str) -> List[str]:
        files: List[str] = []
        folders: List[str] = []
        try:
            for item in self.walk.listed(fd, path):
                if item.is_dir(follow_symlinks=False):
                    if not walk.is_left_out(item.name):
                        folders.append(item.name)
                elif item.is_file(follow_symlinks=False) and any(query.accepts(item.name) for query in self.queries):
                    files.append(item.name)
        except OSError:
            pass  # the part that was listed counts
        if files and not self.walk.over:
            self._classify(fd, path, sorted(files))
        folders.sort()
        self.children[path] = [walk.join(path, name) for name in folders]
        return folders

    def _classify(self, fd: int, path: str, files: List[str]) -> None:
        counts: Dict[str, int] = {}
        queries = [query for query in self.queries if query.folders.enters(path[len(self.walk.top) :])]
        for name, kinds in parallel.map_parallel(self.walk.in_time(files, path), lambda name: self._kinds(fd, path, name)):
            if isinstance(kinds, OSError):
                continue  # gone, or not for this user
            for query in queries:
                found = kinds.get(query.criteria) if query.accepts(name) else None
                if found is not None and found.kind == classify.FEATURE:
                    counts[query.name] = counts.get(query.name, 0) + 1
                elif found is not None and found.kind == classify.NOT_UNDERSTOOD and registry.promised(name):
                    # A name that promises nothing could be anything, and a host is full of such files.
                    counts.setdefault(query.name, 0)
                    message = f"{paths.display(path)}/{paths.display(name)} {found.reason}"
                    words.keep(self.unclear.setdefault(query.name, []), message)
        if counts:
            self.counts[path] = counts

    def _kinds(self, directory: int, path: str, name: str) -> Dict[Any, classify.Classification]:
        """Classify the file for each distinct Criteria whose patterns accept its name."""
        return with_file(self._classify_file, name, directory, paths.OPEN_FILE, (path, name)) or {}

    def _classify_file(self, fd: int, info: os.stat_result, name: str) -> Dict[Any, classify.Classification]:
        criteria = {query.criteria for query in self.queries if query.accepts(name)}
        return {one: classify.classify_file(fd, info, name, one) for one in criteria}


def _topmost(search: _Search, name: str) -> List[Tuple[str, int]]:
    """The directories to list for one set: each is scanned with all that is in it, so the topmost are enough.

    A directory replaces those in it if it holds features itself (or what may be some), or if each directory in it does: a folder for
    each speaker is one find, and a home directory is not.
    """
    below: Dict[str, List[Tuple[str, int]]] = {}
    whole: Set[str] = set()
    # Directories were entered from the top down, so that backwards each one comes after those in it.
    for path in reversed(list(search.children)):
        own = search.counts.get(path, {}).get(name)
        inner = search.children[path]
        found = [item for child in inner for item in below.pop(child, ())]
        if own is not None or (len(inner) > 1 and path not in search.walk.roots and all(child in whole for child in inner)):
            whole.add(path)
            found = [(path, (own or 0) + sum(count for _path, count in found))]
        if found:
            below[path] = found
    return sorted((item for found in below.values() for item in found), key=lambda item: (-item[1], item[0]))
