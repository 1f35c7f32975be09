# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report for all hosts of a run, after Ansible's own recap."""

DOCUMENTATION = r"""
name: feature_report
type: aggregate
short_description: One table and one page for the features of all hosts
version_added: 1.0.0
description:
  - At the end of a run that used M(trainprep.features.feature_facts), prints one table with every host and set, what was found
    and done, and what blocks. It includes hosts that failed or could not be reached, with their message.
  - With O(report_dir), also writes C(report.json) and the self-contained page C(report.html) there.
  - It runs on the controller and does not contact the hosts.
author:
  - trainprep.features contributors (@trainprep)
requirements:
  - C(trainprep.features.feature_report) in C(callbacks_enabled) of C(ansible.cfg)
options:
  report_dir:
    description:
      - A directory on the controller for C(report.json) and C(report.html), created if it is absent. A relative path
        is relative to the current directory.
      - The role variable C(prepare_features_report_dir) does the same, and has precedence.
    type: str
    default: ""
    env:
      - name: TRAINPREP_FEATURES_REPORT_DIR
    ini:
      - section: callback_feature_report
        key: report_dir
seealso:
  - module: trainprep.features.feature_report
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callbacks_enabled = trainprep.features.feature_report
#
# [callback_feature_report]
# report_dir = reports
"""

from datetime import UTC, datetime
from typing import Any

from ansible import constants as C

from ..plugin_utils import run_id
from ..plugin_utils._report.callbacks import FEATURES, FleetCallback, action_of, parts, width
from ..plugin_utils._report.files import write_report
from ..plugin_utils._report.fleet import ACTIONS, Fleet, document
from ..plugin_utils._report.table import fleet_table

_COLOURS = {
    "ready": C.COLOR_OK,
    "would_be_ready": C.COLOR_CHANGED,
    "done": C.COLOR_OK,
    "not_ready": C.COLOR_ERROR,
    "failed": C.COLOR_ERROR,
    "unreachable": C.COLOR_UNREACHABLE,
    "not_looked_at": C.COLOR_SKIP,
}


class CallbackModule(FleetCallback):
    CALLBACK_NAME = FEATURES
    variable = "prepare_features_report_dir"
    actions = ACTIONS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleet = Fleet()
        self._used = False

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note that the run uses the collection, and if it is in check mode, also if every host fails or is unreachable."""
        if action_of(task) in ACTIONS:
            self._used = True
            self._fleet.check_mode = self._fleet.check_mode or bool(task.check_mode)

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._is_ours(result):
            host, task, values = parts(result)
            self._fleet.saw(host, action_of(task), values)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if ignore_errors:
            return
        self._is_ours(result)
        host, task, values = parts(result)
        self._fleet.failed(host, action_of(task), task.get_name(), values)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        host, task, values = parts(result)
        if getattr(task, "ignore_unreachable", False):
            return
        self._is_ours(result)
        self._fleet.lost(host, values)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the table and write the files. Ansible prints its own recap first."""
        if not self._used or not self._fleet.hosts:
            return
        for host, record in self._fleet.hosts.items():
            summary = stats.summarize(host)
            if summary["rescued"] and not summary["failures"]:
                self._fleet.rescued(host)
            record.changed = record.changed or bool(summary["changed"])
        generated = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        report = document(self._fleet, self._playbook, generated, run_id.run_id())
        self._show("FEATURES", fleet_table(report, width()), _COLOURS)
        self._write(self._fleet.report_dir, write_report, report)
