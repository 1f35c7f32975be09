# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the health check of one host. Runs on the controller alone: no connection, no remote execution."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.plugin_utils._report.marker import TRAININGS, deaf
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import health_lines

display = Display()

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "training": {"type": "dict", "required": True},
    "title": {"type": "str", "default": "ATTN-CRNN TRAINING HEALTH CHECK"},
    "label": {"type": "str", "default": "WAV2VEC"},
    "fail": {"type": "bool", "default": True},
    "report_dir": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """The action behind M(trainprep.features.training_health)."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Prints the lines once; fails where the verdict is not a healthy one."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        problem = deaf("monitor_training_report_dir", options["report_dir"], TRAININGS)
        if problem:
            raise AnsibleActionFail(problem)
        training = options["training"]
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        lines = health_lines(host, training, options["title"], options["label"])
        # One call, so that the checks of hosts that are looked at side by side do not mix.
        display.display("\n".join(lines))
        result.update(changed=False, state=training["state"], healthy=training["healthy"], report_dir=options["report_dir"])
        if options["fail"] and not training["healthy"]:
            # Without the lines, which Ansible would print once more, as JSON.
            result.update(failed=True, msg=f"the training is not healthy: {training['sentence']}")
        else:
            result["lines"] = lines
        return result
