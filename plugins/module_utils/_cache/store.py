# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores the inspection of a host that is ready and needs nothing: its facts and all that they depend on."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

from .._plan import state
from .._scan import manifest, places
from .._system import mounts
from . import basis, entry, files, fingerprint

# Seconds. A change that comes within the clock's resolution of another one looks like it, and a clock may be set back a little.
AGE = 120.0
# Names of a target that are read and are no features: with more of them, the inspection is not stored.
MOST_EXCEPTIONS = 1000


def store(params: Mapping[str, Any], host: state.HostState, facts: Dict[str, Any], started: float) -> None:
    """Store the facts, if they can be; the file system's errors only mean that nothing is stored.

    params: the module's. started: time.time() from before the inspection.
    """
    if not (params.get("remember") and facts["features_ready"] and not facts["feature_steps"]):
        return
    if not all(map(_can_be_cached, host.sets)):
        return
    sets = [_opened(one) for one in host.sets]
    if sum(len(one.exceptions) for one in sets) > MOST_EXCEPTIONS:
        return
    try:
        found = _entry(params, host, facts, sets, started)
    except (OSError, fingerprint.Unfit):
        return
    files.save(basis.entry_name(params, host.account), entry.pack(found))


def _can_be_cached(one: state.SetState) -> bool:
    return (
        one.feature_set.verify == "quick"
        and not one.discovery.directories
        and not one.access.unreadable
        and all(scan.state != places.UNREADABLE for scan in one.scans)
    )


def _opened(one: state.SetState) -> entry.Opened:
    skipped = [*(found for found in one.read if not found.is_feature), *one.hidden]
    exceptions = frozenset(found.path for found in skipped)
    return entry.Opened(one.target, one.feature_set.reads, one.feature_set.layout == "tree", len(one.features), exceptions)


def _entry(
    params: Mapping[str, Any], host: state.HostState, facts: Dict[str, Any], opened: Sequence[entry.Opened], started: float
) -> entry.CacheEntry:
    account, sets = host.account, [one.feature_set for one in host.sets]
    staged = [path(one.target) for one in sets for path in (manifest.staging_path, manifest.manifest_path)]
    result = entry.CacheEntry(
        facts=facts,
        basis=basis.basis_of(params, account),
        mounts=[one.mount for one in sets if one.mount is not None],
        absent=staged,
        targets=[(one.target, basis.target_now(account, one.target)) for one in sets],
        legacy=[(path, basis.legacy_now(account, path)) for path in dict.fromkeys(path for one in sets for path in one.legacy)],
        sets=list(opened),
        folders=[],
    )
    scans = state.distinct_scans(host.sets)
    most = 2 * sum(len(scan.entries) for scan in scans) + 1000
    roots = {scan.path: scan.place.key for scan in scans if scan.place.key}
    folders = fingerprint.survey(list(roots), mounts.read_mountinfo(), most, int((started - AGE) * 1e9))
    if any(one.key != roots.get(one.path, one.key) for one in folders):
        raise fingerprint.Unfit  # another directory than the one that was scanned: a mount changes no time
    return result._replace(folders=folders)
