# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The witness of the last look: where a host is as it was, the facts are what they were, and no feature file is opened to say so.

A look that found a host ready, with nothing to do, leaves the facts and a fingerprint of all directories that they rest on. Access is
not remembered: the training user opens every feature anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .._access.report import AccessProbe
from .._scan.fingerprint import Folder, Unfit, close, listings, survey, unchanged
from .._scan.overlap import refuse_overlaps
from .._scan.places import Place, look_up_as_needed, places_as_needed
from .._scan.staging_paths import manifest_path, staging_path
from .._spec.policy import Policy
from .._spec.sets import FeatureSet, name_filter
from .._system import kept_files
from .._system.accounts import Account
from .._system.code_version import code_version
from .._system.mounts import read_mountinfo
from .._system.paths import is_below
from ..errors import variable_prefix

if TYPE_CHECKING:
    from .._plan.state import HostState

# A change that comes within the clock's grain of another one cannot be told from it, and a clock may be set back a little.
AGE = 120.0
# Names of a target that are read and are not features: more of them, and the host is not worth remembering.
MOST_EXCEPTIONS = 1000
_ACCOUNTS = ("/etc/passwd", "/etc/group")


class Inspected(NamedTuple):
    """What is true of a host. C(host) is None where a witness said so, and nothing was scanned."""

    facts: Dict[str, Any]
    host: Optional[HostState]


def inspect_or_recall(
    sets: Sequence[FeatureSet],
    account: Account,
    policy: Policy,
    declared: Sequence[Mapping[str, Any]],
    check_mode: bool,
) -> Inspected:
    """The facts: from the witness where the host is as it was, else from a scan, which leaves one (not in check mode).

    declared: the sets as they were given; they are told with the facts, and not kept.
    """
    known = recall(sets, account, policy)
    if known is not None:
        given = {one["name"]: dict(one) for one in declared}
        told = {name: {**one, "declared": given.get(name)} for name, one in known["feature_sets"].items()}
        return Inspected({**known, "feature_sets": told}, None)
    # Imported where it is needed: an unchanged host needs none of it.
    from .facts import facts
    from .inspect import inspect_host

    started = time.time()
    host = inspect_host(sets, account, policy)
    found = facts(host, read_mountinfo(), declared)
    if not check_mode:
        remember(host, found, started)
    return Inspected(found, host)


def recall(sets: Sequence[FeatureSet], account: Account, policy: Policy) -> Optional[Dict[str, Any]]:
    """The facts of the last look, where nothing that they rest on has changed and the user can open every feature; else None."""
    if not _may_be_used(sets, policy):
        return None
    raw = kept_files.load(_name(sets, account))
    if raw is None:
        return None
    try:
        witness = json.loads(raw.decode("ascii"))
        folders = [
            Folder(os.fsdecode(bytes.fromhex(path)), (dev, ino), ctime, entries, int(names), tuple(digests))
            for path, dev, ino, ctime, entries, names, digests in witness["folders"]
        ]
        if witness["basis"] != _basis(sets, account, policy):
            return None
        exceptions = {name: {bytes.fromhex(one) for one in paths} for name, paths in witness["exceptions"].items()}
        return _verified(sets, account, folders, exceptions, witness["facts"])
    except (ValueError, TypeError, KeyError, AttributeError):
        kept_files.forget(_name(sets, account))
        return None


def _verified(
    sets: Sequence[FeatureSet],
    account: Account,
    folders: Sequence[Folder],
    exceptions: Mapping[str, Any],
    facts: Dict[str, Any],
) -> Optional[Dict[str, Any]]:
    found = listings(folders)
    if found is None:
        return None
    try:
        names = {folder.path: one.names for folder, one in zip(folders, found)}
        to_read = {one.name: [(one.target, _features(one, names, exceptions.get(one.name, ())), True)] for one in sets}
        to_read = {name: items if items[0][0] in names else [] for name, items in to_read.items()}
        for one in sets:
            if sum(len(paths) for _path, paths, _list in to_read[one.name]) != facts["feature_sets"][one.name]["target"]["features"]:
                return None
        probe = AccessProbe(account)
        probe.begin(to_read)
        same = unchanged(folders, found)
        reports = probe.reports(to_read, {})
        return facts if same and not any(report.unreadable for report in reports.values()) else None
    finally:
        close(found)


