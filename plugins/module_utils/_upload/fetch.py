# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host fetches features from an object store by itself, with rclone, into the staging directory.

rclone runs detached and holds the staging directory's lock. Its log, in a folder of the staging directory, tells how
far it is. What has arrived is classified, and only then gets a manifest.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .. import errors
from .._formats.classify import DAMAGED, FEATURE, classify_file, file_digest
from .._scan import staging_paths
from .._scan.manifest import Manifest, Wanted, read_names, token_of
from .._scan.staging import FETCH_DIR, list_staged
from .._spec.sets import FeatureSet
from .._system import accounts, files, paths, samples
from . import plan, present_elsewhere, requirements
from .rclone import Rclone, explain_rclone, list_store, start_copy
from .staging import (
    make_staging,
    open_existing,
    own_staging,
    remove_fetch_work,
    remove_manifest,
    scan_target,
    try_lock,
    write_manifest,
)

_PARTIAL = ".partial"
_TICK = 0.2  # seconds between two inspections of a running fetch


@dataclass(frozen=True)
class Started:
    """What a fetch brings. C(busy): another upload or publication holds the staging directory, and nothing was started."""

    staging: str
    send: int = 0
    send_bytes: int = 0
    staged: int = 0
    staged_bytes: int = 0
    busy: bool = False
    changed: bool = False


@dataclass
class Fetched:
    """How far a fetch is. C(exit): rclone's code once it has ended. C(error): its last one."""

    running: bool = False
    exit: Optional[int] = None
    files: int = 0
    bytes: int = 0
    error: str = ""


