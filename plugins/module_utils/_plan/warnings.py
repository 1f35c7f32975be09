# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What does not block a set and is worth knowing, in sentences. Pure."""

from __future__ import annotations

from typing import List

from .._scan.model import SPECIAL
from .._scan.places import ABSENT, UNREADABLE
from .._system.paths import display
from .._system.words import count, verb
from ..errors import named
from .needs import is_needed
from .sentences import dangling_inside, discovered, hidden_from_trainer
from .state import HostState, SetState


def warnings_of(state: SetState, host: HostState) -> List[str]:
    """The warnings of one set."""
    plan, target = state.plan, display(state.target)
    warnings: List[str] = [hidden_from_trainer(state)] if hidden_from_trainer(state) and state.features else []
    others = [entry for entry in state.read if entry.classification.kind == "other"]
    if others:
        first = others[0]
        warnings.append(
            f"{count(len(others), 'file')} in {target} {verb(len(others), 'be')} of another kind,"
            f" as {display(first.path)} ({first.classification.reason})"
        )
    specials = [entry for entry in state.read if entry.kind == SPECIAL]
    if specials:
        warnings.append(
            f"{count(len(specials), 'name')} in {target} that the trainer reads {verb(len(specials), 'belong')} to what is not a file,"
            f" as {display(specials[0].path)}: move that away"
        )
    if plan.stray:
        warnings.append(
            f"{count(len(plan.stray), 'stray link')} in {target} into legacy directories that should not be there,"
            f" as {display(plan.stray[0])}: set {named('prune')} to stray to remove what is stray"
        )
    if plan.differing:
        warnings.append(
            f"{count(len(plan.differing), 'name')} {verb(len(plan.differing), 'stand')} for different features in {target} or"
            " the legacy directories,"
            f" as {display(plan.differing[0])}: the one in the target, or the first listed, is used"
        )
    if plan.outranked:
        used, other = plan.outranked[0]
        warnings.append(
            f"{count(len(plan.outranked), 'feature')} {verb(len(plan.outranked), 'be')} left out, since others of the same name"
            f" lie less deep in the same legacy directory: {display(used)} is used, {display(other)} is not"
        )
    if state.status is not None:
        for legacy in state.legacy:
            if legacy.state == UNREADABLE:
                warnings.append(f"{legacy.reason}: features there are not seen")
            elif not legacy.fully_scanned and legacy.scan is not None and legacy.same_as is None:
                warnings += legacy.scan.gaps[:1]
                if legacy.dangling:
                    warnings.append(f"{dangling_inside(legacy)}: features that were there are not seen")
    if state.incoming.state not in (ABSENT, "empty") and not state.incoming.complete and state.status not in (0, None):
        warnings.append(
            f"an upload into {target} was left incomplete ({count(state.incoming.features, 'feature')}): it is stale,"
            " remove its staging directory"
        )
    if state.status == 0 and state.discovery.directories and not is_needed(state, host):
        warnings.append(discovered(state))
    if state.discovery.cut_short:
        warnings.append(f"the search for features elsewhere was cut short: {state.discovery.cut_short[0]}")
    return warnings
