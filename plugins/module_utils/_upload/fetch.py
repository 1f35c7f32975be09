# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host fetches features from an object store by itself, with rclone, into the staging directory.

rclone runs detached and holds the staging directory's lock. Its log, in a folder of the staging directory, shows how
far it is. What has arrived is classified, and only then gets a manifest.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .. import errors
from .._formats.classify import DAMAGED, FEATURE, NOT_UNDERSTOOD, classify_file, file_digest
from .._scan.manifest import Manifest, Wanted, read_names, token_of
from .._scan.staging import FETCH_DIR, list_staged
from .._spec.sets import FeatureSet
from .._system import accounts, at, become, files, paths, words
from . import plan, requirements, targets
from .rclone import Rclone, explain_rclone, find_rclone, list_store, start_copy
from .requirements import Site, find_site
from .staging import (
    check_folders,
    close_staging,
    make_staging,
    open_existing,
    refusals_named,
    remove_fetch_work,
    remove_files,
    remove_manifest,
    try_lock,
    write_manifest,
)

_PARTIAL = ".partial"
_TICK = 0.2  # seconds between two inspections of a running fetch


def start_fetch(feature_set: FeatureSet, account: accounts.Account, handed_on: Mapping[str, str], start: bool) -> Dict[str, Any]:
    """List the store and, with C(start), start rclone for what is not there yet. feature_set: resolved.

    Returns what there is to fetch; C(busy): another upload or publication holds the staging directory, and nothing was started.
    handed_on: variables that configure the remote. rclone runs as the staging directory's owner, with that account's configuration.
    """
    site = find_site(feature_set.target, account)
    with refusals_named(site.staging):
        started: Dict[str, Any] = become.run_as(site.keeper, _start, feature_set, site, handed_on, start)
        return started


def _start(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str], start: bool) -> Dict[str, Any]:
    """Runs as the keeper."""
    requirements.check_mount(feature_set)
    sizes: Dict[str, int] = become.run_as(site.worker, _list_store, feature_set, site, handed_on)
    fd = open_existing(site)
    found: Dict[str, Any] = {"shown": paths.display(site.staging), "busy": False, "changed": False}
    try:
        if fd is not None and not try_lock(fd):
            return {**found, "busy": True}
        staged: Set[str] = become.run_as(site.worker, _staged, fd, site, sizes)
        send = sorted(set(sizes) - staged)
        found.update(send_count=len(send), send_bytes=sum(sizes[name] for name in send))
        found.update(staged=len(staged), staged_bytes=sum(sizes[name] for name in staged))
        requirements.check_room([requirements.measure_room(site.staging, [sizes[name] for name in send])])
        if not start:
            return found
        if fd is None:
            fd = make_staging(site)
        become.run_as(site.worker, _clear_away, fd, site, sizes, read_names(site.target))
        remove_manifest(site.target)  # it is out of date
        become.run_as(site.worker, _start_copy, feature_set, site, handed_on, fd, sorted(sizes))
        return {**found, "changed": True}
    finally:
        if fd is not None:
            os.close(fd)


def _rclone(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str]) -> Rclone:
    """Return rclone with the worker's configuration, as which it runs."""
    return find_rclone(str(feature_set.source), handed_on, site.home)


def _list_store(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str]) -> Dict[str, int]:
    return list_store(_rclone(feature_set, site, handed_on), feature_set)


def _start_copy(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str], fd: int, names: List[str]) -> None:
    start_copy(_rclone(feature_set, site, handed_on), fd, names)


def _staged(fd: Optional[int], site: Site, sizes: Mapping[str, int]) -> Set[str]:
    if fd is None:
        return set()
    listing = list_staged(fd)
    check_folders(fd, site, listing.folders)
    return {path for path in listing.files if sizes.get(path) == _size(fd, path)}


def _size(fd: int, path: str) -> int:
    with at.parent(fd, path) as (folder, base):
        return at.lstat(folder, base).st_size


def _clear_away(fd: int, site: Site, sizes: Mapping[str, int], ours: Set[str]) -> None:
    """Remove what an earlier upload left and this one does not bring. Runs as the worker."""
    close_staging(fd)
    staged = list_staged(fd)
    unwanted = [path for path in [*staged.files, *staged.partial] if path not in sizes]
    foreign = [
        path for path in unwanted if path not in ours and path not in staged.partial and not path.endswith(_PARTIAL)
    ]
    foreign += [path for path, name in staged.partial.items() if name not in ours and name not in sizes]
    if foreign:
        raise errors.FeatureError(plan.name_foreign(site.staging, foreign))
    remove_files(fd, unwanted)


def wait_for_fetch(feature_set: FeatureSet, account: accounts.Account, handed_on: Mapping[str, str], patience: float) -> Dict[str, Any]:
    """Return how far the fetch is once it has ended, or after so many seconds. feature_set: resolved.

    exit: rclone's code once it has ended. error: its last one.
    """
    site = find_site(feature_set.target, account)
    with refusals_named(site.staging):
        found: Dict[str, Any] = become.run_as(site.worker, _wait, feature_set, site, handed_on, patience)
        return found