@dataclass
class Classified:
    """What has arrived, classified."""

    features: int = 0
    left_out: int = 0
    present: int = 0
    samples: List[Dict[str, str]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def start_fetch(feature_set: FeatureSet, account: accounts.Account, rclone: Rclone, start: bool) -> Started:
    """Lists the store and, with C(start), starts rclone for what is not there yet. feature_set: resolved."""
    requirements.check_mount(feature_set)
    target = feature_set.target
    sizes = list_store(rclone, feature_set)
    staging = staging_paths.staging_path(target)
    fd = open_existing(staging, account)
    try:
        if fd is not None and not try_lock(fd):
            return Started(staging, busy=True)
        staged = _staged(fd, sizes)
        send = sorted(set(sizes) - staged)
        found = Started(
            staging,
            send=len(send),
            send_bytes=sum(sizes[name] for name in send),
            staged=len(staged),
            staged_bytes=sum(sizes[name] for name in staged),
        )
        requirements.check_room([requirements.measure_room(staging, [sizes[name] for name in send])])
        if not start:
            return found
        if fd is None:
            fd = make_staging(staging, account)
        own_staging(fd)
        _clear_away(target, fd, sizes, staging)
        start_copy(rclone, fd, sorted(sizes))
        return replace(found, changed=True)
    finally:
        if fd is not None:
            os.close(fd)


def _staged(fd: Optional[int], sizes: Mapping[str, int]) -> Set[str]:
    if fd is None:
        return set()
    found = set()
    for path in list_staged(fd).files:
        if sizes.get(path) == os.stat(path, dir_fd=fd, follow_symlinks=False).st_size:
            found.add(path)
    return found


def _clear_away(target: str, fd: int, sizes: Mapping[str, int], staging: str) -> None:
    """Removes what an earlier upload left and this one does not bring, and its manifest: it says nothing any more."""
    staged = list_staged(fd)
    ours = read_names(target)
    unwanted = [path for path in [*staged.files, *staged.partial] if path not in sizes]
    foreign = [
        path for path in unwanted if path not in ours and path not in staged.partial and not path.endswith(_PARTIAL)
    ]
    if foreign:
        raise errors.FeatureError(plan.name_foreign(staging, foreign))
    for path in unwanted:
        os.unlink(path, dir_fd=fd)
    remove_manifest(target)


def wait_for_fetch(feature_set: FeatureSet, account: accounts.Account, rclone: Rclone, patience: float) -> Fetched:
    """Return how far the fetch is once it has ended, or after so many seconds. feature_set: resolved."""
    end = time.monotonic() + patience
    while True:
        found = _inspect_fetch(feature_set, account, rclone)
        if not found.running or time.monotonic() >= end:
            return found
        time.sleep(_TICK)


def _inspect_fetch(feature_set: FeatureSet, account: accounts.Account, rclone: Rclone) -> Fetched:
    """How far the fetch is, from rclone's own log."""
    found = Fetched()
    fd = open_existing(staging_paths.staging_path(feature_set.target), account)
    if fd is None:
        found.exit = -9
    else:
        try:
            # In this order: it may end between the two questions.
            found.running = not try_lock(fd)
            code = _read_work(fd, "exit")
            found.exit = int(code or b"1") if code is not None else None if found.running else -9
            found.running = found.exit is None
            _read_log(_read_work(fd, "log") or b"", found)
        finally:
            os.close(fd)
    if found.exit:
        found.error = explain_rclone(str(feature_set.source), found.error or "rclone was killed", rclone)
    return found


def _read_work(fd: int, name: str) -> Optional[bytes]:
    """The end of a file of a fetch; None where there is none."""
    try:
        file = os.open(FETCH_DIR + "/" + name, paths.OPEN_FILE, dir_fd=fd)
    except OSError:
        return None
    try:
        return os.pread(file, 65536, max(0, os.fstat(file).st_size - 65536))
    finally:
        os.close(file)


def _read_log(log: bytes, found: Fetched) -> None:
    for line in log.splitlines():
        try:
            entry: Dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "stats" in entry:
            found.bytes, found.files = int(entry["stats"].get("bytes", 0)), int(entry["stats"].get("transfers", 0))
        elif entry.get("level") in ("error", "critical"):
            found.error = str(entry.get("msg", ""))


def finish_fetch(feature_set: FeatureSet, account: accounts.Account, sets: Sequence[FeatureSet]) -> Classified:
    """Classifies what has arrived, and writes the manifest of the features that no target holds.

    sets: all of the host, resolved as the set itself is.
    """
    target = feature_set.target
    staging = staging_paths.staging_path(target)
    fd = open_existing(staging, account)
    if fd is None or not try_lock(fd):
        raise errors.FeatureError(f"{paths.display(staging)} is used by another upload: wait for it, then run again")
    try:
        classified = Classified()
        manifest = _classify_staged(feature_set, fd, staging, classified)
        elsewhere = present_elsewhere.find_elsewhere(feature_set, sets, manifest)
        missing = plan.find_missing(feature_set, scan_target(feature_set, staging, manifest), manifest, elsewhere)
        wanted = missing.features
        classified.features, classified.present = len(wanted), missing.present
        classified.warnings = list(missing.warnings)
        classified.left_out += missing.elsewhere
        for name in set(manifest) - set(wanted):
            os.unlink(name, dir_fd=fd)
        if not wanted:
            raise errors.FeatureError(
                f"source '{feature_set.source}' holds no feature of set '{feature_set.name}' that the target lacks"
            )
        write_manifest(target, wanted)
        remove_fetch_work(fd)
        return classified
    finally:
        os.close(fd)


def _classify_staged(feature_set: FeatureSet, fd: int, staging: str, classified: Classified) -> Manifest:
    manifest: Manifest = {}
    first: Dict[str, str] = {}
    for path in sorted(list_staged(fd).files):
        size, kind, reason, token = _classify_one(feature_set, fd, path)
        shown = paths.display(path)
        if kind == DAMAGED:
            raise errors.FeatureError(
                f"{shown} of source '{feature_set.source}' is damaged ({reason}): restore or remove it in the store, and"
                f" remove {paths.display(os.path.join(staging, path))}"
            )
        name = path if feature_set.layout == "tree" else path.rpartition("/")[2]
        twice = first.get(token) if kind == FEATURE else None
        if kind != FEATURE or twice is not None:
            classified.left_out += 1
            reason = reason if twice is None else f"the same feature as {twice}"
            samples.keep(classified.samples, {"path": shown, "reason": reason})
            os.unlink(path, dir_fd=fd)
            continue
        if name in manifest:
            raise errors.FeatureError(
                f"source '{feature_set.source}' has two different features named {paths.display(name)}: rename one, or set layout: tree"
            )
        first[token] = shown
        if name != path:
            os.rename(path, name, src_dir_fd=fd, dst_dir_fd=fd)
        manifest[name] = Wanted(size, token)
    _remove_empty_folders(fd, manifest)
    return manifest


def _classify_one(feature_set: FeatureSet, fd: int, path: str) -> Tuple[int, str, str, str]:
    def classify(file: int, info: os.stat_result, _name: str) -> Tuple[int, str, str, str]:
        classification = classify_file(file, info, path.rpartition("/")[2], feature_set.criteria)
        token = token_of(classification, lambda: file_digest(file)) if classification.kind == FEATURE else ""
        return info.st_size, classification.kind, classification.reason, token

    found = files.with_file(classify, path, fd, paths.OPEN_FILE, (feature_set.name, path))
    if found is None:
        raise errors.FeatureError(f"{paths.display(path)} is not a file any more, while it was fetched: run again")
    return found


def _remove_empty_folders(fd: int, manifest: Manifest) -> None:
    used = {os.path.dirname(name) for name in manifest}
    for folder in sorted(list_staged(fd).folders, reverse=True):
        if not any(one == folder or one.startswith(folder + "/") for one in used):
            os.rmdir(folder, dir_fd=fd)
