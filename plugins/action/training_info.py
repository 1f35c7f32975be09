# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name, and checks its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.trainprep.features.plugins.plugin_utils.answers import PLAIN, Maybe, Schema
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import ModuleAction

_PARTS = (
    *("session", "process", "run", "runs", "log", "progress", "history", "checkpoint", "gpus", "gpu_problem", "memory", "disk", "features"),
)


class ActionModule(ModuleAction):
    """The action behind M(trainprep.features.training_info)."""

    module = "training_info"
    answer: ClassVar[Mapping[str, Schema]] = {
        **dict.fromkeys(("state", "outcome", "sentence", "user", "directory"), Maybe(str)),
        **dict.fromkeys(_PARTS, Maybe(PLAIN)),
        "healthy": bool,
    }
