# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages about a set that do not block it, or only in some situations. Pure."""

from __future__ import annotations

from typing import Iterator, Sequence

from .. import errors
from .._scan import model, places
from .._system import paths, words
from .state import HostState, SetState


def warnings_of(state: SetState, host: HostState) -> Iterator[str]:
    plan, target = state.plan, paths.display(state.target)
    unseen = hidden_from_trainer(state)
    if unseen and state.features:
        yield unseen
    removed = {name for name, _text in plan.to_remove}
    others = [entry for entry in state.read if entry.classification.kind == "other" and entry.path not in removed]
    if others:
        example = f"{paths.display(others[0].path)}, which {others[0].classification.reason}"
        yield f"{words.phrase(len(others), 'file', 'be', target)} of another kind (e.g. {example})"
    hidden = [entry for entry in state.hidden if not entry.name.startswith(paths.OURS)]
    if hidden:
        yield (
            f"{words.count(len(hidden), 'hidden name')} in {target} {words.verb(len(hidden), 'match', 'matches')} 'reads'"
            f" (e.g. {paths.display(hidden[0].path)}): glob does not find them, os.walk and Path.rglob do"
        )
    behind = state.behind_links()
    for name, inside in list(behind.items())[:1]:
        yield (
            f"{words.phrase(len(behind), 'link', 'lead', target)} to directories with features (e.g. {paths.display(name)}:"
            f" {words.count(len(inside), 'feature')}): glob follows them, os.walk and Path.rglob do not"
        )
    stray = [name for name in plan.stray if name not in removed]
    if stray:
        yield (
            f"{words.count(len(stray), 'stray link')} in {target} into legacy directories should not be there"
            f" (e.g. {paths.display(stray[0])}): set {errors.named('prune')} to stray to remove such links"
        )
    if plan.differing:
        yield (
            f"{words.phrase(len(plan.differing), 'name', 'stand')} for different features in {target} or the legacy directories"
            f" (e.g. {paths.display(plan.differing[0])}): the one in the target, or the first listed, is used"
        )
    if plan.outranked:
        used, other = map(paths.display, plan.outranked[0])
        yield (
            f"{words.phrase(len(plan.outranked), 'feature', 'be')} left out, since others of the same name are less deep in the same legacy"
            f" directory (e.g. {used} is used, {other} is not)"
        )
    for legacy in state.legacy if state.status is not None else ():
        if not legacy.fully_scanned and legacy.same_as is None:
            yield from (f"{gap}: features there are not seen" for gap in legacy.scan.gaps[:1])
            if legacy.not_understood:
                yield not_understood(state, legacy.place.path, legacy.not_understood)
            if legacy.dangling:
                yield f"{dangling_inside(legacy)}: features that were there are not seen"
    if state.incoming.state not in (places.ABSENT, places.EMPTY) and not state.incoming.complete and state.status not in (0, None):
        yield (
            f"an upload into {target} was left incomplete ({words.count(state.incoming.features, 'feature')}): it is stale,"
            " remove its staging directory"
        )
    if state.status == 0 and state.discovery.directories and not host.needs(state):
        yield discovered(state)
    if state.discovery.cut_short:
        yield f"the search for features elsewhere was cut short: {state.discovery.cut_short[0]}"


def dangling_inside(legacy: model.LegacyScan) -> str:
    example = f"{paths.display(legacy.dangling[0].path)} to {paths.display(legacy.dangling[0].link_target or '')}"
    return f"{words.phrase(len(legacy.dangling), 'link', 'dangle', paths.display(legacy.place.path))} (e.g. {example})"


def not_understood(state: SetState, directory: str, entries: Sequence[model.Entry]) -> str:
    """Files that may be features, since no reader here knows what they hold. entries: at least one, below the directory."""
    folder, number = paths.display(directory), len(entries)
    return (
        f"{words.phrase(number, 'file', 'be', folder)} not understood (e.g. {folder}/{paths.display(entries[0].path)},"
        f" which {entries[0].classification.reason}): the reader of the format here does not know what"
        f" {words.verb(number, 'be')} in {'it' if number == 1 else 'them'}, and features may be. With 'format: any' the set"
        f" '{state.name}' takes every matching file as it is, told apart by bytes; to leave such files out, move them away or"
        " correct 'patterns', 'exclude' or 'reads'"
    )


def discovered(state: SetState) -> str:
    """Directories with features that a search found, or that are folders that are not entered."""
    directories = state.discovery.directories
    found = ", ".join(f"{paths.display(path)} ({number or 'not all could be seen'})" for path, number in directories[:words.SAMPLES])
    found += f" and {len(directories) - words.SAMPLES} more" if len(directories) > words.SAMPLES else ""
    unclear = f" (not understood: {state.discovery.unclear[0]})" if state.discovery.unclear else ""
    return f"features of the set '{state.name}' are in directories that no set lists: {found}{unclear}"


def hidden_from_trainer(state: SetState) -> str:
    """Features whose names a trainer does not read."""
    hidden = [(one, entry) for one in state.legacy for entry in one.hidden_from_trainer]
    if not hidden:
        return ""
    one, entry = hidden[0]
    return (
        f"{words.count(len(hidden), 'feature')} of the legacy directories {words.verb(len(hidden), 'have')} a name that the trainer does"
        f" not read (e.g. {paths.display(one.place.path)}/{paths.display(entry.path)}; 'reads': {', '.join(state.feature_set.reads)}):"
        " correct 'reads' or 'patterns'"
    )
