# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Streams a training's log in bounded chunks, each from the end of the last one."""

import time
from datetime import datetime
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._training.causes import find_cause
from ..module_utils._training.options import FOLLOW
from ..module_utils.errors import FeatureError, naming
from ..plugin_utils._training.text import with_expected_end
from ..plugin_utils.answers import LINES, Maybe, Schema
from ..plugin_utils.connecting import with_user
from ..plugin_utils.interrupts import show
from ..plugin_utils.module_action import run_module

display = Display()

# What the module returns; a text of the log has several lines.
CHUNK: dict[str, Schema] = {
    **dict.fromkeys(("state", "outcome", "sentence", "run"), str),
    **dict.fromkeys(("healthy", "over", "more"), bool),
    **dict.fromkeys(("lines", "offset"), int),
    "text": LINES,
    "age": Maybe(float),
    "expected": Maybe({"line": int, "left": float}),
    "tail": [str],
}
INTERVAL = 2.0  # seconds between two reads
PATIENCE = 600.0  # seconds for which a lost connection is retried
RETRY = 3.0  # seconds between two tries at a lost connection


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print lines until the run is over; the result is its outcome."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        crowd = crowded(task_vars)
        if crowd:
            return {**result, "failed": True, "msg": crowd}
        _validated, arguments = self.validate_argument_spec(argument_spec=FOLLOW)
        try:
            with naming(arguments):
                arguments = with_user(self, arguments)
        except FeatureError as error:
            return {**result, "failed": True, "msg": str(error)}
        host = str(task_vars.get("inventory_hostname", ""))
        prefix = f"[{host}] " if len(task_vars.get("ansible_play_hosts_all") or []) > 1 else ""

        shown, remarked = 0, False
        while True:
            chunk = self._ask(arguments, task_vars, prefix)
            if "run" not in chunk:
                return {**result, **chunk, "failed": True}
            if chunk["text"]:
                lines = with_expected_end(chunk["text"].split("\n"), chunk.get("expected"), datetime.now())
                show(display.display, "\n".join(prefix + line for line in lines))
            if chunk["tail"]:
                cause = find_cause(chunk["tail"])
                chunk["sentence"] = f"{chunk['state']} ({chunk['outcome']}{f': {cause}' if cause else ''})"
            shown += int(chunk.get("lines") or 0)
            # From here on this very run, also when another one starts meanwhile.
            arguments.update(run=chunk["run"], offset=chunk["offset"])
            if chunk["over"] and not chunk["more"]:
                break
            if not chunk["run"]:
                return {**result, "failed": True, "msg": f"{chunk['sentence']}; so there is no log to follow"}
            stale = (chunk["age"] or 0) > arguments["stale_after"]
            if stale and not remarked:
                show(display.display, f"{prefix}✗ WARNING: {chunk['sentence']}")
            remarked = stale
            if not chunk["more"]:
                time.sleep(INTERVAL)
        mark = "✓" if chunk["healthy"] else "✗"
        show(display.display, f"{prefix}{mark} last run: {chunk['sentence']}")
        result.update({name: chunk[name] for name in ("state", "healthy", "outcome", "sentence", "run")}, lines=shown, changed=False)
        if not chunk["healthy"] and arguments["fail"]:
            result.update(failed=True, msg=f"the training {chunk['sentence']}")
        return result

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Return the next chunk. A connection that is lost, or drops in the middle of an answer, is retried for a while."""
        lost_at = 0.0
        while True:
            try:
                chunk = run_module(self, "training_follow", arguments, CHUNK, task_vars)
                # Cut off in the middle, a module leaves no answer of its own, and an answer of Ansible's instead.
                if "run" in chunk or not ({"module_stdout", "unreachable"} & set(chunk)):
                    return chunk
                problem: Exception = AnsibleConnectionFailure(str(chunk.get("msg") or "the answer was cut off"))
            except AnsibleConnectionFailure as error:
                problem = error
            now = time.monotonic()
            if not lost_at:
                lost_at = now
                show(display.display, f"{prefix}✗ WARNING: connection lost, trying again; the training is not affected")
            if now - lost_at > PATIENCE:
                raise problem
            time.sleep(RETRY)
            try:
                self._connection.reset()
            except Exception as error:
                display.vv(f"{prefix}reset of the connection: {error}")


def crowded(task_vars: dict[str, Any]) -> str:
    """Return why not all hosts of the play can be shown at once; empty if they can."""
    hosts = len(task_vars.get("ansible_play_hosts") or [])
    at_once = min(int(task_vars.get("ansible_forks") or 5), len(task_vars.get("ansible_play_batch") or []) or hosts)
    if hosts <= at_once:
        return ""
    return (
        f"{hosts} hosts cannot be followed with {at_once} at a time, the others would never be shown:"
        f" use --forks {hosts}, no serial, or --limit"
    )
