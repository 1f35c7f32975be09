# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How our actions run the modules of this collection: the answer is checked, errors become results, options are filled in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.errors import FeatureError, internal_error, named, naming
from . import run_id
from .answers import Each, Schema, check_answer
from .connecting import with_user
from .feature_answers import CHANGES, facts_schema
from .survey import structured


def run_module(
    action: ActionBase, module: str, arguments: Mapping[str, Any], answer: Mapping[str, Schema], task_vars: dict[str, Any] | None
) -> dict[str, Any]:
    """Run a module of this collection on the host; return its result as far as the schema C(answer) allows.

    module: its name without the collection's. Without a training user in the arguments, that is the connecting user.
    """
    given = with_user(action, dict(arguments))
    # C(_execute_module) is what Ansible offers to action plugins for this, whatever its name says.
    result = action._execute_module(module_name=f"trainprep.features.{module}", module_args=given, task_vars=task_vars)
    return check_answer(result, answer, str((task_vars or {}).get("inventory_hostname", "the host")), module)


@contextlib.contextmanager
def failing(result: dict[str, Any], arguments: Mapping[str, Any]) -> Iterator[None]:
    """Turn errors into the task's failure, by filling its result; messages name options as C(arguments) say."""
    try:
        with naming(arguments):
            yield
    except FeatureError as error:
        result.update(failed=True, msg=str(error), **({"exception": error.trace} if error.trace else {}))
    except AnsibleError:
        raise
    except Exception as error:
        internal = internal_error("the action did not finish", error)
        result.update(failed=True, msg=str(internal), exception=internal.trace)


class ModuleAction(ActionBase):
    """Runs the module of the same name. C(answer) is the schema of what the module returns."""

    TRANSFERS_FILES = False
    _supports_async = False
    module: ClassVar[str]
    answer: ClassVar[Mapping[str, Schema]]

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        with failing(result, self._task.args):
            result.update(run_module(self, self.module, self._task.args, self.answer, task_vars))
        return result


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


def run_driver(
    action: ActionBase, module: str, arguments: Mapping[str, Any], more: Mapping[str, Schema], task_vars: dict[str, Any] | None
) -> dict[str, Any]:
    """Run a module that returns a host's facts and C(sets); the facts are completed. more: the schema of what else it returns."""
    sets = declared_sets(arguments)
    names = frozenset(str(one["name"]) for one in sets if isinstance(one, Mapping) and "name" in one)
    answer = {"ansible_facts": facts_schema(names), "sets": Each(CHANGES, names), **more}
    result = run_module(action, module, {**arguments, "sets": sets} if "sets" in arguments else arguments, answer, task_vars)
    if "feature_sets" in result.get("ansible_facts", {}):
        result["ansible_facts"] = completed(result["ansible_facts"], sets, (task_vars or {}).get("ansible_facts") or {})
    return result


class FeatureAction(ModuleAction):
    """Runs the module of the same name. C(more): the schema of what it returns besides the facts and C(sets)."""

    more: ClassVar[Mapping[str, Schema]] = {}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super(ModuleAction, self).run(tmp, task_vars)
        with failing(result, self._task.args):
            result.update(run_driver(self, self.module, self._task.args, self.more, task_vars))
        return result
