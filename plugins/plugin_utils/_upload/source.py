# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of an upload before anything is sent: which files of a source are features?"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ...module_utils._formats.classify import DAMAGED, NOT_UNDERSTOOD
from ...module_utils._scan.directories import ScanOptions, scan_directory
from ...module_utils._scan.identity import WHOLE, Contents, resolve_identities
from ...module_utils._scan.manifest import Manifest, Wanted, pack_manifest, token_of, unpack_choice, unpack_manifest
from ...module_utils._scan.model import DANGLING, DirectoryScan, Entry
from ...module_utils._scan.places import look_up
from ...module_utils._spec.folders import in_hidden_folder
from ...module_utils._spec.names import name_filter
from ...module_utils._spec.sets import FeatureSet
from ...module_utils._system.paths import display
from ...module_utils._system.words import keep
from ...module_utils.errors import FeatureError

# A file as it was classified: size in bytes, time of the last change in nanoseconds.
Stamp = tuple[int, int]


@dataclass
class Source:
    """A classified source: its features by the name that they get on the host.

    files: that name to the path below the source; stamps: the same, as classified; left_out: files of another kind, and
    second copies of a feature; samples: at most ten of them, {path, reason}.
    """

    path: str
    manifest: Manifest
    files: dict[str, str]
    stamps: dict[str, Stamp]
    left_out: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)

    @property
    def packed(self) -> str:
        return pack_manifest(self.manifest)

    def chosen(self, choice: str) -> list[str]:
        return unpack_choice(self.manifest, choice)

    def changed_since(self, names: Iterable[str]) -> str | None:
        """The path of the first of these features that is not what it was when it was classified."""
        for name in names:
            path = os.path.join(self.path, self.files[name])
            try:
                if stamp_of(path) != self.stamps[name]:
                    return path
            except OSError:
                return path
        return None


def stamp_of(path: str) -> Stamp:
    """What changes when a file is written."""
    info = os.stat(path)
    return (info.st_size, info.st_mtime_ns)


def classify_source(feature_set: FeatureSet, path: str) -> Source:
    """Judges each file of a source directory; FeatureError if it cannot be uploaded as it is."""
    place = look_up(path)
    shown = display(path)
    if place.state == "absent":
        raise FeatureError(f"source {shown} does not exist on the controller: create it, or correct 'source'")
    accept, options = name_filter(feature_set.patterns, feature_set.exclude), ScanOptions(folders=feature_set.folders)
    scan = scan_directory(place, accept, feature_set.criteria, {}, options)
    if scan.gaps:
        raise FeatureError(f"source {scan.gaps[0]}: make it a directory that you can read in full, on the controller")
    source = Source(path, {}, {}, {})
    reads = name_filter(feature_set.reads)
    features = [
        entry
        for entry in sorted(scan.entries, key=lambda entry: entry.path)
        if _keep(source, scan, entry, reads, feature_set.layout == "tree")
    ]
    if not features:
        raise FeatureError(
            f"source {shown} holds no feature of set '{feature_set.name}' (files of another kind: {source.left_out}"
            + (f"; e.g. {source.samples[0]['path']}, which {source.samples[0]['reason']}" if source.samples else "")
            + "): correct 'source', or the set's 'patterns', 'reads' and 'arrays'"
        )
    contents = Contents()
    tokens = _tokens(path, features, contents)
    for _path, entry in resolve_identities([(path, entry) for entry in features], contents):
        raise FeatureError(f"{display(os.path.join(path, entry.path))} in the source {entry.classification.reason}: restore or remove it")
    first: dict[bytes, str] = {}
    for entry in features:
        identity = entry.classification.identity or b""
        if identity in first:
            _leave_out(source, entry.path, f"the same feature as {display(first[identity])}")
            continue
        first[identity] = entry.path
        _take(source, feature_set, entry, tokens[entry.path])
    return source


def _tokens(path: str, features: list[Entry], contents: Contents) -> dict[str, str]:
    unchecked = [(path, entry) for entry in features if entry.classification.identity is None]
    digests = {}
    for (_path, entry), digest in zip(unchecked, contents.digests(WHOLE, unchecked), strict=True):
        if not isinstance(digest, bytes):
            raise FeatureError(f"{display(os.path.join(path, entry.path))} in the source cannot be read ({digest[1]}): make it readable")
        digests[entry.path] = digest
    return {entry.path: token_of(entry.classification, partial(digests.__getitem__, entry.path)) for entry in features}


def _keep(source: Source, scan: DirectoryScan, entry: Entry, reads: Callable[[str], Any], tree: bool) -> bool:
    where = display(os.path.join(scan.path, entry.path))
    if entry.kind == DANGLING:
        raise FeatureError(f"{where} in the source is a link to nothing: remove it, or restore what it leads to")
    if entry.classification.kind == DAMAGED:
        raise FeatureError(
            f"{where} in the source is damaged ({entry.classification.reason}): restore or remove it, then run again"
        )
    if entry.classification.kind == NOT_UNDERSTOOD:
        raise FeatureError(
            f"{where} in the source is not understood ({entry.classification.reason}) and may be a feature: exclude it ('exclude'),"
            " or set 'format: any' to send matching files as they are"
        )
    if not entry.is_feature:
        _leave_out(source, entry.path, entry.classification.reason or "is not a file")
    elif not (seen := reads(entry.name) and not (tree and in_hidden_folder(entry.path))):
        _leave_out(source, entry.path, "has a name that the set's 'reads' does not match, so that the trainer would not see it")
    return bool(entry.is_feature and seen)


def _leave_out(source: Source, path: str, reason: str) -> None:
    source.left_out += 1
    keep(source.samples, {"path": display(path), "reason": reason})


def _take(source: Source, feature_set: FeatureSet, entry: Entry, token: str) -> None:
    name = entry.path if feature_set.layout == "tree" else entry.name
    if name in source.files:
        raise FeatureError(
            f"source {display(source.path)} has two different features named {display(name)}"
            f" ({display(source.files[name])} and {display(entry.path)}): rename one, or set layout: tree"
        )
    stamp = stamp_of(os.path.join(source.path, entry.path))
    source.files[name] = entry.path
    source.stamps[name] = stamp
    source.manifest[name] = Wanted(stamp[0], token)


def classify_once(feature_set: FeatureSet, path: str, run_directory: Path) -> Source:
    """As classify_source, but once for all hosts of a run: the others wait for the first and read its answer."""
    criteria = repr(
        (path, feature_set.patterns, feature_set.exclude, feature_set.folders, feature_set.criteria, feature_set.layout)
    )
    key = hashlib.sha256(criteria.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    run_directory.mkdir(mode=0o700, exist_ok=True)
    answer = run_directory / f"source-{key}.json"
    with open(run_directory / f"source-{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if answer.exists():
            return _load(json.loads(answer.read_text("ascii")), path)
        source = classify_source(feature_set, path)
        temporary = answer.with_suffix(".new")
        temporary.write_text(json.dumps(_dump(source)), "ascii")
        temporary.rename(answer)
        return source


def _dump(source: Source) -> dict[str, Any]:
    return {
        "manifest": source.packed,
        "files": source.files,
        "stamps": source.stamps,
        "left_out": source.left_out,
        "samples": source.samples,
    }


def _load(data: dict[str, Any], path: str) -> Source:
    stamps = {name: (size, changed) for name, (size, changed) in data["stamps"].items()}
    manifest = unpack_manifest(data["manifest"])
    return Source(path, manifest, data["files"], stamps, data["left_out"], data["samples"])
