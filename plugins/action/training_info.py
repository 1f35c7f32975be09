# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name, checks its answer, prints the health check, and fetches the results."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.utils.display import Display

from ..module_utils._training.options import INFO
from ..plugin_utils._training.fetch import connecting_uid, fetch
from ..plugin_utils._training.files import add_host
from ..plugin_utils._training.text import check_lines
from ..plugin_utils.answers import PLAIN, Maybe, Schema
from ..plugin_utils.interrupts import show
from ..plugin_utils.module_action import ModuleAction, declared_sets, failing
from ..plugin_utils.role_arguments import all_variables, warn_of_misspelt
from ..plugin_utils.ssh import Login, login_of

display = Display()
# Now, in the main process: otherwise the worker of each host would read it.
all_variables()

_PARTS = (
    *("session", "process", "run", "runs", "log", "progress", "history", "checkpoint", "gpus", "gpu_problem", "memory", "disk", "features"),
)


class ActionModule(ModuleAction):
    module = "training_info"
    answer: ClassVar[Mapping[str, Schema]] = {
        **dict.fromkeys(("state", "outcome", "sentence", "user", "directory"), Maybe(str)),
        **dict.fromkeys(_PARTS, Maybe(PLAIN)),
        "healthy": bool,
        "no_offer": str,
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
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        wanted = bool(options["fetch_dir"]) and not self._task.check_mode
        login, problem = None, ""
        if wanted:
            # Whatever keeps the results from coming home, the health check is printed first.
            login, problem = self._find_login(host)
        result: dict[str, Any] = super().run(tmp, task_vars)
        if result.get("failed") or "state" not in result:
            return result
        offer, problem = result.pop("offer", None), result.pop("no_offer", "") or problem
        result["report_dir"] = options["report_dir"]
        lines: list[str] = []
        with failing(result, options):
            lines = check_lines(host, result, options, len((task_vars or {}).get("ansible_play_hosts_all") or [host]) == 1)
        if result.get("failed"):
            return result
        if lines:
            # One call, so that the checks of several hosts do not mix.
            show(display.display, "\n".join(lines))
        try:
            add_host(options["report_dir"], host, result, str((task_vars or {}).get("ansible_play_name", "")))
        except OSError as error:
            display.warning(f"The report could not be written to {options['report_dir']}: {error.strerror or error}.")
        if offer and not problem:
            fetched: dict[str, Any] = {}
            with failing(fetched, options):
                result["fetched"] = fetch(offer, login, options["fetch_dir"], host, options["session"])
            problem = str(fetched.get("msg") or "")
        return self._conclude(result, options, problem if wanted else "")

    def _conclude(self, result: dict[str, Any], options: Mapping[str, Any], problem: str) -> dict[str, Any]:
        """The result; a failed one if the training is not healthy, or its results could not be fetched."""
        unhealthy = [f"the training is not healthy: {result['sentence']}"] if options["fail"] and not result["healthy"] else []
        wrong = [*unhealthy, *([problem] if problem else [])]
        if not wrong:
            return result
        names = ("state", "healthy", "outcome", "sentence", "changed", "report_dir", "fetched")
        verdict = {name: result[name] for name in names if name in result}
        # Ansible prints a failed result as JSON, except C(invocation): there the callback finds what the page needs.
        return {**verdict, "failed": True, "msg": "; ".join(wrong), "invocation": {"training": result}}

    def _find_login(self, host: str) -> tuple[Login | None, str]:
        """How rsync reaches the host, and why it cannot; the module learns for whom it has to offer the results."""
        found: dict[str, Any] = {}
        login = None
        with failing(found, self._task.args):
            local = self._connection.transport == "local"
            login = None if local else login_of(self._connection, self._play_context, host)
            self._task.args["connecting_uid"] = connecting_uid(str(self._connection.transport), login, host)
        return login, str(found.get("msg") or "")
