# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between a set and the training, in sentences. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Sequence, Tuple

from .link_plan import SAMPLES
from .paths import ABSENT, UNREADABLE, display
from .scan import DANGLING
from .views import HostView, SetView


class Problem(NamedTuple):
    """One sentence that says what blocks readiness; planned: what this run does clears it."""

    text: str
    planned: bool = False


class Assessment(NamedTuple):
    """What is to be said of one set."""

    problems: Tuple[Problem, ...]
    warnings: Tuple[str, ...]
    obstacles: Tuple[str, ...]  # what ends the run before anything is changed: it cannot be told, chosen or fetched

    @property
    def sentences(self) -> List[str]:
        """The problems, one sentence each."""
        return [problem.text for problem in self.problems]

    @property
    def blocks(self) -> bool:
        """Whether a problem is left that this run does not clear."""
        return bool(self.obstacles) or not all(problem.planned for problem in self.problems)


def assess(view: SetView, host: HostView) -> Assessment:
    """Problems, warnings and obstacles of one set; it is ready when it holds features and has no problem."""
    problems = _problems(view, host)
    return Assessment(tuple(problems), tuple(_warnings(view)), tuple(_obstacles(view, host, problems)))


def _obstacles(view: SetView, host: HostView, problems: Sequence[Problem]) -> List[str]:
    if view.status is None:
        return [problem.text for problem in problems]
    stops = _conflicts(view)
    nothing_to_do = not view.uploads and not view.plan.remove and not may_stay_empty(view, host)
    decide_first = bool(view.discovery.directories) and host.options.on_discovery == "fail"
    if view.status == 0 and (nothing_to_do or decide_first):
        stops += _nothing(view, host)
    return [stop.text for stop in stops]


def is_ready(view: SetView, assessment: Assessment) -> bool:
    """Whether the training may start on this set."""
    return bool(view.features) and not assessment.problems


def host_is_ready(host: HostView, assessments: Sequence[Assessment]) -> bool:
    """Whether every required set is ready; a set that may stay empty counts once it holds something."""
    if any(assessment.problems for assessment in assessments):
        return False
    return all(view.features for view in host.sets if view.feature_set.required == "true")


def host_will_be_ready(host: HostView, assessments: Sequence[Assessment]) -> bool:
    """Whether the host is ready once this run has done what is planned."""
    if any(assessment.blocks for assessment in assessments):
        return False
    return all(
        view.features or view.plan.to_link or view.uploads for view in host.sets if view.feature_set.required == "true"
    )


def may_stay_empty(view: SetView, host: HostView) -> bool:
    """Whether the host is ready without this set: it is not required, or another of the any ones holds features."""
    required = view.feature_set.required
    if required == "false":
        return True
    return required == "any" and any(
        other.features or other.plan.to_link for other in host.sets if other.feature_set.required == "any"
    )


def _problems(view: SetView, host: HostView) -> List[Problem]:
    problems = _unknown(view, host.account.name) if view.status is None else []
    problems += _in_the_way(view, host)
    if view.status is None:
        return problems
    if not view.features:
        problems += _nothing(view, host)
    elif view.feature_set.expected is not None and len(view.features) < view.feature_set.expected:
        problems.append(
            Problem(
                f"{display(view.target)} holds {len(view.features)} of at least {view.feature_set.expected} expected features",
                planned=view.uploads or len(view.features) + view.plan.to_link >= view.feature_set.expected,
            )
        )
    return problems + _unreadable(view)


def _unknown(view: SetView, user: str) -> List[Problem]:
    if view.unmounted:
        mount = display(view.feature_set.mount or "")
        return [Problem(f"{mount} is not a mount point: mount the volume that should be there")]
    reasons: List[str] = []
    if view.scan.state == UNREADABLE:
        reasons.append(view.scan.reason)
    reasons += view.scan.doubts[:SAMPLES]
    if view.dangling_blocks:
        first = view.plan.dangling_into_legacy[0]
        text = next((entry.text for entry in view.scan.entries if entry.path == first), "") or ""
        return [
            Problem(
                f"{len(view.plan.dangling_into_legacy)} links in {display(view.target)} dangle into a legacy directory"
                f" (as {display(first)} to {display(text)}): features were here; mount the volume,"
                " or set prepare_features_prune to dangling where they are really gone"
            )
        ]
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
        Problem(
            f"{reason}: make it readable for user {user}, or take it out of the set '{view.name}', since features may lie there"
        )
        for reason in reasons[:SAMPLES]
    ]


