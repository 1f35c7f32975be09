# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decisions about all sets of a host at once, from their scans. Pure."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Set, Tuple

from .._scan import model, places
from .._spec.arguments import Policy
from .._system import paths
from . import links, state, steps
from .status import any_holds, holds, set_status


def plan_host(scans: Sequence[state.SetScan], policy: Policy) -> List[state.PlannedSet]:
    """Return each set, in order, with its plan and all that follows from it. The features' identities are resolved."""
    found = [_status(one) for one in scans]
    inputs = [_set_input(one, status, policy.top_up) for one, status in zip(scans, found)]
    plans = links.plan_links(inputs, _legacy_keys(scans), policy.on_conflict, policy.prune)
    now = _leaks(scans, [set()] * len(scans))
    after = _leaks(scans, [_names_removed(one, plan) for one, plan in zip(inputs, plans)])
    planned = []
    for index, (one, plan) in enumerate(zip(scans, plans)):
        removed = {name for name, _text in plan.to_remove}
        blocked = found[index] == 0 and not removed.issuperset(plan.dangling_into_legacy)
        status = None if blocked else found[index]
        planned.append(
            state.PlannedSet(
                **vars(one),
                status=status,
                plan=plan,
                uploads=_uploads(one, status, policy.top_up) and not (status == 0 and plan.dangling_into_legacy),
                dangling_blocks=blocked,
                leaks=now[index],
                leaks_left=len(after[index]),
            )
        )
    return planned


def _names_removed(one: links.SetInput, plan: links.LinkPlan) -> Set[str]:
    """The names that a glob does not find any more once the plan is carried out."""
    removed = {name for name, _text in plan.to_remove}
    return removed.union(*(one.behind.get(name, ()) for name in removed))


def plan_of_removal(sets: Sequence[state.PlannedSet], top_up: bool) -> List[links.LinkPlan]:
    """For each set, plan to remove the links that its plan would have made, and nothing else."""
    return links.plan_removal([_set_input(one, one.status, top_up) for one in sets], _legacy_keys(sets))


def _legacy_keys(sets: Sequence[state.SetScan]) -> Set[int]:
    """The inode keys of all files seen in legacy directories."""
    scans = {id(legacy.scan): legacy.scan for one in sets for legacy in one.legacy}
    return {entry.key for scan in scans.values() for entry in scan.entries if entry.key}


def is_missed(one: state.PlannedSet, sets: Sequence[state.PlannedSet]) -> bool:
    """True if a set is empty but required (or has a source), so the host is worth searching."""
    if one.status != 0:
        return False
    wanted = one.feature_set.required
    if one.feature_set.can_be_sent or wanted == "true":
        return True
    return wanted == "any" and all(other.status == 0 for other in sets if other.feature_set.required == "any")


def _status(one: state.SetScan) -> Optional[int]:
    if one.unmounted:
        return None
    in_target = holds(len(one.features), one.target_fully_scanned)
    in_legacy = any_holds(holds(len(legacy.features), legacy.fully_scanned) for legacy in one.legacy)
    return set_status(in_target, in_legacy)


def _uploads(one: state.SetScan, status: Optional[int], top_up: bool) -> bool:
    lacking = (one.feature_set.expected or 0) - one.distinct_features() - one.staged if top_up else 0
    return steps.uploads(status, one.feature_set.can_be_sent, top_up, lacking, bool(one.staged))


def _set_input(one: state.SetScan, status: Optional[int], top_up: bool) -> links.SetInput:
    """The input of the link plan. A run that prunes dangling links does not upload."""
    uploads = _uploads(one, status, top_up)
    return links.SetInput(
        target=one.target,
        tree=one.feature_set.layout == "tree",
        existing={entry.path: entry for entry in one.scan.entries},
        behind=one.behind_links(),
        legacy=[(legacy.place.path, legacy.linkable) for legacy in one.legacy if legacy.same_as is None],
        declared={legacy.place.path: legacy.state in (places.PRESENT, places.EMPTY) for legacy in one.legacy},
        uploads=uploads and status == 0,
        tops_up=uploads and status != 0,
    )


def _leaks(scans: Sequence[state.SetScan], removed: Sequence[Set[str]]) -> List[List[str]]:
    """For each set, a message for each feature in two targets, or twice in one; names in C(removed) do not count.

    The trainer would see such a feature in training and in validation.
    """
    found: List[List[str]] = [[] for _scan in scans]
    first: Dict[Optional[bytes], Tuple[int, model.Entry]] = {}
    for index, (one, names) in enumerate(zip(scans, removed)):
        for entry in one.features:
            if entry.path not in names:
                other, twin = first.setdefault(entry.classification.identity, (index, entry))
                if twin is not entry:
                    sentence = f"{_shown(scans[other], twin)} and {_shown(one, entry)}"
                    for number in sorted({other, index}):
                        found[number].append(sentence)
    return found


def _shown(one: state.SetScan, entry: model.Entry) -> str:
    return f"{paths.display(one.target)}/{paths.display(entry.path)}"
