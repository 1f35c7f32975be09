# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name, and prints what it says of the host in lines that can be copied."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import ModuleAction

display = Display()


class ActionModule(ModuleAction):
    """The action behind M(trainprep.features.feature_describe)."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        result = super().run(tmp, task_vars)
        if result.get("report"):
            # One call, so that what is said of hosts that run side by side does not mix.
            host = str((task_vars or {}).get("inventory_hostname", "host"))
            display.display("\n".join([f"{host}:", *(f"  {line}" for line in result["report"])]))
        return result
