# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at a host: every set's directories scanned, compared and planned for. Changes nothing."""

from __future__ import annotations

import contextlib
import gc
import os
from dataclasses import replace
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .._access.probe import Directory
from .._access.report import AccessProbe
from .._plan.digest import Digest, digest_of_set
from .._plan.links import LegacyInput, SetInput, SetPlan, plan_links, plan_removal
from .._plan.state import HostState, SetState
from .._plan.status import any_holds, holds, set_status
from .._scan.identity import Located, digest_on_disk, resolve_identities
from .._scan.legacy import LegacyScanner, look_up_as_needed, places_as_needed, scan_as_needed
from .._scan.model import DirectoryScan, Discovery, Entry
from .._scan.places import EMPTY, PRESENT, UNREADABLE, Place, ancestry, whereabouts
from .._scan.staging import inspect_staging
from .._spec.policy import Policy
from .._spec.sets import FeatureSet, any_filter, name_filter
from .._system.accounts import Account
from .._system.become import run_as
from .._system.paths import InodeKey, display, expand_home, is_below
from ..errors import FeatureError


def inspect_host(
    sets: Sequence[FeatureSet],
    account: Account,
    policy: Policy,
    with_access: bool = True,
    search_for_all: bool = False,
) -> HostState:
    """Looks at everything once and plans. FeatureError for input that cannot be meant.

    search_for_all: search for every set, not only for those that have nothing: what an earlier search found has been linked.
    """
    with _gc_paused():
        return _inspect(sets, account, policy, with_access, search_for_all)


