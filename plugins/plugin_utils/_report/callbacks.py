# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callbacks of the fleet reports share, and how a worker knows that one of them listens.

A callback leaves its process id in the environment; workers inherit it. The id keeps an Ansible that was started from
within a run (a task that calls ansible-playbook) from taking its grandparent's callback for its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

FEATURES = "trainprep.features.feature_report"
TRAININGS = "trainprep.features.training_report"


def announce(callback: str) -> None:
    os.environ[_marker(callback)] = str(os.getpid())


def is_listening(callback: str) -> bool:
    """True if the callback is enabled in the run that this process (main or worker) belongs to."""
    return os.environ.get(_marker(callback)) in (str(os.getpid()), str(os.getppid()))


def _marker(callback: str) -> str:
    return "_" + callback.upper().replace(".", "_") + "_CALLBACK"


def parts(result: Any) -> tuple[str, Any, Mapping[str, Any]]:
    return result._host.get_name(), result._task, result._result


def action_of(task: Any) -> str:
    """The task's action as a full name, also if the play used a short one."""
    return str(getattr(task, "resolved_action", None) or task.action)


class FleetCallback(CallbackBase):
    """Gathers the results of the collection's own actions; reports them once, at the end.

    C(variable): a role's variable for the directory of the report. C(actions): whose results are gathered.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NEEDS_ENABLED = True
    variable = ""
    actions: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._playbook = ""
        self._role_task: Any = None
        self._role_host: Any = None
        announce(self.CALLBACK_NAME)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._playbook = os.path.basename(str(getattr(playbook, "_file_name", "")))

    def _is_ours(self, result: Any) -> bool:
        """True for a result of one of the actions. Ansible copies the values of a result for each callback that asks for them."""
        if action_of(result._task) not in self.actions:
            return False
        if self._role_task is None:
            self._role_task, self._role_host = result._task, result._host
        return True

    def _show(self, title: str, lines: Iterable[tuple[str, str]], colours: Mapping[str, str]) -> None:
        self._display.banner(title)
        for line, outcome in lines:
            self._display.display(line, color=colours.get(outcome))

    def _write(self, directory: str, write: Callable[[str, Any], list[str]], report: Mapping[str, Any]) -> None:
        """Write the report's files. directory: as a task reported it, if one came as far."""
        directory = directory or self._from_variables() or str(self.get_option("report_dir") or "")
        if not directory:
            return
        try:
            paths = write(directory, report)
        except OSError as error:
            self._display.error(f"The report could not be written to {directory}: {error.strerror or error}.")
            return
        self._display.display("Report: " + " and ".join(paths))

    def _from_variables(self) -> str:
        """The role's variable as its task would see it, for a run in which no host came as far as the role's own report."""
        task = self._role_task
        manager = task.get_variable_manager() if hasattr(task, "get_variable_manager") else None
        if manager is None:
            return ""
        try:
            from ansible.template import Templar

            variables = manager.get_vars(play=task.play, host=self._role_host, task=task)
            return str(Templar(loader=task.get_loader(), variables=variables).template(variables.get(self.variable, "")) or "")
        except Exception as error:  # a report is no reason to end a run
            self._display.warning(f"{self.variable} could not be read: {error}")
            return ""


def width() -> int:
    return shutil.get_terminal_size((80, 24)).columns
