# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What blocks readiness of a set, as messages. Pure."""

from __future__ import annotations

import os
from typing import Iterator, List, NamedTuple, Sequence, Tuple

from .. import errors
from .._scan import model, places
from .._system import words
from .._system.paths import display, is_below
from .state import HostState, SetState
from .warnings import dangling_inside, discovered, hidden_from_trainer, not_understood, warnings_of


class Problem(NamedTuple):
    """One message that says what blocks readiness; planned: this run clears it."""

    text: str
    planned: bool = False


class Assessment(NamedTuple):
    """The messages about one set."""

    problems: Tuple[Problem, ...]
    warnings: Tuple[str, ...]
    obstacles: Tuple[str, ...]  # what ends the run before anything is changed: unknown, ambiguous, or missing without a source

    @property
    def blocks(self) -> bool:
        """True if a problem remains that this run does not clear."""
        return bool(self.obstacles) or not all(problem.planned for problem in self.problems)


def assess(state: SetState, host: HostState) -> Assessment:
    """Return problems, warnings and obstacles of one set; it is ready if it holds features and has no problem."""
    problems = _problems(state, host)
    return Assessment(tuple(problems), tuple(warnings_of(state, host)), tuple(_obstacles(state, host, problems)))


def _obstacles(state: SetState, host: HostState, problems: Sequence[Problem]) -> List[str]:
    if state.status is None:
        return [problem.text for problem in problems]
    stops = _conflicts(state)
    nothing_to_do = not state.uploads and not state.plan.to_remove and not host.may_lack(state)
    decide_first = bool(state.discovery.directories) and host.policy.on_discovery == "fail" and host.needs(state)
    if state.status == 0 and not state.staged and (nothing_to_do or decide_first):
        stops += _nothing(state, host)
    return [stop.text for stop in stops]


def is_ready(state: SetState, assessment: Assessment) -> bool:
    return bool(state.features) and not assessment.problems


def set_will_be_ready(state: SetState, assessment: Assessment) -> bool:
    """True if the set is ready once this run has done what is planned."""
    return bool(state.features or state.arriving or state.uploads) and not assessment.blocks


def host_is_ready(host: HostState, assessments: Sequence[Assessment]) -> bool:
    """True if every required set is ready; a set marked C(any) counts as required once it holds something."""
    for state, assessment in zip(host.sets, assessments):
        if assessment.problems and state.feature_set.required != "false":
            return False
    return all(state.features for state in host.sets if state.feature_set.required == "true")


def host_will_be_ready(host: HostState, assessments: Sequence[Assessment]) -> bool:
    """True if the host is ready once this run has done what is planned."""
    for state, assessment in zip(host.sets, assessments):
        if assessment.obstacles or (assessment.blocks and state.feature_set.required != "false"):
            return False
    return all(
        state.features or state.arriving or state.uploads for state in host.sets if state.feature_set.required == "true"
    )


def _problems(state: SetState, host: HostState) -> List[Problem]:
    problems = _unknown(state, host.account.name) if state.status is None else _unscanned(state, host.account.name)
    problems += list(_in_the_way(state))
    if state.status is None:
        return problems
    if not state.features and not state.plan.conflicts:
        problems += _nothing(state, host)
    return problems + _too_few(state) + _unreadable(state, host.policy.permissions != "check")


def _too_few(state: SetState) -> List[Problem]:
    """Fewer features than expected, now or once all is linked; C(_nothing) reports an empty set."""
    expected, there = state.feature_set.expected or 0, len(state.features)
    after = there + state.arriving
    if there >= expected or not after:
        return []
    place = f"{display(state.target)} {'holds' if there else 'would hold'}"
    text = f"{place} {there or after} of at least {expected} expected features{_left_out(state)}"
    planned = state.uploads or after >= expected
    return [Problem(text, planned)] if there or not planned else []


def _left_out(state: SetState) -> str:
    """Names that are not linked because their features are in the target under other names."""
    if not state.plan.copies:
        return ""
    name, other = state.plan.copies[0]
    left = len(state.plan.copies) - 1
    more = f", and {words.count(left, 'more name')} {words.verb(left, 'be')} left out as copies" if left else ""
    return f"; {display(name)} is a copy of {display(other)}{more}"


