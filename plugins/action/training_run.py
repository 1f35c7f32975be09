# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts or stops a training: the controller understands the options and sends the project, the module does the rest."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named
from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import (
    UNDERSTOOD,
    ParsedOrder,
    add_features,
    read_order,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._training.send import manifest_of, pack_project
from ansible_collections.trainprep.features.plugins.plugin_utils._training.started import ANSWER, conclude
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import failing, run_module
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import warn_of_misspelt


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _task: Any

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result, with how the training did within the time that it has to settle."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        warn_of_misspelt(self._task, task_vars or {})
        with failing(result, self._task.args):
            result.update(self._carry_out(dict(self._task.args), task_vars or {}))
        return result

    def _carry_out(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("order"):
            raise FeatureError(f"{named('order')} is set by the action plugin alone: remove it")
        order = read_order(arguments, task_vars)
        wait = add_features(order, task_vars, bool(self._task.check_mode)) if arguments.get("features") and "record" in order.given else ""
        answer = self._send_project(order, task_vars) if order.project else self._ask(order, task_vars)
        return conclude(answer, str(arguments.get("session") or "attn_crnn_v2"), wait)

    def _ask(self, order: ParsedOrder, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = {name: value for name, value in self._task.args.items() if name not in UNDERSTOOD}
        return run_module(self, "training_run", {**options, "order": json.dumps(order.given)}, ANSWER, task_vars)

    def _send_project(self, order: ParsedOrder, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask whether there is anything to start, and which files the host lacks; send these, and start."""
        if order.project is None:
            raise AssertionError("there is a project to send")
        manifest = manifest_of(order.project)
        order.given["manifest"] = json.dumps(manifest)
        planned = self._ask_in_check_mode(order, task_vars)
        if self._task.check_mode or planned.get("failed") or not planned.get("changed"):
            return planned
        # The module finds it in the archive.
        order.given["manifest"] = "{}"
        with tempfile.TemporaryDirectory(prefix="project-") as folder:
            archive = os.path.join(folder, "project.tar.gz")
            pack_project(order.project, manifest, planned.get("missing") or [], archive)
            self._make_sure_of_tmpdir()
            remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "project.tar.gz")
            self._transfer_file(archive, remote)
            self._fixup_perms2((self._connection._shell.tmpdir, remote))
        order.given["archive"] = remote
        return self._ask(order, task_vars)

    def _make_sure_of_tmpdir(self) -> None:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()

    def _ask_in_check_mode(self, order: ParsedOrder, task_vars: dict[str, Any]) -> dict[str, Any]:
        task = self._task
        self._task = task.copy()
        self._task.check_mode = True
        try:
            return self._ask(order, task_vars)
        finally:
            self._task = task
