# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a training: what the user wrote is understood here, before any host is asked; the module does the rest."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.command import (
    pack_environment,
    parse_command,
    program_of,
    show_parsed,
    split_arguments,
)


class ActionModule(ActionBase):
    """The action behind M(trainprep.features.training_run)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; a FeatureError is the task's failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            arguments = module_arguments(self._task.args)
        except FeatureError as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, **self._execute_module(module_args=arguments, task_vars=task_vars)}


def module_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The module's arguments for what a task says."""
    command, on_end = given.get("command"), given.get("on_end")
    words = split_arguments(given.get("arguments"), "deploy_training_args")
    return {
        **given,
        "arguments": words,
        "command": parse_command(command, "deploy_training_command", words),
        "command_line": show_parsed(command, words) if command else "",
        "on_end": parse_command(on_end, "deploy_training_on_end"),
        "programs": {"deploy_training_command": program_of(command), "deploy_training_on_end": program_of(on_end)},
        "environment": pack_environment(given.get("environment") or {}),
    }
