# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Group the files below given directories by kind and arrays, and suggest feature sets. Pure, except for the scan itself."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .. import errors
from .._formats import registry
from .._formats.classify import DAMAGED, OTHER
from .._scan import walk
from .._scan.describe import Described, Survey, describe_directories
from .._system import accounts
from .._system.paths import display, expand_home
from .._system.words import SAMPLES

# A person waits for the result, so it may take longer than the search before an upload.
_BOUNDS = walk.Bounds(seconds=60.0)

_OPEN = {"<U": "str", "|S": "bytes"}
# Types that a set cannot request.
_NOT_ASKED_FOR = ("structured", "array of", "|O", "|V")

GroupKey = Tuple[str, Tuple[Tuple[str, str, int], ...]]


@dataclass
class Group:
    """Files of one kind whose arrays differ in lengths only. arrays: dtype and shape by name, None for a length that differs."""

    kind: str
    arrays: Dict[str, Tuple[str, List[Optional[int]]]]
    files: int = 0
    links: int = 0
    size: int = 0
    inodes: Set[Tuple[int, int]] = field(default_factory=set)
    identities: Set[bytes] = field(default_factory=set)
    without: int = 0
    endings: Set[str] = field(default_factory=set)
    directories: Dict[str, int] = field(default_factory=dict)
    by_name: Dict[str, Any] = field(default_factory=dict)
    clashes: bool = False

    def add(self, directory: str, name: str, one: Described, is_link: bool) -> None:
        for array, (_dtype, lengths) in one.arrays.items():
            _dtype, shape = self.arrays[array]
            for index, length in enumerate(lengths):
                if shape[index] != length:
                    shape[index] = None
        self.directories[directory] = self.directories.get(directory, 0) + 1
        self.endings.add(os.path.splitext(name)[1])
        same = one.identity if one.identity is not None else one.key
        self.clashes = self.clashes or self.by_name.setdefault(name, same) != same
        if is_link:
            self.links += 1
        if one.key in self.inodes:
            return
        self.inodes.add(one.key)
        self.files += 1
        self.size += one.size
        if one.identity is None:
            self.without += 1
        else:
            self.identities.add(one.identity)

    @property
    def features(self) -> int:
        """Return the number of distinct files, as far as it is known without reading their data."""
        return len(self.identities) + self.without


def files_info(paths: Sequence[str], account: accounts.Account, bounds: walk.Bounds = _BOUNDS) -> Dict[str, Any]:
    """Return the module's results: plain data whose size does not grow with the number of files."""
    for path in paths:
        if not path.startswith(("/", "~")):
            raise errors.FeatureError(f"paths: '{display(path)}' is a relative path: start it with / or with ~ (a home directory)")
    if not paths:
        raise errors.FeatureError("paths is empty: name at least one directory to look into")
    roots = [expand_home(path, account.home) for path in paths]
    return summarise(describe_directories(roots, bounds), roots)


def summarise(found: Survey, roots: Sequence[str]) -> Dict[str, Any]:
    """Return groups, counts and samples of everything found below the roots."""
    groups, others, damaged = _grouped(found.files)
    names: Set[str] = set()
    shown = [_as_data(group, names, roots) for group in groups[:SAMPLES]]
    return {
        "groups": shown,
        "groups_left_out": max(0, len(groups) - SAMPLES),
        "damaged": _samples(damaged),
        "other": {**_samples(others), "endings": _endings(others)},
        "links": {
            "files": sum(is_link for _directory, _name, _one, is_link in found.files),
            "directories": found.linked_directories,
            "dangling": found.dangling,
        },
        "unreadable": {"count": found.unreadable_count, "samples": found.unreadable},
        "cut_short": found.cut_short,
    }


Files = List[Tuple[str, str, Described]]


