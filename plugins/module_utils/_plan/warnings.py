# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages about a set that do not block it, or only in some situations. Pure."""

from __future__ import annotations

from typing import List, Sequence

from .. import errors
from .._scan import model, places
from .._system import paths, words
from .state import HostState, SetState


def warnings_of(state: SetState, host: HostState) -> List[str]:
    plan, target = state.plan, paths.display(state.target)
    warnings: List[str] = [hidden_from_trainer(state)] if hidden_from_trainer(state) and state.features else []
    others = [entry for entry in state.read if entry.classification.kind == "other"]
    if others:
        first = others[0]
        warnings.append(
            f"{words.count(len(others), 'file')} in {target} {words.verb(len(others), 'be')} of another kind,"
            f" as {paths.display(first.path)} ({first.classification.reason})"
        )
    hidden = [entry for entry in state.hidden if not entry.name.startswith(paths.OURS)]
    if hidden:
        warnings.append(
            f"{words.count(len(hidden), 'hidden name')} in {target} {words.verb(len(hidden), 'match', 'matches')} 'reads',"
            f" e.g. {paths.display(hidden[0].path)}: glob does not find them, os.walk and Path.rglob do"
        )
    behind = state.behind_links()
    if behind:
        name, inside = next(iter(behind.items()))
        warnings.append(
            f"{words.count(len(behind), 'link')} in {target} {words.verb(len(behind), 'lead')} to directories with features, e.g."
            f" {paths.display(name)} ({words.count(len(inside), 'feature')}): glob follows them, os.walk and Path.rglob do not"
        )
    if plan.stray:
        warnings.append(
            f"{words.count(len(plan.stray), 'stray link')} in {target} into legacy directories that should not be there,"
            f" as {paths.display(plan.stray[0])}: set {errors.named('prune')} to stray to remove what is stray"
        )
    if plan.differing:
        warnings.append(
            f"{words.count(len(plan.differing), 'name')} {words.verb(len(plan.differing), 'stand')} for different features in {target} or"
            " the legacy directories,"
            f" as {paths.display(plan.differing[0])}: the one in the target, or the first listed, is used"
        )
    if plan.outranked:
        used, other = plan.outranked[0]
        warnings.append(
            f"{words.count(len(plan.outranked), 'feature')} {words.verb(len(plan.outranked), 'be')} left out, since others of the same name"
            f" lie less deep in the same legacy directory: {paths.display(used)} is used, {paths.display(other)} is not"
        )
    if state.status is not None:
        for legacy in state.legacy:
            if legacy.state == places.UNREADABLE:
                warnings.append(f"{legacy.reason}: features there are not seen")
            elif not legacy.fully_scanned and legacy.scan is not None and legacy.same_as is None:
                warnings += legacy.scan.gaps[:1]
                if legacy.not_understood:
                    warnings.append(not_understood(state, legacy.place.path, legacy.not_understood))
                if legacy.dangling:
                    warnings.append(f"{dangling_inside(legacy)}: features that were there are not seen")
    if state.incoming.state not in (places.ABSENT, "empty") and not state.incoming.complete and state.status not in (0, None):
        warnings.append(
            f"an upload into {target} was left incomplete ({words.count(state.incoming.features, 'feature')}): it is stale,"
            " remove its staging directory"
        )
    if state.status == 0 and state.discovery.directories and not host.needs(state):
        warnings.append(discovered(state))
    if state.discovery.cut_short:
        warnings.append(f"the search for features elsewhere was cut short: {state.discovery.cut_short[0]}")
    return warnings


def dangling_inside(legacy: model.LegacyScan) -> str:
    """Dangling links of a legacy directory."""
    number = len(legacy.dangling)
    return (
        f"{words.count(number, 'link')} in {paths.display(legacy.place.path)} {words.verb(number, 'dangle')}"
        f" (as {paths.display(legacy.dangling[0].path)} to {paths.display(legacy.dangling[0].link_target or '')})"
    )


def not_understood(state: SetState, directory: str, entries: Sequence[model.Entry]) -> str:
    """Files that may be features, since no reader here knows what they hold. entries: at least one, below the directory."""
    path = f"{paths.display(directory)}/{paths.display(entries[0].path)}"
    return (
        f"{words.count(len(entries), 'file')} in {paths.display(directory)} {words.verb(len(entries), 'be')} not understood (e.g. {path},"
        f" which {entries[0].classification.reason}): the reader of the format here does not know what"
        f" {words.verb(len(entries), 'be')} in {'it' if len(entries) == 1 else 'them'}, and features may be. With 'format: any' the set"
        f" '{state.name}' takes every matching file as it is, told apart by bytes; to leave such files out, move them away or"
        " correct 'patterns', 'exclude' or 'reads'"
    )


def discovered(state: SetState) -> str:
    """Directories with features that a search found, or that are folders that are not entered."""
    directories = state.discovery.directories
    found = ", ".join(f"{paths.display(path)} ({number or 'not all could be seen'})" for path, number in directories[:words.SAMPLES])
    found += f" and {len(directories) - words.SAMPLES} more" if len(directories) > words.SAMPLES else ""
    unclear = f" (not understood: {state.discovery.unclear[0]})" if state.discovery.unclear else ""
    return f"features of the set '{state.name}' lie in directories that nobody listed: {found}{unclear}"


def hidden_from_trainer(state: SetState) -> str:
    """Features whose names a trainer does not read."""
    hidden = [(one, entry) for one in state.legacy for entry in one.hidden_from_trainer]
    if not hidden:
        return ""
    one, entry = hidden[0]
    return (
        f"{words.count(len(hidden), 'feature')} of the legacy directories"
        f" {words.verb(len(hidden), 'have')} a name that the trainer does not read,"
        f" as {paths.display(one.place.path)}/{paths.display(entry.path)} ('reads': {', '.join(state.feature_set.reads)}):"
        " correct 'reads' or 'patterns'"
    )
