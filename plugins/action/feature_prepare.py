# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name; the role's variables are checked before."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.trainprep.features.plugins.plugin_utils._report.fleet import HostRecord
from ansible_collections.trainprep.features.plugins.plugin_utils._report.gathered import add_host
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import Schema
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_action import FeatureAction
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import STATUS, STEPS
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import (
    check_role_arguments,
    prepare_check,
)

ROLE = "prepare_features"
# Now, in the main process: otherwise the worker of each host would do it.
prepare_check(ROLE)


class ActionModule(FeatureAction):
    module = "feature_prepare"
    more: ClassVar[Mapping[str, Schema]] = {"found_status": STATUS, "steps": [STEPS]}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        role = getattr(self._task, "_role", None)
        if role is None or role.get_name() != f"trainprep.features.{ROLE}":
            return super().run(tmp, task_vars)
        try:
            check_role_arguments(ROLE, task_vars or {}, self._templar)
            result = super().run(tmp, task_vars)
        except AnsibleConnectionFailure as error:
            self._note(HostRecord(unreachable=str(error)), task_vars or {})
            raise
        if result.get("failed"):
            record = HostRecord(failure=str(result.get("msg")), broke=True, changed=bool(result.get("changed")))
            record.facts = result.get("ansible_facts") or {}
            self._note(record, task_vars or {})
        return result

    def _note(self, record: HostRecord, task_vars: dict[str, Any]) -> None:
        """Add a host that does not reach the role's report to the report of the fleet."""
        directory = str(self._templar.template(task_vars.get("prepare_features_report_dir", "")))
        with contextlib.suppress(OSError):
            add_host(directory, task_vars["inventory_hostname"], record, self._task.check_mode, str(task_vars.get("ansible_play_name", "")))