def _features(one: FeatureSet, names: Mapping[str, Sequence[str]], exceptions: Any) -> List[str]:
    """The paths below a target that the trainer reads as features."""
    reads, found = name_filter(one.reads), []
    for folder, inside in names.items():
        if folder == one.target or (one.layout == "tree" and is_below(folder, one.target)):
            prefix = folder[len(one.target) :].strip("/")
            found += [os.path.join(prefix, name) for name in inside if reads(name)] if prefix else [name for name in inside if reads(name)]
    return [path for path in found if os.fsencode(path) not in exceptions] if exceptions else found


def remember(host: HostState, facts: Dict[str, Any], started: float) -> None:
    """Leaves the witness of this look where the host is ready and nothing is due. Never fails: without one the next look is a full one.

    started: time.time() from before the look.
    """
    sets = [one.feature_set for one in host.sets]
    if not (_may_be_used(sets, host.policy) and facts["features_ready"] and not facts["feature_steps"]):
        return
    if any(one.discovery.directories or one.access is None or one.access.unreadable for one in host.sets):
        return
    exceptions = {
        one.name: [os.fsencode(entry.path).hex() for entry in one.read if not entry.is_feature] for one in host.sets
    }
    if sum(map(len, exceptions.values())) > MOST_EXCEPTIONS:
        return
    places = [one.scan.place for one in host.sets] + [legacy.place for one in host.sets for legacy in one.legacy]
    roots = list(dict.fromkeys(place.path for place in places if place.key))
    scans = {id(scan): len(scan.entries) for one in host.sets for scan in [one.scan, *(legacy.scan for legacy in one.legacy)] if scan}
    try:
        basis = _basis(sets, host.account, host.policy)
        found = survey(roots, read_mountinfo(), 2 * sum(scans.values()) + 1000, int((started - AGE) * 1e9))
    except (OSError, Unfit):
        return
    if basis is None:
        return
    witness = {
        "basis": basis,
        "folders": [
            [os.fsencode(one.path).hex(), *one.key, one.ctime, one.entries, one.names, one.digests] for one in found.folders
        ],
        "exceptions": exceptions,
        "facts": {**facts, "feature_sets": {name: {**one, "declared": None} for name, one in facts["feature_sets"].items()}},
    }
    kept_files.save(_name(sets, host.account), json.dumps(witness, separators=(",", ":")).encode("ascii"))


def _may_be_used(sets: Sequence[FeatureSet], policy: Policy) -> bool:
    return policy.remember and all(one.verify == "quick" for one in sets)


def _name(sets: Sequence[FeatureSet], account: Account) -> str:
    """One file for each group of targets and account."""
    text = "\0".join([account.name, *(one.target for one in sets)])
    return f"look-{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}.json"


def _basis(sets: Sequence[FeatureSet], account: Account, policy: Policy) -> Optional[Dict[str, Any]]:
    """All that a look rests on besides the directories' content; None where that alone asks for a look."""
    targets = [look_up_as_needed(account, one.target) for one in sets]
    declared = [places_as_needed(account, one.legacy) for one in sets]
    refuse_overlaps(sets, targets, declared)
    if any(one.mount is not None and not os.path.ismount(one.mount) for one in sets):
        return None
    if any(os.path.lexists(path(one.target)) for one in sets for path in (staging_path, manifest_path)):
        return None
    return {
        "code": code_version(),
        "asked": hashlib.sha256(repr((sets, account, policy, variable_prefix())).encode("utf-8", "backslashreplace")).hexdigest(),
        "accounts": [[info.st_ino, info.st_size, info.st_ctime_ns] for info in map(os.stat, _ACCOUNTS)],
        "places": [[_said(place) for place in places] for places in [targets, *declared]],
    }


def _said(place: Place) -> List[Any]:
    return [os.fsencode(place.path).hex(), place.state, list(place.key or ()), place.is_link]
