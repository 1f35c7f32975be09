# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What training_run answers, and what a task says of it: warnings, and a training that ended at once. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils._training.log import visible
from ansible_collections.trainprep.features.plugins.module_utils._training.verdict import outcome_of
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import LINES, Maybe, Schema

ANSWER: Mapping[str, Schema] = {
    "message": str,
    "live": bool,
    "directory": str,
    "user": str,
    "command_line": LINES,
    "run": str,
    "pid": Maybe(int),
    "socket": str,
    "changes": [str],
    "missing": [int],
    "old_runs": {"removed": int, "kept": [str], "error": str},
    "settled": {
        "ended": bool,
        "again": bool,
        "exit_code": Maybe(int),
        "signal": Maybe(int),
        "error": Maybe(str),
        "attempts": int,
        "tail": Maybe(LINES),
    },
}
_LINES = 12  # of the log of a training that ended at once


def conclude(answer: Mapping[str, Any], session: str, wait: str = "") -> dict[str, Any]:
    """Return the task's result. wait: why the start would have to wait, in check mode."""
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
        result["message"] = f"{wait} (only predicted in check mode)"
    if not settled:
        return result
    how = end_of(settled)
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


def end_of(settled: Mapping[str, Any]) -> str:
    """Return how a training has ended, as text."""
    return outcome_of(settled.get("exit_code"), settled.get("signal")) + (f" ({settled['error']})" if settled.get("error") else "")
