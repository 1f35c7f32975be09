# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step grant: the least access that the training user lacks."""

from __future__ import annotations

import os
import shutil
from typing import Any, Dict, List, Sequence

from .. import errors
from .._access import apply, probe, rules
from .._access.plan import GrantPlan, SetPlan, plan_grants
from .._plan.state import HostState
from .._system import paths, words

_TOOL_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def grant(host: HostState, check_mode: bool, result: Dict[str, Any]) -> None:
    """Grant what the training user lacks on features that are linked now, or would be in check mode; fill changed, sets and diff.

    FeatureError before anything is changed if that can be known.
    """
    if host.policy.permissions == "check":
        return
    answers = probe.ask(host.account, {one.name: one.reads_after() for one in host.sets})
    means = rules.Means(os.geteuid(), host.policy.permissions, shutil.which("setfacl", path=_TOOL_PATH) is not None)
    plan = plan_grants(host.account, means, answers, {one.name: one.link_sources() for one in host.sets})
    if plan.hopeless:
        raise errors.FeatureError(plan.hopeless)
    carry_out(plan, check_mode, result)


def carry_out(plan: GrantPlan, check_mode: bool, result: Dict[str, Any]) -> None:
    """Make the plan's changes (not in check mode) and count them, set by set."""
    for name, one in plan.sets.items():
        applied = apply.Applied(one.changes, []) if check_mode else apply.Applied([], [])
        try:
            if not check_mode:
                apply.apply_changes(one.changes, applied)
        finally:
            result["changed"] = result["changed"] or bool(applied.done)
            result["sets"][name] = _counts(one, applied)
            if applied.done:
                result["diff"].append(_diff(name, applied.done))


def _counts(plan: SetPlan, applied: apply.Applied) -> Dict[str, Any]:
    files = [change for change in applied.done if not change.node.is_directory]
    return {
        "granted": len(files),
        "directories": len(applied.done) - len(files),
        "widened": sum(bool(change.opened_to) for change in applied.done),
        "refused": len(plan.refused) + len(applied.missed),
        "samples": [_sample(change) for change in _shown(applied.done)],
        "warnings": rules.opened(applied.done) + _some([*dict.fromkeys(plan.refused.values()), *applied.missed]),
    }


def _some(sentences: List[str]) -> List[str]:
    hidden = len(sentences) - words.SAMPLES
    return sentences[:words.SAMPLES] + ([f"and {hidden} more of that kind"] if hidden > 0 else [])


def _shown(changes: Sequence[rules.Change]) -> List[rules.Change]:
    """Return at most ten changes, directories first: there are few, and they open the most."""
    return sorted(changes, key=lambda change: (not change.node.is_directory, change.node.path))[:words.SAMPLES]


def _sample(change: rules.Change) -> Dict[str, str]:
    return {"path": paths.display(change.node.path), "old": change.old, "new": change.new}


def _diff(name: str, changes: Sequence[rules.Change]) -> Dict[str, str]:
    shown = _shown(changes)
    files = sum(not change.node.is_directory for change in changes)
    after = [f"{paths.display(change.node.path)}: {change.new}" for change in shown]
    after.append(
        f"{words.count(len(changes) - files, 'directory', 'directories')} and {words.count(files, 'file')} opened"
    )
    return {
        "before_header": f"access to {name}",
        "after_header": f"access to {name}",
        "before": "".join(f"{paths.display(change.node.path)}: {change.old}\n" for change in shown),
        "after": "".join(line + "\n" for line in after),
    }