def _wait(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str], patience: float) -> Dict[str, Any]:
    end = time.monotonic() + patience
    while True:
        found = _inspect(feature_set, site, handed_on)
        if not found["running"] or time.monotonic() >= end:
            return found
        time.sleep(_TICK)


def _inspect(feature_set: FeatureSet, site: Site, handed_on: Mapping[str, str]) -> Dict[str, Any]:
    """Report how far the fetch is, from rclone's own log. Runs as the worker."""
    found: Dict[str, Any] = {"running": False, "exit": -9, "files": 0, "bytes": 0, "error": ""}
    fd = open_existing(site)
    if fd is not None:
        try:
            # In this order: it may end between the two questions.
            works = not try_lock(fd)
            code = _read_work(fd, "exit")
            found["exit"] = int(code or b"1") if code is not None else None if works else -9
            found["running"] = found["exit"] is None
            _read_log(_read_work(fd, "log") or b"", found)
        finally:
            os.close(fd)
    if found["exit"]:
        rclone = _rclone(feature_set, site, handed_on)
        found["error"] = explain_rclone(str(feature_set.source), found["error"] or "rclone was killed", rclone)
    return found


def _read_work(fd: int, name: str) -> Optional[bytes]:
    """The end of a file of a fetch; None if there is none."""
    try:
        file = at.opened(fd, f"{FETCH_DIR}/{name}", paths.OPEN_FILE)
    except OSError:
        return None
    try:
        return os.pread(file, 65536, max(0, os.fstat(file).st_size - 65536))
    finally:
        os.close(file)


def _read_log(log: bytes, found: Dict[str, Any]) -> None:
    for line in log.splitlines():
        try:
            entry: Dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "stats" in entry:
            found.update(bytes=int(entry["stats"].get("bytes", 0)), files=int(entry["stats"].get("transfers", 0)))
        elif entry.get("level") in ("error", "critical"):
            found["error"] = str(entry.get("msg", ""))


def finish_fetch(feature_set: FeatureSet, account: accounts.Account, sets: Sequence[FeatureSet]) -> Dict[str, Any]:
    """Classify what has arrived, and write the manifest of the features that no target holds.

    sets: all of the host, resolved as the set itself is.
    """
    site = find_site(feature_set.target, account)
    with refusals_named(site.staging):
        found: Dict[str, Any] = become.run_as(site.keeper, _finish, feature_set, site, sets)
        return found


def _finish(feature_set: FeatureSet, site: Site, sets: Sequence[FeatureSet]) -> Dict[str, Any]:
    """Runs as the keeper."""
    fd = open_existing(site)
    if fd is None or not try_lock(fd):
        raise errors.FeatureError(f"{paths.display(site.staging)} is used by another upload: wait for it, then run again")
    try:
        classified: Dict[str, Any]
        manifest: Manifest
        classified, manifest = become.run_as(site.worker, _classify_staged, feature_set, fd, site.staging)
        held = targets.Targets(sets).held(feature_set, manifest)
        missing = plan.find_missing(feature_set, held, manifest)
        wanted = missing.features
        classified.update(features=len(wanted), present=missing.present, warnings=list(missing.warnings))
        classified["left_out"] += missing.elsewhere
        become.run_as(site.worker, remove_files, fd, sorted(set(manifest) - set(wanted)))
        if not wanted:
            raise errors.FeatureError(
                f"source '{feature_set.source}' holds no feature of set '{feature_set.name}' that the target lacks"
            )
        write_manifest(site.target, wanted)
        become.run_as(site.worker, remove_fetch_work, fd)
        return classified
    finally:
        os.close(fd)


def _classify_staged(feature_set: FeatureSet, fd: int, staging: str) -> Tuple[Dict[str, Any], Manifest]:
    """Runs as the worker."""
    classified: Dict[str, Any] = {"left_out": 0, "samples": []}
    manifest: Manifest = {}
    first: Dict[str, str] = {}
    for path in sorted(list_staged(fd).files):
        size, kind, reason, token = _classify_one(feature_set, fd, path)
        shown = paths.display(path)
        if kind in (DAMAGED, NOT_UNDERSTOOD):
            raise errors.FeatureError(
                f"{shown} of source '{feature_set.source}' is {kind} ({reason}): restore or remove it in the store, and"
                f" remove {paths.display(os.path.join(staging, path))}"
            )
        name = path if feature_set.layout == "tree" else path.rpartition("/")[2]
        twice = first.get(token) if kind == FEATURE else None
        if kind != FEATURE or twice is not None:
            classified["left_out"] += 1
            reason = reason if twice is None else f"the same feature as {twice}"
            words.keep(classified["samples"], {"path": shown, "reason": reason})
            remove_files(fd, [path])
            continue
        if name in manifest:
            raise errors.FeatureError(
                f"source '{feature_set.source}' has two different features named {paths.display(name)}: rename one, or set layout: tree"
            )
        first[token] = shown
        if name != path:
            with at.parent(fd, path) as (folder, base):
                at.rename(folder, base, fd, name)
        manifest[name] = Wanted(size, token)
    _remove_empty_folders(fd, manifest)
    return classified, manifest


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
            with at.parent(fd, folder) as (above, name):
                at.rmdir(above, name)
