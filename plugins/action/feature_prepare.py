# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name; where nothing is left to do, the report and the verdict come with its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.trainprep.features.plugins.plugin_utils._report.tell import (
    REPORT_SPEC,
    check_report_dir,
    is_due_to_nothing,
    tell,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import OneOf, Schema
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_action import FeatureAction
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import STATUS, STEPS
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import (
    check_role_arguments,
    prepare_check,
)

ROLE = "prepare_features"
# Now, in the main process: each host's worker would make them anew.
prepare_check(ROLE)
_REPORT = ArgumentSpecValidator(REPORT_SPEC)


class ActionModule(FeatureAction):
    """The action behind M(trainprep.features.feature_prepare)."""

    module = "feature_prepare"
    more: ClassVar[Mapping[str, Schema]] = {"found_status": STATUS, "due": [STEPS], "step": OneOf("link", "publish")}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result, and C(reported): whether all was told that there is to tell."""
        role = getattr(self._task, "_role", None)
        if role is not None and role.get_name() == f"trainprep.features.{ROLE}":
            check_role_arguments(ROLE, task_vars or {}, self._templar)
        given = {name: self._task.args[name] for name in REPORT_SPEC if name in self._task.args}
        checked = _REPORT.validate(given)
        if checked.error_messages:
            return {"failed": True, "msg": f"feature_prepare: {checked.error_messages[0]}"}
        options = checked.validated_parameters
        check_report_dir(options["report_dir"])
        # The host has no use for it, and it may be long.
        done = dict(self._task.args.pop("done", None) or {})
        result = super().run(tmp, task_vars)
        facts, check_mode = result.get("ansible_facts") or {}, bool(self._task.check_mode)
        result["reported"] = not result.get("failed") and is_due_to_nothing(facts, options, check_mode)
        if result["reported"]:
            host = str((task_vars or {}).get("inventory_hostname", "host"))
            step = "publish" if result["step"] == "publish" else "links"
            done[step] = [done.get(step), result]
            result.update(tell(host, facts, done, options, check_mode))
        return result