def _unknown(state: SetState, user: str) -> List[Problem]:
    """Why the status is unknown: each message names the directory and the training user."""
    if state.unmounted:
        mount = display(state.feature_set.mount or "")
        return [Problem(f"{mount} is not a mount point: mount the volume with the features for user {user} there")]
    if state.dangling_blocks:
        return [Problem(_dangling_into_legacy(state, user))]
    said = _unscanned(state, user)
    for legacy in state.legacy:
        if legacy.fully_scanned or legacy.same_as is not None:
            continue
        if legacy.dangling:
            said.append(Problem(f"{dangling_inside(legacy)}: restore what user {user} should read there, or remove them"))
        if legacy.not_understood:
            said.append(Problem(not_understood(state, legacy.place.path, legacy.not_understood) + f" (user {user})"))
        advice = f"make it a directory that user {user} can read, or remove it from the set '{state.name}', since features may be there"
        said += [Problem(f"{gap}: {advice}") for gap in legacy.scan.gaps]
    return said[:words.SAMPLES]


def _unscanned(state: SetState, user: str) -> List[Problem]:
    """Parts of the target that could not be scanned: features may be there, which a trainer would or would not read."""
    return [Problem(f"{gap}: make it readable for user {user}, or remove it, since features may be there") for gap in state.scan.gaps]


def _dangling_into_legacy(state: SetState, user: str) -> str:
    """Links into a legacy directory dangle: features were here, and a volume may not be mounted."""
    names = state.plan.dangling_into_legacy
    text = next((entry.link_target for entry in state.scan.entries if entry.path == names[0]), "") or ""
    return (
        f"{words.phrase(len(names), 'link', 'dangle', display(state.target))} into a legacy directory"
        f" (e.g. {display(names[0])} to {display(text)}), so features for user {user} were here: {_advice_on_dangling(state, text)}"
    )


def _in_the_way(state: SetState) -> Iterator[Problem]:
    plan, target = state.plan, display(state.target)
    removed = {name for name, _text in plan.to_remove}
    if state.leaks:
        stray = f": set {errors.named('prune')} to stray to remove stray links" if plan.stray else ""
        yield Problem(
            f"{words.phrase(len(state.leaks), 'feature', 'appear')} twice where the trainer reads, so it would see the same in training and"
            f" in validation (e.g. {state.leaks[0]}){stray}",
            planned=not state.leaks_left,
        )
    yield from _conflicts(state)
    if plan.obstructed:
        name, what = plan.obstructed[0]
        yield Problem(
            f"{words.phrase(len(plan.obstructed), 'wanted name', 'be', target)} taken (e.g. {display(name)} is {what}): move it away, it is"
            " never replaced"
        )
    damaged = [entry for entry in state.read if entry.classification.kind == "damaged" and entry.path not in dict(plan.obstructed)]
    if damaged:
        yield Problem(
            f"{words.phrase(len(damaged), 'file', 'be', target)} damaged (e.g. {display(damaged[0].path)}, which"
            f" {damaged[0].classification.reason}): move {'it' if len(damaged) == 1 else 'them'} away",
            planned=all(entry.path in removed for entry in damaged),
        )
    odd = [entry for entry in state.read if entry.kind in (model.SPECIAL, model.FOLDER)]
    if odd:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        yield Problem(
            f"{target}/{display(odd[0].path)} matches 'reads' but is not a regular file{more}: move it away, a trainer would try to read"
            " it",
            planned=all(entry.path in removed for entry in odd),
        )
    unclear = model.not_understood(state.read)
    if unclear:
        yield Problem(not_understood(state, state.target, unclear))
    unread = [entry for entry in state.read if entry.classification.kind == model.UNREAD]
    if unread:
        yield Problem(
            f"{words.count(len(unread), 'file')} in {target} cannot be classified (e.g. {target}/{display(unread[0].path)}, which"
            f" {unread[0].classification.reason}): make {'it' if len(unread) == 1 else 'them'} readable"
        )
    dangling = [entry for entry in state.read if entry.kind == model.DANGLING]
    if dangling and not state.dangling_blocks:
        cleared = removed.union(name for name, _text, _old in plan.to_replace)
        left = [entry for entry in dangling if entry.path not in cleared]
        advice = f": {_advice_on_dangling(state, left[0].link_target or '')}" if left else ""
        yield Problem(
            f"{words.phrase(len(dangling), 'link', 'dangle', target)} (e.g. {display(dangling[0].path)} to"
            f" {display(dangling[0].link_target or '')}){advice}",
            planned=not left,
        )
    if plan.blocked_by_stray:
        yield Problem(
            f"{words.phrase(plan.blocked_by_stray, 'feature', 'be')} not linked into {target}, since stray links in a target already lead"
            f" there: set {errors.named('prune')} to stray"
        )