def _grouped(files: Iterable[Tuple[str, str, Described, bool]]) -> Tuple[List[Group], Files, Files]:
    groups: Dict[GroupKey, Group] = {}
    others: Files = []
    damaged: Files = []
    for directory, name, one, is_link in files:
        if one.kind in (OTHER, DAMAGED):
            (others if one.kind == OTHER else damaged).append((directory, name, one))
            continue
        # Without the lengths of texts and shapes, which differ from file to file.
        arrays = {array: (_OPEN.get(dtype[:2], dtype), shape) for array, (dtype, shape) in one.arrays.items()}
        key = (one.kind, tuple((array, dtype, len(shape)) for array, (dtype, shape) in arrays.items()))
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(one.kind, {array: (dtype, [*shape]) for array, (dtype, shape) in arrays.items()})
        group.add(directory, name, one, is_link)
    return sorted(groups.values(), key=lambda group: (-group.files, sorted(group.directories))), others, damaged


def _as_data(group: Group, names: Set[str], roots: Sequence[str]) -> Dict[str, Any]:
    entry = entry_of(group, names, roots)
    ordered = sorted(group.directories.items(), key=lambda item: (-item[1], item[0]))
    return {
        "kind": group.kind,
        "arrays": {name: {"dtype": dtype, "shape": shape} for name, (dtype, shape) in group.arrays.items()},
        "files": group.files,
        "features": group.features,
        "duplicates": group.files - group.features,
        "links": group.links,
        "bytes": group.size,
        "directories": [{"path": display(path), "files": count} for path, count in ordered[:SAMPLES]],
        "directories_left_out": max(0, len(ordered) - SAMPLES),
        "entry": entry,
    }


def entry_of(group: Group, names: Set[str], roots: Sequence[str]) -> Dict[str, Any]:
    """Return a feature set that accepts these files. names: those in use, extended here; roots: the given directories."""
    name = base = _set_name(group)
    number = 1
    while name in names:
        number += 1
        name = f"{base}_{number}"
    names.add(name)
    patterns = [f"*{ending}" for ending in sorted(group.endings)] if len(group.endings) <= SAMPLES else ["*"]
    kind = next(one for one in registry.KINDS if one.name == group.kind)
    target = f"/data/{name}"
    # An earlier run may have filled that target: a set does not name it twice.
    elsewhere = [path for path in group.directories if not f"{path}/".startswith(f"{target}/")]
    entry: Dict[str, Any] = {
        "name": name,
        "target": target,
        "legacy": [display(path) for path in legacy_of(elsewhere, roots)],
        "patterns": patterns,
    }
    # An array without a name matches any requested name.
    arrays = {
        array or "array": {"dtype": dtype, "shape": shape}
        for array, (dtype, shape) in group.arrays.items()
        if not dtype.startswith(_NOT_ASKED_FOR)
    }
    if kind.tells_arrays and arrays:
        entry["arrays"] = arrays
    if group.clashes:
        entry["layout"] = "tree"
    return entry


def _set_name(group: Group) -> str:
    """Name the set after its largest array, else after the directory that holds most of the files."""
    sized = [(len(shape), name) for name, (_dtype, shape) in group.arrays.items() if name]
    text = max(sized)[1] if sized and max(sized)[0] > 0 else os.path.basename(max(group.directories, key=group.directories.__getitem__))
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or group.kind


def legacy_of(directories: Iterable[str], roots: Sequence[str]) -> List[str]:
    """Return at most ten directories that contain all of these, none above the roots: legacy directories are scanned recursively."""
    kept = _topmost(set(directories))
    while len(kept) > SAMPLES:
        deepest = max(path.count("/") for path in kept if path not in roots) if kept - set(roots) else 0
        if not deepest:
            break
        lifted = {os.path.dirname(path) if path.count("/") == deepest and path not in roots else path for path in kept}
        kept = _topmost(lifted)
    return sorted(kept)


def _topmost(directories: Set[str]) -> Set[str]:
    return {path for path in directories if not any(above in directories for above in _above(path))}


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path


def _samples(files: Files) -> Dict[str, Any]:
    samples = [
        {"path": display(f"{directory.rstrip('/')}/{name}"), "reason": one.reason} for directory, name, one in files[:SAMPLES]
    ]
    return {"count": len(files), "bytes": sum(one.size for _directory, _name, one in files), "samples": samples}


def _endings(files: Files) -> Dict[str, int]:
    counts = Counter(display(os.path.splitext(name)[1]) for _directory, name, _one in files)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SAMPLES])
