# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name, checks its answer, fetches the results, and prints the health check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.module_utils._training.options import INFO
from ansible_collections.trainprep.features.plugins.plugin_utils._training.fetch import connecting_uid, fetch
from ansible_collections.trainprep.features.plugins.plugin_utils._training.gathered import add_host
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import check_lines
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import PLAIN, Maybe, Schema
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_action import declared_sets
from ansible_collections.trainprep.features.plugins.plugin_utils.interrupts import show
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import ModuleAction, failing, run_module
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import all_variables, warn_of_misspelt
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import login_of

display = Display()
# Now, in the main process: otherwise the worker of each host would read it.
all_variables()

_PARTS = (
    *("session", "process", "run", "runs", "log", "progress", "history", "checkpoint", "gpus", "gpu_problem", "memory", "disk", "features"),
)


class ActionModule(ModuleAction):
    """The action behind M(trainprep.features.training_info)."""

    module = "training_info"
    answer: ClassVar[Mapping[str, Schema]] = {
        **dict.fromkeys(("state", "outcome", "sentence", "user", "directory"), Maybe(str)),
        **dict.fromkeys(_PARTS, Maybe(PLAIN)),
        "healthy": bool,
        "offer": {"run": str, "name": str, "uid": int, "python": str, "files": [str]},
    }

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; failed if the training is not healthy and C(fail) is set."""
        warn_of_misspelt(self._task, task_vars or {})
        refused: dict[str, Any] = {}
        variables = {"sets": "prepare_features_sets"} if self._task.args.get("variable_prefix") else {}
        with failing(refused, {"variable_names": variables}):
            self._task.args["sets"] = declared_sets(self._task.args)  # a survey gives text
        if refused:
            return refused
        _validated, options = self.validate_argument_spec(argument_spec=INFO)
        result = self._inspect(tmp, task_vars)
        if result.get("failed") or "state" not in result:
            return result
        result["report_dir"] = options["report_dir"]
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        alone = len((task_vars or {}).get("ansible_play_hosts_all") or [host]) == 1
        lines: list[str] = []
        with failing(result, options):
            lines = check_lines(host, result, options, alone)
        if result.get("failed"):
            return result
        if lines:
            # One call, so that the checks of several hosts do not mix.
            show(display.display, "\n".join(lines))
        try:
            add_host(options["report_dir"], host, result, str((task_vars or {}).get("ansible_play_name", "")))
        except OSError as error:
            display.warning(f"The report could not be written to {options['report_dir']}: {error.strerror or error}.")
        if options["fail"] and not result["healthy"]:
            msg = f"the training is not healthy: {result['sentence']}"
            names = ("state", "healthy", "outcome", "sentence", "changed", "report_dir", "fetched")
            verdict = {name: result[name] for name in names if name in result}
            # Ansible prints a failed result as JSON, except C(invocation): there the callback finds what the page needs.
            return {**verdict, "failed": True, "msg": msg, "invocation": {"training": result}}
        return result

    def _inspect(self, tmp: Any, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's result, with C(fetched): where the results are on the controller."""
        directory = str(self._task.args.get("fetch_dir") or "")
        if not directory or self._task.check_mode:
            return super().run(tmp, task_vars)
        result: dict[str, Any] = super(ModuleAction, self).run(tmp, task_vars)
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        with failing(result, self._task.args):
            local = self._connection.transport == "local"
            login = None if local else login_of(self._connection, self._play_context, host)
            uid = connecting_uid(str(self._connection.transport), login, host)
            arguments = {**self._task.args, "connecting_uid": uid}
            result.update(run_module(self, self.module, arguments, self.answer, task_vars))
            offer = result.pop("offer", None)
            if offer and not result.get("failed"):
                result["fetched"] = fetch(offer, login, directory, host, str(self._task.args.get("session") or "attn_crnn_v2"))
        return result
