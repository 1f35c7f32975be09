# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leaves the witness of a look that found a host ready, with nothing to do: the facts, and all that they rest on."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

from .._plan import state
from .._scan import fingerprint, staging_paths
from .._scan.places import ABSENT, PRESENT
from .._system import kept_files, mounts
from . import recall

# A change that comes within the clock's grain of another one looks like it, and a clock may be set back a little.
AGE = 120.0
# Names of a target that are read and are not features: more of them, and the host is not worth remembering.
MOST_EXCEPTIONS = 1000


def leave_witness(params: Mapping[str, Any], host: state.HostState, facts: Dict[str, Any], started: float) -> None:
    """Never fails: without a witness the next look is a full one.

    params: the module's, of which the look was made. started: time.time() from before the look.
    """
    if not (params.get("remember") and facts["features_ready"] and not facts["feature_steps"]):
        return
    if not all(map(_can_be_told_again, host.sets)):
        return
    sets = {one.name: _what_is_opened(one) for one in host.sets}
    if sum(len(one["exceptions"]) for one in sets.values()) > MOST_EXCEPTIONS:
        return
    try:
        witness = {**_what_it_rests_on(params, host, started), "sets": sets}
    except (OSError, fingerprint.Unfit):
        return
    text = json.dumps({**witness, "facts": facts}, separators=(",", ":"))
    kept_files.save(recall.witness_name(params, host.account), text.encode("ascii"))


def _can_be_told_again(one: state.SetState) -> bool:
    return (
        one.feature_set.verify == "quick"
        and not one.discovery.directories
        and one.access is not None
        and not one.access.unreadable
        and all(place.state in (ABSENT, PRESENT) for place in [one.scan.place, *(legacy.place for legacy in one.legacy)])
    )


def _what_is_opened(one: state.SetState) -> Dict[str, Any]:
    return {
        "target": recall.text_of(one.target),
        "reads": list(one.feature_set.reads),
        "tree": one.feature_set.layout == "tree",
        "exceptions": [recall.text_of(entry.path) for entry in one.read if not entry.is_feature],
        "features": len(one.features),
    }


def _what_it_rests_on(params: Mapping[str, Any], host: state.HostState, started: float) -> Dict[str, Any]:
    account, sets = host.account, [one.feature_set for one in host.sets]
    legacy = dict.fromkeys(path for one in sets for path in one.legacy)
    found = {
        "basis": recall.basis_of(params, account),
        "targets": [[recall.text_of(one.target), recall.target_now(account, one.target)] for one in sets],
        "legacy": [[recall.text_of(path), recall.legacy_now(account, path)] for path in legacy],
        "mounts": [recall.text_of(one.mount) for one in sets if one.mount is not None],
        "absent": [recall.text_of(path(one.target)) for one in sets for path in (staging_paths.staging_path, staging_paths.manifest_path)],
    }
    scans = {id(scan): scan for one in host.sets for scan in [one.scan, *(legacy.scan for legacy in one.legacy)] if scan}
    most = 2 * sum(len(scan.entries) for scan in scans.values()) + 1000
    places = [one.scan.place for one in host.sets] + [legacy.place for one in host.sets for legacy in one.legacy]
    roots = {place.path: place.key for place in places if place.key}
    folders = fingerprint.survey(list(roots), mounts.read_mountinfo(), most, int((started - AGE) * 1e9))
    if any(one.key != roots.get(one.path, one.key) for one in folders):
        raise fingerprint.Unfit  # another directory than the one that was looked at: a mount changes no time
    return {**found, "folders": [[recall.text_of(one.path), *one.key, one.ctime, one.entries, one.names, one.digests] for one in folders]}
