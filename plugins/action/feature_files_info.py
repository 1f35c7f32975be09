# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module of this name and print its report."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.module_utils.errors import naming
from ansible_collections.trainprep.features.plugins.plugin_utils._report.files_found import report, sets_block
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import plain
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import DESCRIPTIONS
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import ModuleAction

display = Display()


class ActionModule(ModuleAction):
    module = "feature_files_info"
    answer = DESCRIPTIONS

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._task.args.get("paths"):
            msg = "no directory to scan was named: -e describe_paths=/home/ubuntu,/mnt (option paths of the module feature_files_info)"
            return {"failed": True, "msg": msg}
        result = super().run(tmp, task_vars)
        if "groups" in result:
            with naming(self._task.args):
                result["text"] = sets_block(result["groups"])
            result["report"] = [*report(result), *result["text"].splitlines()]
            # One call, so that the lines of hosts that run concurrently do not mix. No indent: the block is for pasting.
            host = str((task_vars or {}).get("inventory_hostname", "host"))
            display.display("\n".join([f"{host}:", *map(plain, result["report"])]))
        return result
