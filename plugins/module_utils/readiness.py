# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between a set and the training, in sentences. Pure."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .link_plan import SAMPLES
from .paths import ABSENT, UNREADABLE, display
from .scan import DANGLING
from .views import HostView, SetView


def assess(view: SetView, host: HostView) -> Tuple[List[str], List[str]]:
    """(problems, warnings) of one set, one sentence each; it is ready when it holds features and has no problem."""
    return _problems(view, host), _warnings(view, host)


def obstacles(view: SetView, host: HostView) -> List[str]:
    """The problems that end the run before anything is changed: what cannot be told, chosen or fetched."""
    if view.status is None:
        return _problems(view, host)
    stops = _conflicts(view)
    nothing_to_do = not view.uploads and not view.plan.remove and not may_stay_empty(view, host)
    decide_first = bool(view.discovery.directories) and host.options.on_discovery == "fail"
    if view.status == 0 and (nothing_to_do or decide_first):
        stops += _nothing(view, host)
    return stops


def is_ready(view: SetView, problems: Sequence[str]) -> bool:
    """Whether the training may start on this set."""
    return bool(view.features) and not problems


def host_is_ready(views: Sequence[SetView], problems: Dict[str, List[str]]) -> bool:
    """Whether every required set is ready; a set that may stay empty counts once it holds something."""
    if any(problems[view.name] for view in views):
        return False
    return all(is_ready(view, []) for view in views if view.feature_set.required == "true")


def may_stay_empty(view: SetView, host: HostView) -> bool:
    """Whether the host is ready without this set: it is not required, or another of the any ones holds features."""
    required = view.feature_set.required
    if required == "false":
        return True
    return required == "any" and any(
        other.features or other.plan.to_link for other in host.sets if other.feature_set.required == "any"
    )


def _problems(view: SetView, host: HostView) -> List[str]:
    problems = _unknown(view) if view.status is None else []
    problems += _in_the_way(view)
    if view.status is None:
        return problems
    if not view.features:
        problems += _nothing(view, host)
    elif view.feature_set.expected is not None and len(view.features) < view.feature_set.expected:
        problems.append(
            f"{display(view.target)} holds {len(view.features)} of at least {view.feature_set.expected} expected features"
        )
    return problems + _unreadable(view)


def _unknown(view: SetView) -> List[str]:
    if view.unmounted:
        return [f"{display(view.feature_set.mount or '')} is not a mount point: mount the volume that should be there"]
    reasons: List[str] = []
    if view.scan.state == UNREADABLE:
        reasons.append(view.scan.reason)
    reasons += view.scan.doubts[:SAMPLES]
    if view.dangling_blocks:
        first = view.plan.dangling_into_legacy[0]
        text = next((entry.text for entry in view.scan.entries if entry.path == first), "") or ""
        reasons.append(
            f"{len(view.plan.dangling_into_legacy)} links in {display(view.target)} dangle into a legacy directory"
            f" (as {display(first)} to {display(text)}): features were here; mount the volume,"
            " or set prepare_features_prune to dangling where they are really gone"
        )
        return reasons
    for legacy in view.legacy:
        if legacy.state == UNREADABLE:
            reasons.append(legacy.reason)
        elif not legacy.sure and legacy.scan is not None and legacy.same_as is None:
            reasons += legacy.scan.doubts[:SAMPLES]
            if legacy.dangling:
                reasons.append(
                    f"{len(legacy.dangling)} links in {display(legacy.place.path)} dangle"
                    f" (as {display(legacy.dangling[0].path)}): bring back what they lead to, or remove them"
                )
    return [
        f"{reason}: make it readable, or take it out of the set '{view.name}', since features may lie there"
        for reason in reasons[:SAMPLES]
    ]


