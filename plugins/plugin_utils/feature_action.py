# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the actions run that take feature sets: sets may be text, facts are checked and completed on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..module_utils.errors import named
from . import run_id
from .answers import Each, Schema
from .feature_answers import CHANGES, facts_schema
from .module_action import ModuleAction, failing, run_module
from .survey import structured


def declared_sets(arguments: Mapping[str, Any]) -> list[Any]:
    """Return the sets that a task was given. FeatureError if they are no list."""
    return list(structured(arguments.get("sets") or [], list, named("sets")))


def completed(facts: Mapping[str, Any], sets: Sequence[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with what the controller knows itself: each set as it was declared, where it came from, and the run that they are of.

    before: the facts of the host until now; what they say of this run's transfers stays true.
    """
    this_run = before.get(run_id.FACT) == run_id.run_id()
    origins = {name: one.get("fetched_from") for name, one in (before.get("feature_sets") or {}).items()} if this_run else {}
    given = {str(one["name"]): dict(one) for one in sets if isinstance(one, Mapping) and "name" in one}
    known = facts.get("feature_sets") or {}
    in_order = [*(name for name in given if name in known), *(name for name in known if name not in given)]
    return {
        **facts,
        "feature_sets": {
            name: {**known[name], "declared": given.get(name), "fetched_from": origins.get(name)} for name in in_order
        },
        run_id.FACT: run_id.run_id(),
    }


class FeatureAction(ModuleAction):
    """Runs the module of the same name. C(more): the schema of what it returns besides the facts and C(sets)."""

    more: ClassVar[Mapping[str, Schema]] = {}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super(ModuleAction, self).run(tmp, task_vars)
        with failing(result, self._task.args):
            sets = declared_sets(self._task.args)
            names = frozenset(str(one["name"]) for one in sets if isinstance(one, Mapping) and "name" in one)
            answer = {"ansible_facts": facts_schema(names), "sets": Each(CHANGES, names), **self.more}
            arguments = {**self._task.args, "sets": sets} if "sets" in self._task.args else self._task.args
            result.update(run_module(self, self.module, arguments, answer, task_vars))
            if "feature_sets" in result.get("ansible_facts", {}):
                result["ansible_facts"] = completed(result["ansible_facts"], sets, (task_vars or {}).get("ansible_facts") or {})
        return result
