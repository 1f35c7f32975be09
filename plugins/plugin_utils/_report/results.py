# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callbacks of the fleet reports take out of Ansible's objects, as ansible-core 2.18 and later hand them over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parts(result: Any) -> tuple[str, Any, Mapping[str, Any]]:
    return result._host.get_name(), result._task, result._result


def action_of(task: Any) -> str:
    """The task's action as a full name, also where the play used a short one."""
    return str(getattr(task, "resolved_action", None) or task.action)


def variable_of(task: Any, host: Any, name: str, display: Any) -> str:
    """A role's variable as this task would see it, for a run in which no host came as far as the role's own report."""
    manager = task.get_variable_manager() if hasattr(task, "get_variable_manager") else None
    if manager is None:
        return ""
    try:
        from ansible.template import Templar

        variables = manager.get_vars(play=task.play, host=host, task=task)
        return str(Templar(loader=task.get_loader(), variables=variables).template(variables.get(name, "")) or "")
    except Exception as error:  # a report is no reason to end a run
        display.warning(f"{name} could not be read: {error}")
        return ""
