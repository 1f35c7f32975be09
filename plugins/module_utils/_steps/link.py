# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look, plan, apply: what the module feature_links does, without Ansible."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import errors
from .._apply.links import LinkCounts, apply_links
from .._plan import readiness
from .._plan.host import plan_of_removal
from .._plan.links import SetPlan
from .._plan.state import HostState, SetState
from .._scan import places
from .._spec.policy import Policy
from .._spec.sets import FeatureSet
from .._system import accounts, capabilities, owners, paths, samples, words
from . import inspect


def run_links(
    sets: Sequence[FeatureSet], account: accounts.Account, policy: Policy, state: str, check_mode: bool
) -> Dict[str, Any]:
    """The result of feature_links: changed, sets, diff. FeatureError before anything is changed."""
    host = inspect.inspect_host(
        sets,
        account,
        policy,
        with_access=False,
        search_for_all=state == "absent" and policy.on_discovery == "link",
    )
    if state == "absent":
        plans = plan_of_removal(host.sets, policy.top_up)
        _refuse_removal(host, plans)
    else:
        plans = [one.plan for one in host.sets]
        _refuse(host)
    return carry_out(host, plans, check_mode)


def carry_out(host: HostState, plans: Sequence[SetPlan], check_mode: bool) -> Dict[str, Any]:
    """The result of feature_links for these plans, one a set. FeatureError, before anything is changed where it can be known."""
    account = host.account
    result: Dict[str, Any] = {"changed": False, "sets": {}, "diff": []}
    writers = [_writer(one, plan, account) for one, plan in zip(host.sets, plans)]
    for one, plan, writer in zip(host.sets, plans, writers):
        if check_mode or writer is None:
            counts = _predicted(one, plan)
        else:
            counts = owners.as_owner(writer, apply_links, one.target, plan, account.uid, account.gid, one.target_key)
        # What was done, not what was meant to be: a name may be taken that differs in case alone, on a disk that ignores it.
        done = counts.linked or counts.removed or counts.created_target
        result["changed"] = result["changed"] or bool(done)
        actions = _actions(one, plan)
        result["sets"][one.name] = {
            "linked": counts.linked,
            "replaced": counts.replaced,
            "removed": counts.removed,
            "kept": counts.kept,
            "created_target": counts.created_target,
            "samples": [{"action": action, "path": path, "text": text} for action, path, text in actions],
        }
        if not plan.is_empty:
            result["diff"].append(_diff(one, plan, actions))
    return result


def _writer(one: SetState, plan: SetPlan, account: accounts.Account) -> Optional[accounts.Account]:
    """Who carries the plan out; FeatureError, in check mode too, where the file system cannot take links."""
    if plan.is_empty:
        return None
    needs = [capabilities.SYMLINKS] if plan.to_create or plan.to_replace else []
    if one.target_key is None or any("/" in name for name, _text in plan.to_create):
        needs.append(capabilities.OWNERSHIP)  # of the directories that are made
    return capabilities.choose_writer(one.target, account, needs)


def _refuse(host: HostState) -> None:
    """Stops before the first change where a set's status is unknown or names contradict each other."""
    for one in host.sets:
        if one.status is None or one.plan.conflicts:
            raise errors.FeatureError(readiness.assess(one, host).obstacles[0])


def _refuse_removal(host: HostState, plans: Sequence[SetPlan]) -> None:
    """Stops before the first removal where links stay of which nobody knows whether they would have been made."""
    for one, plan in zip(host.sets, plans):
        going = {name for name, _text in plan.to_remove}
        staying = [entry.link_target for entry in one.scan.entries if entry.link_target and entry.path not in going]
        if one.scan.state == places.UNREADABLE:
            raise errors.FeatureError(f"{one.scan.reason}: make it readable and run again, since links may lie there")
        for legacy in one.legacy:
            reasons = [legacy.reason] if legacy.state == places.UNREADABLE else legacy.scan.gaps[:1] if legacy.scan else []
            below = legacy.place.path.rstrip("/") + "/"
            if reasons and any(text.startswith(below) for text in staying):
                raise errors.FeatureError(
                    f"{reasons[0]}: make it readable and run again, since links in {paths.display(one.target)} lead there"
                )


def _predicted(one: SetState, plan: SetPlan) -> LinkCounts:
    return LinkCounts(
        linked=plan.to_link,
        replaced=len(plan.to_replace),
        removed=len(plan.to_remove),
        kept=plan.unchanged,
        created_target=one.target_key is None and bool(plan.to_create),
    )


def _actions(one: SetState, plan: SetPlan) -> List[Tuple[str, str, str]]:
    """At most ten actions: some of each sort."""
    sorts = [
        [("remove", name, text) for name, text in plan.to_remove[:samples.SAMPLES]],
        [("replace", name, text) for name, text, _old in plan.to_replace[:samples.SAMPLES]],
        [("link", name, text) for name, text in plan.to_create[:samples.SAMPLES]],
    ]
    share = samples.SAMPLES // max(1, sum(bool(sort) for sort in sorts))
    target = one.target.rstrip("/")
    return [
        (action, paths.display(f"{target}/{name}"), paths.display(text)) for sort in sorts for action, name, text in sort[:share]
    ]


def _diff(one: SetState, plan: SetPlan, actions: List[Tuple[str, str, str]]) -> Dict[str, str]:
    links = sum(entry.link_target is not None for entry in one.scan.entries)
    gone = [f"{path} -> {text}" for action, path, text in actions if action == "remove"]
    made = [f"{path} -> {text}" for action, path, text in actions if action != "remove"]
    before = [words.count(links, "link")] + gone
    after = [words.count(links + len(plan.to_create) - len(plan.to_remove), "link")] + made
    hidden = len(plan.to_create) + len(plan.to_replace) + len(plan.to_remove) - len(actions)
    if hidden > 0:
        after.append(f"and {hidden} more")
    return {
        "before_header": paths.display(one.target),
        "after_header": paths.display(one.target),
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in after),
    }