def _in_the_way(view: SetView, host: HostView) -> List[Problem]:
    plan, target = view.plan, display(view.target)
    problems: List[Problem] = []
    if view.leak_count:
        stray = " (set prepare_features_prune to stray to remove stray links)" if plan.stray else ""
        problems.append(
            Problem(
                f"{view.leak_count} features stand twice where the trainer reads, so that it would see them in training"
                f" and in validation: {view.leaks[0]}{stray}",
                planned=any(one.plan.remove for one in host.sets),
            )
        )
    problems += _conflicts(view)
    if plan.taken:
        name, what = plan.taken[0]
        problems.append(
            Problem(
                f"{len(plan.taken)} wanted names in {target} are taken, as {display(name)} by {what}:"
                " move that away, it is never replaced"
            )
        )
    damaged = [entry for entry in view.read if entry.verdict.kind == "damaged" and entry.path not in dict(plan.taken)]
    if damaged:
        problems.append(
            Problem(
                f"{len(damaged)} files in {target} are damaged, as {display(damaged[0].path)} ({damaged[0].verdict.reason}):"
                " move them away"
            )
        )
    dangling = [entry for entry in view.read if entry.kind == DANGLING]
    if dangling and not view.dangling_blocks:
        removed = {name for name, _text in plan.remove}
        left = [entry for entry in dangling if entry.path not in removed]
        left = left[len(plan.replace) :]
        problems.append(
            Problem(
                f"{len(dangling)} links in {target} dangle, as {display(dangling[0].path)} to {display(dangling[0].text or '')}"
                + (": set prepare_features_prune to dangling to remove those into legacy directories" if left else ""),
                planned=not left,
            )
        )
    if plan.held_by_stray:
        problems.append(
            Problem(
                f"{plan.held_by_stray} features are not linked into {target} since stray links in a target lead to them"
                " already: set prepare_features_prune to stray"
            )
        )
    return problems


def _conflicts(view: SetView) -> List[Problem]:
    conflicts = view.plan.conflicts
    if not conflicts:
        return []
    name, paths = conflicts[0]
    return [
        Problem(
            f"{len(conflicts)} names are wanted by different features, as {display(name)} by"
            f" {' and '.join(display(path) for path in paths[:3])}: remove the wrong ones,"
            " or set prepare_features_on_conflict to first to take the directories in their order"
        )
    ]


def _nothing(view: SetView, host: HostView) -> List[Problem]:
    target = display(view.target)
    if view.plan.to_link:
        return [Problem(f"{target} lacks {view.plan.to_link} features that legacy directories hold", planned=True)]
    if view.status == 0 and view.discovery.directories:
        found = ", ".join(f"{display(path)} ({count})" for path, count in view.discovery.directories[:SAMPLES])
        if host.options.on_discovery != "upload":
            return [
                Problem(
                    f"features of the set '{view.name}' lie in directories that nobody listed: {found};"
                    " add them to its 'legacy', or set prepare_features_on_discovery to link or upload"
                )
            ]
    if may_stay_empty(view, host):
        return []
    if view.status == 0:
        if view.feature_set.source is not None:
            text = f"{target} holds no features; they are to be uploaded from {display(view.feature_set.source)}"
            return [Problem(text, planned=view.uploads)]
        looked = [target] + [display(one.place.path) for one in view.legacy]
        return [
            Problem(
                f"there are no features for the set '{view.name}' in {', '.join(looked)}, and it has no 'source' to"
                " upload from: name a source, or the directory where they lie"
            )
        ]
    return [Problem(f"{target} holds no features")]


def _unreadable(view: SetView) -> List[Problem]:
    access = view.access
    if access is None or not access.unreadable:
        return []
    reason = f": {access.samples[0]['reason']}" if access.samples else ""
    text = f"user {access.user} cannot read {access.unreadable} of the features{reason}"
    return [Problem(text, planned=access.to_grant >= access.unreadable)]


def _warnings(view: SetView) -> List[str]:
    plan, target = view.plan, display(view.target)
    warnings: List[str] = []
    others = [entry for entry in view.read if entry.verdict.kind == "other"]
    if others:
        first = others[0]
        warnings.append(
            f"{len(others)} files in {target} are of another kind, as {display(first.path)} ({first.verdict.reason})"
        )
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
            f"an upload into {target} was left incomplete ({view.incoming.features} features): it is stale,"
            " remove its staging directory"
        )
    if view.discovery.cut_short:
        warnings.append(f"the search for features elsewhere was cut short: {view.discovery.cut_short[0]}")
    return warnings
