# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps link and unlink: from an inspection's plans to links on the disk."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import errors
from .._apply.links import LinkCounts, apply_links
from .._plan import readiness
from .._plan.host import plan_of_removal
from .._plan.links import LinkPlan
from .._plan.state import HostState, SetState
from .._scan import manifest, places, staging
from .._system import accounts, become, capabilities, paths, words

_LONGEST = 4095  # bytes of a link's text


def change_links(host: HostState, absent: bool, check_mode: bool, result: Dict[str, Any], published: bool = False) -> None:
    """Make the links of the plan, or with C(absent) remove those that it would have made; fill changed, sets and diff of the result.

    published: a dry run in which finished staging directories would have been published before. FeatureError, before anything is changed
    if that can be known. The result is right after an error, too.
    """
    if absent:
        plans = plan_of_removal(host.sets, host.policy.top_up)
        _refuse_removal(host, plans)
    else:
        plans = [_after_publication(one, host.account) if published else one.plan for one in host.sets]
        _refuse(host)
    account = host.account
    writers = [_writer(one, plan, account) for one, plan in zip(host.sets, plans)]
    for one, plan, writer in zip(host.sets, plans, writers):
        try:
            _refuse_long_texts(one, plan)
            predicts = check_mode or writer is None
            counts = _predicted(one, plan) if predicts else apply_links(one.target, plan, account, one.target_key, writer)
        except (errors.FeatureError, OSError):
            _record(result, one, plan, _found_on_disk(one, plan))
            raise
        _record(result, one, plan, counts)


def _after_publication(one: SetState, account: accounts.Account) -> LinkPlan:
    """Return a set's plan without the links that a publication of its staging directory would make unnecessary."""
    staged = staging.staged_manifest(one.target, account) if one.incoming.complete else None
    if not staged:
        return one.plan
    tokens = {wanted.token for wanted in staged.values()}
    there = {
        f"{legacy.place.path.rstrip('/')}/{entry.path}"
        for legacy in one.legacy
        for entry in legacy.features
        if manifest.token_of(entry.classification, lambda: b"") in tokens
    }
    return replace(one.plan, to_create=[(name, text) for name, text in one.plan.to_create if name not in staged and text not in there])


def _record(result: Dict[str, Any], one: SetState, plan: LinkPlan, counts: LinkCounts) -> None:
    # What was done, not what was planned: a name may be taken that differs in case alone, on a disk that ignores it.
    done = counts.linked or counts.removed or counts.created_target
    result["changed"] = result["changed"] or bool(done)
    actions = _actions(one, plan)
    samples = [{"action": action, "path": path, "text": text} for action, path, text in actions]
    result["sets"][one.name] = {**vars(counts), "samples": samples}
    if not plan.is_empty:
        result["diff"].append(_diff(one, plan, actions))


def _found_on_disk(one: SetState, plan: LinkPlan) -> LinkCounts:
    """Count what of a plan is done, after an error has ended it."""

    def says(name: str) -> str:
        try:
            return os.readlink(os.path.join(one.target, name))
        except OSError:
            return ""

    replaced = sum(says(name) == text for name, text, _old in plan.to_replace)
    return LinkCounts(
        linked=replaced + sum(says(name) == text for name, text in plan.to_create),
        replaced=replaced,
        removed=sum(says(name) != text for name, text in plan.to_remove),
        kept=plan.unchanged,
        created_target=one.target_key is None and os.path.isdir(one.target),
    )


def _writer(one: SetState, plan: LinkPlan, account: accounts.Account) -> Optional[accounts.Account]:
    """Return the account that makes the links; FeatureError, in check mode too, if it may not, or the file system cannot hold them."""
    if plan.is_empty:
        return None
    needs = [capabilities.SYMLINKS] if plan.to_create or plan.to_replace else []
    if one.target_key is None or any("/" in name for name, _text in plan.to_create):
        needs.append(capabilities.OWNERSHIP)  # of the directories that are made
    writer = capabilities.choose_writer(one.target, account, needs)
    number: int = become.run_as(writer, capabilities.why_not_writable, one.target)
    if number:
        refusal = OSError(number, os.strerror(number))
        what = "opened or created" if one.target_key is None else "changed"
        raise errors.FeatureError(f"target {paths.display(one.target)} cannot be {what} ({refusal.strerror}): {words.advice(refusal)}")
    return writer


def _refuse_long_texts(one: SetState, plan: LinkPlan) -> None:
    """Raise what the kernel would raise in the middle of the work."""
    for _name, text, *_old in [*plan.to_create, *plan.to_replace]:
        size = len(os.fsencode(text))
        if size > _LONGEST:
            shown = f"{paths.display(text[:60])}…{paths.display(text[-30:])}"
            raise errors.FeatureError(
                f"target {paths.display(one.target)} cannot be changed ({os.strerror(errno.ENAMETOOLONG)}): {shown} has {size:,} bytes,"
                f" and a link holds {_LONGEST:,}: make a link to its folder, and name that in 'legacy' instead"
            )


def _refuse(host: HostState) -> None:
    """Raise before the first change if a set's status is null or names are in conflict."""
    for one in host.sets:
        if one.status is None or one.plan.conflicts:
            raise errors.FeatureError(readiness.assess(one, host).obstacles[0])


def _refuse_removal(host: HostState, plans: Sequence[LinkPlan]) -> None:
    """Raise before the first removal if it is unknown whether a link that stays would have been made."""
    for one, plan in zip(host.sets, plans):
        going = {name for name, _text in plan.to_remove}
        staying = [entry.link_target for entry in one.scan.entries if entry.link_target and entry.path not in going]
        if one.scan.state == places.UNREADABLE:
            raise errors.FeatureError(f"{one.scan.gaps[0]}: make it readable and run again, since links may be there")
        for legacy in one.legacy:
            below = legacy.place.path.rstrip("/") + "/"
            gone = legacy.state == places.ABSENT
            if not (legacy.scan.gaps or gone) or not any(text.startswith(below) for text in staying):
                continue
            lead = f"links in {paths.display(one.target)} lead there"
            if gone:
                raise errors.FeatureError(
                    f"{paths.display(legacy.place.path)} is absent, and {lead}: mount its volume and run again, or remove these links"
                )
            raise errors.FeatureError(f"{legacy.scan.gaps[0]}: make it readable and run again, since {lead}")


def _predicted(one: SetState, plan: LinkPlan) -> LinkCounts:
    return LinkCounts(
        linked=plan.to_link,
        replaced=len(plan.to_replace),
        removed=len(plan.to_remove),
        kept=plan.unchanged,
        created_target=one.target_key is None and bool(plan.to_create),
    )


def _actions(one: SetState, plan: LinkPlan) -> List[Tuple[str, str, str]]:
    """Return at most ten actions, some of each kind."""
    sorts = [
        [("remove", name, text) for name, text in plan.to_remove[:words.SAMPLES]],
        [("replace", name, text) for name, text, _old in plan.to_replace[:words.SAMPLES]],
        [("link", name, text) for name, text in plan.to_create[:words.SAMPLES]],
    ]
    share = words.SAMPLES // max(1, sum(bool(sort) for sort in sorts))
    target = one.target.rstrip("/")
    return [
        (action, paths.display(f"{target}/{name}"), paths.display(text)) for sort in sorts for action, name, text in sort[:share]
    ]


def _diff(one: SetState, plan: LinkPlan, actions: List[Tuple[str, str, str]]) -> Dict[str, str]:
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