@contextlib.contextmanager
def _gc_paused() -> Iterator[None]:
    """A look makes an object for each file and keeps them all: looking for garbage among them takes time and finds none."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _inspect(
    sets: Sequence[FeatureSet], account: Account, policy: Policy, with_access: bool, search_for_all: bool
) -> HostState:
    probe = AccessProbe(account) if with_access else None
    view = _inspect_once(sets, account, policy, probe)
    searching = [one.feature_set for one in view.sets if search_for_all or _is_missed(one, view.sets)]
    if searching and policy.search_roots:
        found = _search(view, searching)
        if policy.on_discovery == "link" and any(discovery.directories for discovery in found.values()):
            extended = [_with_discovered(one, found.get(one.name)) for one in sets]
            view = _inspect_once(extended, account, policy)
        for one in view.sets:
            one.discovery = found.get(one.name, Discovery())
    if probe is not None:
        reports = probe.reports(_access_items(view.sets), {one.name: one.link_sources() for one in view.sets})
        for one in view.sets:
            one.access = reports[one.name]
    return view


def plan_of_removal(host: HostState) -> List[SetPlan]:
    """For each set, the removal of the links that its plan would have made; nothing else."""
    keys = {entry.key for view in host.sets for one in view.legacy if one.scan for entry in one.scan.entries if entry.key}
    return plan_removal([_set_input(view) for view in host.sets], keys)


def _access_items(views: Sequence[SetState]) -> Dict[str, Sequence[Directory]]:
    return {one.name: one.access_items() for one in views}


def _inspect_once(
    sets: Sequence[FeatureSet], account: Account, policy: Policy, probe: Optional[AccessProbe] = None
) -> HostState:
    targets = [_target_place(one, account) for one in sets]
    declared = [places_as_needed(account, one.legacy) for one in sets]
    _refuse_overlaps(sets, targets, declared)
    scans = LegacyScanner(sets, account, [target.key for target in targets if target.key])
    # All legacy directories first: a link in a target then has its classification already.
    legacy = [scans.scans_of(one, places) for one, places in zip(sets, declared)]
    views: List[SetState] = []
    for one, place, found in zip(sets, targets, legacy):
        scan = _scan_target(one, place, scans, account)
        view = SetState(one, place.path, scan, found, inspect_staging(replace(one, target=place.path)))
        reads = name_filter(one.reads)
        view.read = [entry for entry in scan.entries if reads(entry.name)]
        view.digest = _digest(view)
        view.top_up = policy.top_up
        view.unmounted = one.mount is not None and not os.path.ismount(expand_home(one.mount, account.home))
        views.append(view)
    if probe is not None:
        # On a prepared host nothing is left to plan: then what the targets hold is all that has to be asked, and while we plan.
        probe.begin(_access_items(views))
    scans.forget_classifications()
    resolve_identities(_features(views, scans), digest_on_disk)
    _find_leaks(views)
    _plan(views, policy, scans.keys())
    return HostState(account, policy, views)


def _target_place(one: FeatureSet, account: Account) -> Place:
    path = expand_home(one.target, account.home)
    place = look_up_as_needed(account, path)
    if place.in_the_way:
        raise FeatureError(
            f"feature set '{one.name}': target {display(path)} is a file or lies below one: move that away or name another target"
        )
    return place


def _refuse_overlaps(sets: Sequence[FeatureSet], targets: Sequence[Place], declared: Sequence[Sequence[Place]]) -> None:
    """By device and inode, so that links and bind mounts do not hide it, and by text where nothing is there yet."""
    chains = [ancestry(target.path) for target in targets]
    spots = [whereabouts(target.path) for target in targets]
    for index, target in enumerate(targets):
        for other in range(index):
            if spots[index] == spots[other]:
                raise FeatureError(
                    f"feature sets '{sets[other].name}' and '{sets[index].name}' have one target:"
                    f" {display(targets[other].path)} and {display(target.path)} are the same directory; give each its own"
                )
    seen: Dict[str, List[InodeKey]] = {}
    for one, places in zip(sets, declared):
        for place in places:
            if place.path not in seen:
                seen[place.path] = ancestry(place.path)
            for target, chain, owner in zip(targets, chains, sets):
                word = _overlap(place, seen[place.path], target, chain)
                if word:
                    raise FeatureError(
                        f"feature set '{one.name}': legacy directory {display(place.path)} {word} the target"
                        f" {display(target.path)} of set '{owner.name}': take it out of 'legacy'"
                    )


def _overlap(place: Place, above: List[InodeKey], target: Place, chain: List[InodeKey]) -> str:
    (key, below), (target_key, target_below) = whereabouts(place.path), whereabouts(target.path)
    # What is there is compared by what it is, what is not there yet by where it would be.
    here = "/" + below if key == target_key else place.path
    there = "/" + target_below if key == target_key else target.path
    if here == there:
        return "is"
    if (place.key and place.key in chain) or is_below(there, here) or is_below(target.path, place.path):
        return "contains"
    if (target.key and target.key in above) or is_below(here, there) or is_below(place.path, target.path):
        return "lies in"
    return ""


def _scan_target(one: FeatureSet, place: Place, scans: LegacyScanner, account: Account) -> DirectoryScan:
    accept = any_filter([(one.reads, ()), (one.patterns, one.exclude)])
    known, find = scans.known_for(one.criteria), scans.finder(one.criteria)
    return scan_as_needed(account, place, accept, one.criteria, known, one.layout == "tree", False, True, (), find)


def _features(views: Sequence[SetState], scans: LegacyScanner) -> Iterable[Located]:
    for scan in scans.all() + [view.scan for view in views]:
        for entry in scan.entries:
            if entry.is_feature:
                yield scan.path, entry


def _digest(view: SetState) -> Digest:
    def read(entry: Entry) -> bytes:
        return digest_on_disk((view.target, entry))

    fully_scanned = view.scan.state != UNREADABLE and not view.scan.gap_count
    return digest_of_set(view.target, view.features, fully_scanned, read if view.feature_set.verify == "full" else None)


def _find_leaks(views: Sequence[SetState]) -> None:
    """One feature in two targets, or twice in one: the trainer would see it in training and in validation."""
    for other, twin, view, entry in _leaks(views, [set()] * len(views)):
        sentence = f"{display(other.target)}/{display(twin.path)} and {display(view.target)}/{display(entry.path)}"
        for one in {id(other): other, id(view): view}.values():
            one.leak_count += 1
            if len(one.leaks) < 10:
                one.leaks.append(sentence)


def _leaks(views: Sequence[SetState], removed: Sequence[Set[str]]) -> Iterable[Tuple[SetState, Entry, SetState, Entry]]:
    """Each feature that stands twice, without the names that go from each target: where it stands first, and where again."""
    first: Dict[Optional[bytes], Tuple[SetState, Entry]] = {}
    for view, names in zip(views, removed):
        for entry in view.features:
            if entry.path not in names:
                other, twin = first.setdefault(entry.classification.identity, (view, entry))
                if twin is not entry:
                    yield other, twin, view, entry


def _plan(views: Sequence[SetState], policy: Policy, legacy_keys: Set[int]) -> None:
    for view in views:
        view.status = _status(view)
    inputs = [_set_input(view) for view in views]
    plans = plan_links(inputs, legacy_keys, policy.on_conflict, policy.prune)
    for view, plan in zip(views, plans):
        view.plan = plan
        removed = {name for name, _text in plan.to_remove}
        if view.status == 0 and not removed.issuperset(plan.dangling_into_legacy):
            view.dangling_blocks, view.status = True, None
    for other, _twin, view, _entry in _leaks(views, [{name for name, _text in view.plan.to_remove} for view in views]):
        other.leaks_left += 1
        view.leaks_left += 1


def _set_input(view: SetState) -> SetInput:
    """What the plan has to know of a set."""
    return SetInput(
        name=view.name,
        target=view.target,
        tree=view.feature_set.layout == "tree",
        existing={entry.path: entry for entry in view.scan.entries},
        legacy=[
            LegacyInput(one.place.path, one.state in (PRESENT, EMPTY), one.linkable)
            for one in view.legacy
            if one.same_as is None
        ],
        declared={one.place.path: one.state in (PRESENT, EMPTY) for one in view.legacy},
        uploads=view.status == 0 and view.uploads,
        tops_up=view.status != 0 and view.uploads,
    )


def _status(view: SetState) -> Optional[int]:
    if view.unmounted:
        return None
    target_fully_scanned = view.scan.state != UNREADABLE and not view.scan.gap_count
    in_target = holds(len(view.features), target_fully_scanned)
    in_legacy = any_holds(holds(len(one.features), one.fully_scanned) for one in view.legacy)
    return set_status(in_target, in_legacy)


def _is_missed(view: SetState, views: Sequence[SetState]) -> bool:
    """Whether a set has nothing and somebody minds, so that it is worth to search the host for it."""
    if view.status != 0:
        return False
    wanted = view.feature_set.required
    if view.feature_set.source is not None or wanted == "true":
        return True
    return wanted == "any" and all(one.status == 0 for one in views if one.feature_set.required == "any")


def _search(view: HostState, searching: Sequence[FeatureSet]) -> Dict[str, Discovery]:
    known = [one.scan.place.key for one in view.sets if one.scan.place.key]
    known += [legacy.place.key for one in view.sets for legacy in one.legacy if legacy.place.key]
    roots = [expand_home(root, view.account.home) for root in view.policy.search_roots]
    # As the training user: what that account cannot read is no find.
    # Imported where it is needed, and before the other process starts, which may not be able to.
    from .._scan.search import discover

    found: Dict[str, Discovery] = run_as(view.account, discover, roots, list(searching), known)
    return found


def _with_discovered(one: FeatureSet, discovery: Optional[Discovery]) -> FeatureSet:
    if discovery is None or not discovery.directories:
        return one
    return replace(one, legacy=one.legacy + tuple(path for path, _count in discovery.directories))
