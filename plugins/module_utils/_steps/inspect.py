# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One inspection of a host: the directories of all sets are scanned, compared and planned for. Changes nothing."""

from __future__ import annotations

import contextlib
import gc
import os
from dataclasses import replace
from typing import Dict, Iterator, List, Sequence

from .. import errors
from .._access import report
from .._plan import features_digest, host, state
from .._scan import directories, identity, model, overlap, search, staging
from .._scan.legacy import LegacyScanner
from .._scan.places import Place, find_places, look_up
from .._spec import folders, names
from .._spec.arguments import Policy
from .._spec.sets import FeatureSet
from .._system import accounts, become, mounts, paths


def inspect_host(
    sets: Sequence[FeatureSet], account: accounts.Account, policy: Policy, search_for_all: bool = False
) -> state.HostState:
    """Scan everything once and plan. FeatureError for input that contradicts the host.

    search_for_all: search for every set, not only for those that have nothing: finds of an earlier search are linked by now.
    """
    with _gc_paused():
        planned = _scan_and_plan(sets, account, policy)
        searching = [one.feature_set for one in planned if search_for_all or host.is_missed(one, planned)]
        found = {
            one.name: _look_behind(one, planned, account) if search_for_all or one.status == 0 else model.Discovery()
            for one in planned
        }
        if searching and policy.search_roots:
            for name, discovery in _search(planned, account, policy, searching).items():
                found[name] = found[name].joined(discovery)
        if policy.on_discovery == "link" and any(discovery.directories for discovery in found.values()):
            more = {name: tuple(path for path, _count in discovery.directories) for name, discovery in found.items()}
            planned = _scan_and_plan([replace(one, legacy=one.legacy + more[one.name]) for one in sets], account, policy)
        reads, sources = {one.name: one.reads_after() for one in planned}, {one.name: one.link_sources() for one in planned}
        reports = report.access_reports(account, reads, sources)
        states = [state.SetState(**vars(one), discovery=found[one.name], access=reports[one.name]) for one in planned]
        return state.HostState(account, policy, states)


@contextlib.contextmanager
def _gc_paused() -> Iterator[None]:
    """An inspection keeps an object for each file: garbage collection among them takes time and finds none."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _scan_and_plan(sets: Sequence[FeatureSet], account: accounts.Account, policy: Policy) -> List[state.PlannedSet]:
    targets = [_target_place(one, account) for one in sets]
    declared = [find_places(one.legacy, account) for one in sets]
    overlap.refuse_overlaps(sets, targets, declared)
    scanner = LegacyScanner(sets, account, [target.key for target in targets if target.key], model.MEMORY)
    contents = identity.Contents(account)
    # All legacy directories first: a link in a target then has its classification already.
    legacy = [scanner.scans_of(one, places) for one, places in zip(sets, declared)]
    scans = [
        _scan_set(one, account, found, _scan_target(one, place, scanner), contents)
        for one, place, found in zip(sets, targets, legacy)
    ]
    scanner.forget_classifications()
    features = [(scan.path, entry) for scan in state.distinct_scans(scans) for entry in scan.entries if entry.is_feature]
    lost = identity.resolve_identities(features, contents)
    if lost:
        scans = _without(scans, lost)
    return host.plan_host(scans, policy)


def _target_place(one: FeatureSet, account: accounts.Account) -> Place:
    place = look_up(one.target, account)
    if place.in_the_way:
        raise errors.FeatureError(
            f"feature set '{one.name}': target {paths.display(one.target)} is a file or is below one: move it away or name another"
            " target"
        )
    return place


def _scan_target(one: FeatureSet, place: Place, scanner: LegacyScanner) -> model.DirectoryScan:
    accept = names.any_filter([(one.reads, ()), (one.patterns, one.exclude)])
    options = directories.ScanOptions(recursive=one.layout == "tree", as_glob=True, keep_names=True)
    return scanner.scan(place, accept, one.criteria, options)


def _without(scans: Sequence[state.SetScan], lost: Sequence[identity.Located]) -> List[state.SetScan]:
    """The sets without the files that could not be compared with others, which are unscanned parts."""
    by_path = {found.path: found for found in state.distinct_scans(scans)}
    for directory, entry in lost:
        by_path[directory].gap(f"{paths.display(directory)}/{paths.display(entry.path)} {entry.classification.reason}")
    return [
        replace(
            one,
            features=[entry for entry in one.features if entry.is_feature],
            legacy=[replace(legacy, features=[entry for entry in legacy.features if entry.is_feature]) for legacy in one.legacy],
        )
        for one in scans
    ]


def _scan_set(
    one: FeatureSet, account: accounts.Account, legacy: List[model.LegacyScan], scan: model.DirectoryScan, contents: identity.Contents
) -> state.SetScan:
    reads = names.name_filter(one.reads)
    read = [entry for entry in scan.entries if reads(entry.name) and not folders.in_hidden_folder(entry.path)]
    features = [entry for entry in read if entry.is_feature]
    reads_hidden = names.dotted_filter(one.reads)

    read_data = one.verify == "full"
    unchecked = [(one.target, entry) for entry in features if entry.classification.identity is None] if read_data else []
    data = dict(zip((entry.path for _target, entry in unchecked), contents.digests(identity.WHOLE, unchecked)))

    return state.SetScan(
        feature_set=one,
        scan=scan,
        legacy=legacy,
        incoming=staging.inspect_staging(one, account),
        read=read,
        features=features,
        hidden=[
            entry
            for entry in scan.entries
            if folders.is_hidden(entry.path) and reads_hidden(entry.name)
            and (folders.in_hidden_folder(entry.path) or not reads(entry.name))
        ],
        digest=features_digest.digest_of_set(one.target, features, not scan.gap_count, data if read_data else None),
        unmounted=one.mount is not None and not mounts.is_mount_point(one.mount),
    )


def _look_behind(one: state.PlannedSet, planned: Sequence[state.PlannedSet], account: accounts.Account) -> model.Discovery:
    """Return what is in the folders of the set's legacy directories that were not entered.

    One that could not be scanned in full is among the directories as well, without a feature.
    """
    listed = {legacy.place.key for legacy in one.legacy}
    closed = [os.path.join(legacy.place.path, path) for legacy in one.legacy for path in legacy.closed]
    places = [place for place in (look_up(path, account) for path in closed) if place.key not in listed]
    entered = replace(one.feature_set, folders=one.feature_set.folders._replace(hidden=True))
    left = model.MEMORY - sum(scan.memory for scan in state.distinct_scans(planned))
    scanner = LegacyScanner([entered], account, [other.target_key for other in planned if other.target_key], left)
    found = scanner.scans_of(entered, places)
    return model.Discovery(
        [(behind.place.path, len(behind.features)) for behind in found if behind.features or not behind.fully_scanned]
    )


def _search(
    planned: Sequence[state.PlannedSet], account: accounts.Account, policy: Policy, searching: Sequence[FeatureSet]
) -> Dict[str, model.Discovery]:
    known = [scan.place.key for scan in state.distinct_scans(planned) if scan.place.key]
    # As the training user: what that account cannot read is not a find.
    found: Dict[str, model.Discovery] = become.run_as(account, search.sweep, policy.search_roots, list(searching), known)
    return found
