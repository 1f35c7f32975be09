# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload the features that a host lacks. The order of the work is in C(plugin_utils/_upload/upload.py)."""

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils._report.files import run_noted


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Upload what the host lacks of each set; a FeatureError is the task's failure, after what was done before."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return run_noted(self, task_vars or {}, lambda: self._run(result, task_vars or {}))

    def _run(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        # Ansible's main process loads this file in each run of the role, and would compile all formats with it.
        from ..plugin_utils._upload.upload import Upload

        return Upload(self, task_vars).run(result)
