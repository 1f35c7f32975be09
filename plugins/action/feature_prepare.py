# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name; the role's variables are checked before."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ..plugin_utils._report.files import run_noted
from ..plugin_utils.answers import Schema
from ..plugin_utils.feature_answers import PREPARED
from ..plugin_utils.module_action import FeatureAction
from ..plugin_utils.role_arguments import check_role_arguments, prepare_check, warn_of_misspelt

ROLE = "prepare_features"
# Now, in the main process: otherwise the worker of each host would do it.
prepare_check(ROLE)


class ActionModule(FeatureAction):
    module = "feature_prepare"
    more: ClassVar[Mapping[str, Schema]] = PREPARED

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        return run_noted(self, task_vars or {}, lambda: self._run(tmp, task_vars))

    def _run(self, tmp: Any, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        role = getattr(self._task, "_role", None)
        if role is not None and role.get_name() == f"trainprep.features.{ROLE}":
            warn_of_misspelt(self._task, task_vars or {})
            check_role_arguments(ROLE, task_vars or {}, self._templar)
        return super().run(tmp, task_vars)