def _in_the_way(view: SetView) -> List[str]:
    plan, target = view.plan, display(view.target)
    problems: List[str] = []
    if view.leak_count:
        stray = " (set prepare_features_prune to stray to remove stray links)" if plan.stray else ""
        problems.append(
            f"{view.leak_count} features stand twice where the trainer reads, so that it would see them in training and in"
            f" validation: {view.leaks[0]}{stray}"
        )
    problems += _conflicts(view)
    if plan.taken:
        name, what = plan.taken[0]
        problems.append(
            f"{len(plan.taken)} wanted names in {target} are taken, as {display(name)} by {what}: move that away, it is never replaced"
        )
    damaged = [entry for entry in view.read if entry.verdict.kind == "damaged" and entry.path not in dict(plan.taken)]
    if damaged:
        problems.append(
            f"{len(damaged)} files in {target} are damaged, as {display(damaged[0].path)} ({damaged[0].verdict.reason}):"
            " move them away"
        )
    dangling = [entry for entry in view.read if entry.kind == DANGLING]
    if dangling and not view.dangling_blocks:
        replaced = len(plan.replace)
        problems.append(
            f"{len(dangling)} links in {target} dangle, as {display(dangling[0].path)} to {display(dangling[0].text or '')}"
            + (f"; {replaced} of them are to be replaced" if replaced else "")
            + (": set prepare_features_prune to dangling to remove the others" if len(dangling) > replaced else "")
        )
    if plan.held_by_stray:
        problems.append(
            f"{plan.held_by_stray} features are not linked into {target} since stray links in a target lead to them already:"
            " set prepare_features_prune to stray"
        )
    return problems


def _conflicts(view: SetView) -> List[str]:
    conflicts = view.plan.conflicts
    if not conflicts:
        return []
    name, paths = conflicts[0]
    return [
        f"{len(conflicts)} names are wanted by different features, as {display(name)} by"
        f" {' and '.join(display(path) for path in paths[:3])}: remove the wrong ones,"
        " or set prepare_features_on_conflict to first to take the directories in their order"
    ]


def _nothing(view: SetView, host: HostView) -> List[str]:
    target = display(view.target)
    if view.plan.to_link:
        return [f"{target} lacks {view.plan.to_link} features that legacy directories hold"]
    if view.status == 0 and view.discovery.directories:
        found = ", ".join(f"{display(path)} ({count})" for path, count in view.discovery.directories[:SAMPLES])
        if host.options.on_discovery != "upload":
            return [
                f"features of the set '{view.name}' lie in directories that nobody listed: {found}; add them to its 'legacy',"
                " or set prepare_features_on_discovery to link or upload"
            ]
    if may_stay_empty(view, host):
        return []
    if view.status == 0:
        if view.feature_set.source is not None:
            return [f"{target} holds no features; they are to be uploaded from {display(view.feature_set.source)}"]
        looked = [target] + [display(one.place.path) for one in view.legacy]
        return [
            f"there are no features for the set '{view.name}' in {', '.join(looked)}, and it has no 'source' to upload from:"
            " name a source, or the directory where they lie"
        ]
    return [f"{target} holds no features"]


def _unreadable(view: SetView) -> List[str]:
    access = view.access
    if access is None or not access.unreadable:
        return []
    reason = f": {access.samples[0]['reason']}" if access.samples else ""
    return [f"user {access.user} cannot read {access.unreadable} of the features{reason}"]


def _warnings(view: SetView, host: HostView) -> List[str]:
    plan, target = view.plan, display(view.target)
    warnings: List[str] = []
    others = [entry for entry in view.read if entry.verdict.kind == "other"]
    if others:
        warnings.append(f"{len(others)} files in {target} are of another kind, as {display(others[0].path)} ({others[0].verdict.reason})")
    if plan.stray:
        warnings.append(
            f"{len(plan.stray)} links in {target} lead into legacy directories and do not belong there,"
            f" as {display(plan.stray[0])}: set prepare_features_prune to stray to remove them"
        )
    if plan.differing:
        warnings.append(
            f"{len(plan.differing)} names stand for different features in {target} or the legacy directories,"
            f" as {display(plan.differing[0])}: the one in the target, or the first listed, is used"
        )
    if view.status is not None:
        for legacy in view.legacy:
            if legacy.state == UNREADABLE:
                warnings.append(f"{legacy.reason}: features there are not seen")
            elif not legacy.sure and legacy.scan is not None and legacy.same_as is None:
                warnings += legacy.scan.doubts[:1]
    if view.incoming.state not in (ABSENT, "empty") and not view.incoming.complete and view.status not in (0, None):
        warnings.append(
            f"an upload into {target} was left incomplete ({view.incoming.features} features): it is stale, remove its staging directory"
        )
    if view.discovery.cut_short:
        warnings.append(f"the search for features elsewhere was cut short: {view.discovery.cut_short[0]}")
    return warnings
