# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver: one execution inspects a host, does the steps that C(_plan/steps.py) returns, and inspects it again, until none is left."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from .. import errors
from .._cache import store
from .._plan import state as plan_state
from .._plan import steps
from .._spec import arguments
from .._spec.sets import FeatureSet
from .._system import accounts, mounts, words
from . import facts, grant, inspect, link


class Request(NamedTuple):
    """What an execution is asked for. C(state): C(present) or C(absent). C(uploaded): names of sets that an upload has just brought."""

    sets: Sequence[FeatureSet]
    account: accounts.Account
    policy: arguments.Policy
    state: str = "present"
    check_mode: bool = False
    uploaded: Sequence[str] = ()


def request_of(params: Mapping[str, Any], check_mode: bool) -> Request:
    """Return the request in a module's parameters; FeatureError for bad ones."""
    sets, account, choices = arguments.parse_arguments(params)
    return Request(sets, account, choices, params.get("state") or "present", check_mode, params.get("uploaded") or ())


def prepare(params: Mapping[str, Any], request: Request, result: Dict[str, Any]) -> None:
    """Fill the result of feature_prepare: everything that the host can do by itself, in the order of C(_plan/steps.py).

    After a failure, the result holds what was done and found until then.
    """
    run, pending = find_facts(params, request, result)
    result["found_status"] = result["ansible_facts"]["feature_status"]
    done: List[str] = []
    now = steps.next_on_host(pending, done, request.check_mode)
    while now:
        run.do(now)
        done += now
        if request.check_mode:
            return
        # What links were to go, and what a search found, was decided before the links were made.
        after = steps.pending_after(now, pending, run.inspect(decided=steps.LINK in now))
        result["ansible_facts"]["feature_steps"] = pending = after
        now = steps.next_on_host(pending, done, request.check_mode)


def do_step(step: str, request: Request, result: Dict[str, Any]) -> None:
    """Fill the result of a module that does one step, feature_links or feature_access."""
    run = _Execution(request, result)
    run.inspect()
    run.do([step])
    if result["changed"] and not request.check_mode:
        run.inspect(decided=True)


def find_facts(params: Mapping[str, Any], request: Request, result: Dict[str, Any]) -> Tuple[_Execution, List[str]]:
    """Fill the result of feature_facts, and store it in the cache; return the execution and the pending steps."""
    run = _Execution(request, result)
    if request.uploaded:
        run.do_one(steps.PUBLISH, request.uploaded)  # before the first inspection
    started = time.time()
    pending = run.inspect()
    if not request.check_mode:
        store.store(params, run.host, result["ansible_facts"], started)
    return run, pending


class _Execution:
    """One execution: what it was asked for, the last inspection, and the result that grows."""

    host: plan_state.HostState

    def __init__(self, request: Request, result: Dict[str, Any]) -> None:
        self._request = request
        self._result = result
        result.update(changed=False, sets={}, diff=[], steps=[])

    def inspect(self, decided: bool = False) -> List[str]:
        """Inspect the host, put its facts into the result, and return the pending steps.

        decided: no link is planned to go, and nothing is searched for.
        """
        wanted = self._request
        choices = replace(wanted.policy, prune="none", search_roots=()) if decided else wanted.policy
        linked_finds = wanted.state == "absent" and choices.on_discovery == "link"
        if wanted.state == "absent" and not linked_finds:
            choices = replace(choices, search_roots=())
        self.host = inspect.inspect_host(wanted.sets, wanted.account, choices, search_for_all=linked_finds)
        found = facts.facts(self.host, mounts.read_mountinfo(), wanted.state)
        self._result["ansible_facts"] = found
        pending: List[str] = found["feature_steps"]
        return pending

    def do(self, names: Sequence[str]) -> None:
        """Do these steps. If one fails, the result has what the disk holds then."""
        before = self._result["ansible_facts"]["feature_sets"]
        try:
            for name in names:
                self.do_one(name)
        except (errors.FeatureError, OSError):
            if not self._request.check_mode:
                with contextlib.suppress(errors.FeatureError, OSError):
                    self.inspect(decided=True)
                after = self._result["ansible_facts"]["feature_sets"]
                self._result["changed"] = self._result["changed"] or _on_disk(after) != _on_disk(before)
            raise

    def do_one(self, name: str, uploaded: Sequence[str] = ()) -> None:
        """Do one step. uploaded: what an upload has just brought; publishing is a FeatureError if that is not complete."""
        part: Dict[str, Any] = {"changed": False, "sets": {}, "diff": []}
        self._result["steps"].append(name)
        try:
            if name == steps.PUBLISH:
                self._publish(uploaded or [one.name for one in self.host.sets if one.incoming.complete], part)
            elif name == steps.GRANT:
                grant.grant(self.host, self._request.check_mode, part)
            else:
                published = self._request.check_mode and steps.PUBLISH in self._result["steps"]
                link.change_links(self.host, name == steps.UNLINK, self._request.check_mode, part, published)
        finally:
            _add(self._result, part)

    def _publish(self, names: Sequence[str], part: Dict[str, Any]) -> None:
        # Imported if needed: most hosts have nothing to publish.
        from .._upload import publish

        os.umask(0o022)
        wanted = self._request
        publish.publish_sets(wanted.sets, wanted.account, names, wanted.check_mode, part)


def _on_disk(sets: Mapping[str, Any]) -> List[Any]:
    return [[one[key] for key in ("target", "incoming", "access")] for one in sets.values()]


def _add(result: Dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what one step did to what others did before."""
    result["diff"] += part["diff"]
    result["changed"] = result["changed"] or part["changed"] or any(one.get("changed") for one in part["sets"].values())
    for name, counts in part["sets"].items():
        one = result["sets"].setdefault(name, {})
        for key, value in counts.items():
            if isinstance(value, list):
                one[key] = (one.get(key, []) + value)[: words.SAMPLES]
            else:
                one[key] = value
