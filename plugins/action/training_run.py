# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts or stops a training: the controller understands the options and sends the project, the module does the rest."""

import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils._training.log import visible
from ..module_utils._training.verdict import outcome_of
from ..module_utils.errors import FeatureError, named
from ..plugin_utils._training.order import UNDERSTOOD, ParsedOrder, add_features, read_order
from ..plugin_utils._training.project import Project, manifest_of, pack_project
from ..plugin_utils.answers import LINES, Maybe, Schema
from ..plugin_utils.module_action import failing, run_module
from ..plugin_utils.role_arguments import warn_of_misspelt

ANSWER: Mapping[str, Schema] = {
    **dict.fromkeys(("message", "directory", "user", "run", "socket"), str),
    "live": bool,
    "command_line": LINES,
    "pid": Maybe(int),
    "changes": [str],
    "missing": [int],
    "old_runs": {"removed": int, "kept": [str], "error": str},
    "settled": {
        **dict.fromkeys(("ended", "again"), bool),
        **dict.fromkeys(("exit_code", "signal"), Maybe(int)),
        "error": Maybe(str),
        "attempts": int,
        "tail": Maybe(LINES),
    },
}
_LINES = 12  # of the log of a training that ended at once


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _task: Any

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result, with how the training did within the time that it has to settle."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments, task_vars = dict(self._task.args), task_vars or {}
        warn_of_misspelt(self._task, task_vars)
        with failing(result, arguments):
            if arguments.get("order"):
                raise FeatureError(f"{named('order')} is set by the action plugin alone: remove it")
            order, wait = read_order(arguments, task_vars), ""
            if arguments.get("features") and "record" in order.given:
                wait = add_features(order, task_vars, bool(self._task.check_mode))
            answer = self._send_project(order, order.project, task_vars) if order.project else self._ask(order, task_vars)
            result.update(conclude(answer, str(arguments.get("session") or "attn_crnn_v2"), wait))
        return result

    def _ask(self, order: ParsedOrder, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = {name: value for name, value in self._task.args.items() if name not in UNDERSTOOD}
        return run_module(self, "training_run", {**options, "order": json.dumps(order.given)}, ANSWER, task_vars)

    def _send_project(self, order: ParsedOrder, project: Project, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask whether there is anything to start, and which files the host lacks; send these, and start."""
        manifest, shell = manifest_of(project), self._connection._shell
        order.given["manifest"] = json.dumps(manifest)
        planned = self._ask_in_check_mode(order, task_vars)
        if self._task.check_mode or planned.get("failed") or not planned.get("changed"):
            return planned
        # The module finds it in the archive.
        order.given["manifest"] = "{}"
        with tempfile.TemporaryDirectory(prefix="project-") as folder:
            archive = os.path.join(folder, "project.tar.gz")
            pack_project(project, manifest, planned.get("missing") or [], archive)
            if not shell.tmpdir:
                self._make_tmp_path()
            order.given["archive"] = remote = shell.join_path(shell.tmpdir, "project.tar.gz")
            self._transfer_file(archive, remote)
            self._fixup_perms2((shell.tmpdir, remote))
        return self._ask(order, task_vars)

    def _ask_in_check_mode(self, order: ParsedOrder, task_vars: dict[str, Any]) -> dict[str, Any]:
        task = self._task
        self._task = task.copy()
        self._task.check_mode = True
        try:
            return self._ask(order, task_vars)
        finally:
            self._task = task


def conclude(answer: Mapping[str, Any], session: str, wait: str = "") -> dict[str, Any]:
    """Return the task's result. wait: why the run would start nothing, in check mode."""
    result = dict(answer)
    if result.get("failed") or "message" not in result:
        return result
    old, settled = result.pop("old_runs", {}), result.pop("settled", {})
    result.pop("missing", None)
    socket = result.pop("socket", "")
    warnings = list(result.get("warnings") or [])
    folder = os.path.dirname(str(result.get("run", "")))
    if old.get("error"):
        warnings.append(f"an old run in {folder} cannot be removed ({old['error']}): remove it by hand")
    if old.get("kept"):
        warnings.append(
            f"run {old['kept'][0]} in {folder} and {len(old['kept']) - 1} more are older than those to keep, but hold files of their"
            " training: move what you need, then remove them"
        )
    result.update(removed=int(old.get("removed") or 0), warnings=warnings)
    result["attach"] = f"tmux {f'-L {socket} ' if socket else ''}attach -t {session}"
    if wait:
        result.update(changed=False, message=f"{wait} (only predicted in check mode)")
    if not settled:
        return result
    how = outcome_of(settled.get("exit_code"), settled.get("signal")) + (f" ({settled['error']})" if settled.get("error") else "")
    if not settled.get("ended") and not settled.get("again"):
        result.update(failed=True, msg=f"the launcher was killed after an attempt that ended with {how}: deploy again")
    elif not settled.get("ended"):
        result["message"] += f"; attempt {settled['attempts']} ended with {how}, and the training was started again"
    elif settled.get("exit_code") == 0:
        result["message"] += ", and has succeeded (exit code 0)"
    else:
        lines = [line for line in map(visible, str(settled.get("tail") or "").split("\n")) if line][-_LINES:]
        shown = "".join(f"\n  {line[:400]}" for line in lines) or " it is empty"
        attempts = f" in {settled['attempts']} attempts" if settled.get("attempts", 1) > 1 else ""
        result.update(failed=True, msg=f"the training ended at once{attempts} with {how}: {result['run']}/training.log ends with:{shown}")
    return result
