# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a training: what the user wrote is understood here, before any host is asked; the module does the rest."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named, naming
from ansible_collections.trainprep.features.plugins.plugin_utils._training.command import (
    pack_environment,
    parse_command,
    program_of,
    show_parsed,
    split_arguments,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._training.project import check_start, read_project
from ansible_collections.trainprep.features.plugins.plugin_utils._training.send import (
    check_words,
    receiver_words,
    send_project,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.connecting import with_user
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import login_of


class ActionModule(ActionBase):
    """The action behind M(trainprep.features.training_run)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _task: Any

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; a FeatureError is the task's failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            with naming(self._task.args):
                arguments = module_arguments(with_user(self, self._task.args))
                if arguments.get("project"):
                    return {**result, **with_old_runs(self._start_project(arguments, task_vars or {}))}
        except FeatureError as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, **with_old_runs(self._ask(arguments, task_vars))}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None, module: str = "training_run") -> dict[str, Any]:
        name = f"trainprep.features.{module}"
        return dict(self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars))

    def _start_project(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Whether there is anything to start; then the project, then the start."""
        project = read_project(arguments["project"])
        check_start(project, str(arguments.get("script_name") or ""), arguments["programs"][named("command")])
        arguments["record"] = {**(arguments.get("record") or {}), "project": project.record()}
        host = str(task_vars.get("inventory_hostname", ""))
        planned = self._ask_in_check_mode({**arguments, "tree": ".project-planned"}, task_vars)
        if self._task.check_mode or planned.get("failed") or not planned.get("changed"):
            return planned
        place = {name: arguments[name] for name in ("session", "dir", "user", "variable_prefix") if arguments.get(name)}
        answer = self._ask(place, task_vars, "training_project")
        if "staged" not in answer:
            return answer
        staged = answer["staged"]
        become = self._connection.become
        method = str(become.name) if self._task.become and become is not None else "sudo"
        check_words(receiver_words(staged), method, self._connection.transport, host)
        local = self._connection.transport == "local"
        send_project(project, staged, None if local else login_of(self._connection, self._play_context, host), host)
        return self._ask({**arguments, "tree": staged["name"]}, task_vars)

    def _ask_in_check_mode(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        task = self._task
        self._task = task.copy()
        self._task.check_mode = True
        try:
            return self._ask(arguments, task_vars)
        finally:
            self._task = task


def module_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The module's arguments for what a task says."""
    command, on_end = given.get("command"), given.get("on_end")
    words = split_arguments(given.get("arguments"))
    return {
        **given,
        "arguments": words,
        "command": parse_command(command, named("command"), words),
        "command_line": show_parsed(command, words) if command else "",
        "on_end": parse_command(on_end, named("on_end")),
        "programs": {named("command"): program_of(command), named("on_end"): program_of(on_end)},
        "environment": pack_environment(given.get("environment") or {}),
    }


def with_old_runs(answer: dict[str, Any]) -> dict[str, Any]:
    """A module's result with what its launcher did to the runs of before; what could not be removed is a warning."""
    if answer.get("failed") or "message" not in answer:
        return answer
    old = answer.pop("old_runs", {})
    runs = os.path.dirname(str(answer.get("run", "")))
    warnings = list(answer.get("warnings") or [])
    if old.get("error"):
        warnings.append(f"an old run in {runs} cannot be removed ({old['error']}): remove it by hand")
    if old.get("kept"):
        warnings.append(
            f"run {old['kept'][0]} in {runs} and {len(old['kept']) - 1} more are older than those to keep, but hold files of their"
            " training: move what you need, then remove them"
        )
    return {**answer, "removed": int(old.get("removed") or 0), "warnings": warnings}
