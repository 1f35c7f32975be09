# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's session: start its launcher in one, and end all that lives in one. As the training user."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from typing import Any, Callable, Dict, Mapping, Sequence

from .. import errors
from .._system import accounts, paths
from . import folder, runs, tmux

_LAUNCH_TIMEOUT = 60.0  # seconds until the launcher has to have recorded its start
_STOP_MARGIN = 15.0  # seconds beyond the grace period in which the launcher has to end what it started
STOP = "stop.json"


def launch(account: accounts.Account, session: str, run: str, plan: Mapping[str, Any], prefix: Sequence[str]) -> None:
    """Start the launcher in its session and wait until it has recorded the training's process. prefix: goes before the command."""
    login = plan["login"]  # its environment says where the user's server is
    words = [
        *(("-L", plan["socket"]) if plan["socket"] else ()),
        *("new-session", "-d", "-s", session, "-c", login["HOME"]),
        # A server hands on the environment of whoever started it: of that the launcher sees nothing.
        *(shutil.which("env") or "/usr/bin/env", "-i", plan["interpreter"], "-I", os.path.join(run, runs.LAUNCHER)),
        # No client is attached, which the user's configuration may take for the end.
        *(";", "set-option", "-t", f"={session}:", "destroy-unattached", "off"),
        *(";", "set-option", "-s", "exit-unattached", "off"),
    ]
    code, text = tmux.tmux(account, words, environment=login, prefix=prefix)
    if code:
        raise errors.FeatureError(
            f"tmux could not start session '{session}' ({paths.display(text)}): start one by hand as {account.name} to see why"
        )
    if not _state_of(run, lambda state: "trainer" in state or "ended" in state, _LAUNCH_TIMEOUT):
        raise errors.FeatureError(
            f"the launcher in {paths.display(run)} did not start within {_LAUNCH_TIMEOUT:.0f} s: run it by hand as {account.name}"
        )


def settle(run: str, seconds: float) -> Dict[str, Any]:
    """Return a run's state once it has ended, or its present attempt has lived that long."""
    retries = int(runs.read_json(os.path.join(run, runs.RECORD)).get("retries") or 0)

    def settled(state: Dict[str, Any]) -> bool:
        attempt, last = state.get("attempt") or {}, (state.get("attempts") or [{}])[-1]
        lives = int(last.get("number") or 0) < int(attempt.get("number") or 0)
        return "ended" in state or (lives and time.time() - float(attempt.get("started") or 0) >= seconds)

    return _state_of(run, settled, (retries + 1) * (seconds + _LAUNCH_TIMEOUT)) or runs.read_json(os.path.join(run, runs.STATE))


def _state_of(run: str, wanted: Callable[[Dict[str, Any]], bool], seconds: float) -> Dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = runs.read_json(os.path.join(run, runs.STATE))
        if wanted(state):
            return state
        time.sleep(0.05)
    return {}


def stop(account: accounts.Account, run_state: runs.RunState, order: Mapping[str, Any], why: str) -> None:
    """End what lives in the session, with all that it started: asked first, killed after the grace period; and the session with it.

    The launcher does that and records it; it goes on if this process is killed. What it does not end is ended here.
    """
    run, launcher, grace, by = run_state.run, run_state.launcher, order["grace"], order["by"]
    tree = tmux.below(tmux.all_processes(), [one.pid for one in (launcher, run_state.trainer) if one])
    mine = [process for process in tree if process != launcher]
    if run and launcher:
        request = {"by": by, "why": why, "grace": grace, "at": time.time()}
        folder.write_file(os.path.join(run.path, STOP), json.dumps(request) + "\n", 0o644)
        _signal(launcher, signal.SIGTERM)
    elif run_state.trainer:
        _signal(run_state.trainer, signal.SIGTERM)
    foreign = [*run_state.others, *run_state.outlived]
    for process in foreign:
        _signal(process, signal.SIGTERM)
    _wait(mine, grace + (_STOP_MARGIN if launcher else 0.0), foreign, grace)
    for process in [*mine, *foreign]:
        _signal(process, signal.SIGKILL)
    # The launcher ends by itself once it has recorded the end, and the command that is run then has ended.
    last = launcher or run_state.leaving
    _wait([last] if last else [], 10.0)
    for server in tmux.find_session(account, order["session"]).servers:
        tmux.tmux(account, ["kill-session", "-t", f"={order['session']}"], server)
    _wait([*mine, *foreign], 5.0)
    left = [process for process in (*mine, *foreign) if _lives(process)]
    if left:
        raise errors.FeatureError(
            f"process {left[0].pid} ({paths.display(left[0].name)}) of the live training does not end: end it by hand and run again"
        )
    if run and (launcher or run_state.trainer):
        _record_end(run, by, why)


def _record_end(run: runs.Run, by: str, why: str) -> None:
    """Record the end of a run whose launcher could not."""
    path = os.path.join(run.path, runs.STATE)
    state = runs.read_json(path)
    if "ended" not in state:
        state.update(ended=time.time(), signal=int(signal.SIGKILL), stopped={"by": by, "why": why})
        folder.write_file(path, json.dumps(state, sort_keys=True) + "\n", 0o644)


def _lives(process: tmux.Process) -> bool:
    return tmux.is_same(tmux.read_process(process.pid), process.started)


def _signal(process: tmux.Process, number: int) -> None:
    if _lives(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _wait(processes: Sequence[tmux.Process], seconds: float, others: Sequence[tmux.Process] = (), shorter: float = 0.0) -> None:
    """Wait until all have ended, or until their time is over."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds and any(map(_lives, processes)):
        time.sleep(0.1)
    while time.monotonic() < begin + shorter and any(map(_lives, others)):
        time.sleep(0.1)
