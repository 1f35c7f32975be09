# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One table, and one page, for the trainings of all hosts of a run."""

DOCUMENTATION = r"""
name: training_report
type: aggregate
short_description: One table, and one page, for the trainings of all hosts
version_added: 1.0.0
description:
  - At the end of a run that used M(trainprep.features.training_info), prints one table with every host, its verdict, epoch, best value,
    expected end, GPUs and data; hosts that need attention come first, with what is wrong. Hosts that could not be inspected are in it.
  - With O(report_dir), writes C(training.json) and the self-contained page C(training.html), which has the curves too.
  - It runs on the controller and asks the hosts nothing.
author:
  - trainprep.features contributors (@trainprep)
requirements:
  - C(trainprep.features.training_report) in C(callbacks_enabled) of C(ansible.cfg)
options:
  report_dir:
    description:
      - A directory on the controller for the two files, created where it is absent. A relative path is taken from the current
        directory.
      - The role variable C(monitor_training_report_dir) does the same, and has precedence.
    type: str
    default: ""
    env:
      - name: TRAINPREP_TRAINING_REPORT_DIR
    ini:
      - section: callback_training_report
        key: report_dir
seealso:
  - module: trainprep.features.training_info
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callbacks_enabled = trainprep.features.training_report
"""

from datetime import UTC, datetime
from typing import Any

from ansible import constants as C

from ..plugin_utils import run_id
from ..plugin_utils._report.callbacks import TRAININGS, FleetCallback, action_of, parts, width
from ..plugin_utils._training.fleet import ACTIONS, Trainings, document

_COLOURS = {
    **dict.fromkeys(("running", "succeeded", "stopped"), C.COLOR_OK),
    **dict.fromkeys(("failed", "killed", "vanished", "stuck", "unknown"), C.COLOR_ERROR),
    "unreachable": C.COLOR_UNREACHABLE,
    "never started": C.COLOR_SKIP,
}


class CallbackModule(FleetCallback):
    CALLBACK_NAME = TRAININGS
    variable = "monitor_training_report_dir"
    actions = ACTIONS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trainings = Trainings()

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._is_ours(result):
            host, task, values = parts(result)
            self._trainings.saw(host, action_of(task), values)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if self._is_ours(result):
            host, task, values = parts(result)
            self._trainings.failed(host, action_of(task), values)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._is_ours(result):
            host, _task, values = parts(result)
            self._trainings.lost(host, values)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._trainings.hosts:
            return
        # Here, since Ansible loads the callback in every run, and seldom for a training.
        from ..plugin_utils._training.files import write_training
        from ..plugin_utils._training.text import training_table

        report = document(self._trainings, self._playbook, datetime.now(UTC), run_id.run_id())
        self._show("TRAININGS", training_table(report, width()), _COLOURS)
        self._write(self._trainings.report_dir, write_training, report)