def _advice_on_dangling(state: SetState, text: str) -> str:
    """What to do about dangling links, one of which has this text."""
    text = os.path.normpath(os.path.join(state.target, text))
    holders = [one for one in state.legacy if is_below(text, one.place.path)]
    if not holders:
        return "remove what leads to nothing"  # pruning keeps to the set's own legacy directories
    gone = [one.place.path for one in holders if one.state not in (places.PRESENT, places.EMPTY)]
    if gone:
        # Nothing is pruned while the directory itself is missing.
        return f"mount the volume of {display(gone[0])}, or remove these links if the features are really gone"
    return f"restore the files, or set {errors.named('prune')} to dangling if they are really gone"


def _conflicts(state: SetState) -> List[Problem]:
    conflicts = state.plan.conflicts
    if not conflicts:
        return []
    name, paths = conflicts[0]
    return [
        Problem(
            f"{words.phrase(len(conflicts), 'name', 'be')} claimed by different features (e.g. {display(name)}:"
            f" {' and '.join(map(display, paths[:3]))}): remove the wrong ones, or set {errors.named('on_conflict')} to first to prefer the"
            " directory listed first"
        )
    ]


def _nothing(state: SetState, host: HostState) -> List[Problem]:
    """Why the target holds no feature."""
    target = display(state.target)
    if state.plan.to_link:
        lacking = words.count(state.plan.to_link, "feature")
        return [Problem(f"{target} lacks {lacking} that legacy directories hold", planned=True)]
    if state.staged:
        text = f"{target} lacks {words.count(state.staged, 'feature')} that an earlier upload left in its staging directory"
        return [Problem(text, planned=True)]
    if state.status == 0 and state.discovery.directories and host.policy.on_discovery != "upload" and host.needs(state):
        return [Problem(f"{discovered(state)}; add them to its 'legacy', or set {errors.named('on_discovery')} to link or upload")]
    if host.may_lack(state):
        return []
    if state.status != 0:
        return [Problem(hidden_from_trainer(state) or f"{target} holds no features{_why_not_here(state, host)}")]
    if state.feature_set.can_be_sent:
        place = state.feature_set.source
        where = f"the source of the set is {display(place)}" if place else f"a host of {errors.named('peers')} may hold them"
        return [Problem(f"{target} holds no features; {where}", planned=state.uploads)]
    scanned = ", ".join([target, *(display(one.place.path) for one in state.legacy)])
    return [
        Problem(
            f"there are no features for the set '{state.name}' in {scanned}, and it has no 'source' to upload from: name a source, or the"
            f" directory that holds them{_other_files(state)}"
        )
    ]


def _other_files(state: SetState) -> str:
    """The advice if files were found whose arrays are not those of the set: a wrong dtype or shape leaves none."""
    found = [(one.place.path, entry) for one in state.legacy for entry in one.rejected if entry.classification.kind == model.OTHER]
    if not found:
        return ""
    place, first = found[0]
    example = f"{display(f'{place}/{first.path}')} {first.classification.reason}"
    return f"; if they are among the {words.count(len(found), 'other file')} there (e.g. {example}), correct its 'arrays'"


def _why_not_here(state: SetState, host: HostState) -> str:
    """Where the features of this set's legacy directories are: a feature belongs to one target only."""
    identities = {entry.classification.identity for one in state.legacy for entry in one.features}
    for other in host.sets:
        wanted = {text for _name, text in other.plan.to_create}
        planned = (entry for one in other.legacy for entry in one.features if f"{one.place.path}/{entry.path}" in wanted)
        if identities & {entry.classification.identity for entry in [*other.features, *planned]}:
            return (
                f": those of its legacy directories belong in {display(other.target)}, of the set '{other.name}', and a trainer"
                " that reads both would see them twice: give each set 'patterns' of its own, or remove one set"
            )
    return ""


def _unreadable(state: SetState, grants: bool) -> List[Problem]:
    access = state.access
    if not access.unreadable:
        return []
    reason = f": {access.samples[0]['reason']}" if access.samples else ""
    text = f"user {access.user} cannot read {words.count(access.unreadable, 'file or folder', 'files and folders')} of the features{reason}"
    return [Problem(text, planned=grants and access.to_grant >= access.unreadable)]
