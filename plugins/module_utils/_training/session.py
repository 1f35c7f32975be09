# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's session: its launcher started in one, and all that lives in one ended. As the training user."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import errors
from .._system import accounts, paths
from . import runs, tmux

_LAUNCH_PATIENCE = 60.0  # seconds until the launcher has to have recorded its start


def find_server(account: accounts.Account, login: Mapping[str, str]) -> Optional[int]:
    """The process of the tmux server on which a new session of this login would be."""
    code, text = tmux.tmux(account, ["display-message", "-p", "#{pid}"], environment=login)
    return int(text) if code == 0 and text.isdigit() else None


def launch(
    account: accounts.Account, session: str, run: str, interpreter: str, login: Mapping[str, str], prefix: Sequence[str]
) -> Dict[str, Any]:
    """Start the launcher in its session and wait until it has recorded the training's process.

    C(login): the environment of a login, which says where the user's server is. C(prefix) goes before the command.
    """
    launcher = os.path.join(run, runs.LAUNCHER)
    code, text = tmux.tmux(
        account,
        [
            *("new-session", "-d", "-s", session, "-c", login["HOME"]),
            # A server hands on the environment of whoever started it: of that the launcher sees nothing.
            *(shutil.which("env") or "/usr/bin/env", "-i", interpreter, "-I", launcher),
            # Nobody is attached, which the user's configuration may take for the end.
            *(";", "set-option", "-t", f"={session}:", "destroy-unattached", "off"),
            *(";", "set-option", "-s", "exit-unattached", "off"),
        ],
        environment=login,
        prefix=prefix,
    )
    if code:
        raise errors.FeatureError(
            f"tmux could not start session '{session}' ({paths.display(text)}): start one by hand as {account.name} to see why"
        )
    deadline = time.monotonic() + _LAUNCH_PATIENCE
    while time.monotonic() < deadline:
        state = runs.read_json(os.path.join(run, runs.STATE))
        if "trainer" in state or "ended" in state:
            trainer = state.get("trainer") or {}
            return {"run": run, "pid": trainer.get("pid"), "old_runs": state.get("old_runs") or {}}
        time.sleep(0.05)
    raise errors.FeatureError(
        f"the launcher in {paths.display(run)} did not start within {_LAUNCH_PATIENCE:.0f} s: run it by hand as {account.name} to see why"
    )


def stop(account: accounts.Account, run_state: runs.RunState, session: str, grace: float) -> None:
    """End what lives in the session: asked first, killed after the grace, and the session with it."""
    processes = tmux.all_processes()
    tree = tmux.below(processes, [process.pid for process in (run_state.launcher, run_state.trainer) if process])
    foreign: List[tmux.Process] = list(run_state.others)
    if run_state.trainer:
        _signal(run_state.trainer, signal.SIGTERM)
    for process in foreign:
        _signal(process, signal.SIGTERM)
    waiting = [process for process in (run_state.trainer, *foreign) if process]
    _wait(waiting, grace)
    for process in [process for process in tree if process != run_state.launcher] + foreign:
        _signal(process, signal.SIGKILL)
    # The launcher ends by itself once it has recorded the end, and the command that is run then has ended.
    last = run_state.launcher or run_state.leaving
    _wait([last] if last else [], 10.0)
    for server in tmux.find_session(account, session).servers:
        tmux.tmux(account, ["kill-session", "-t", f"={session}"], server)
    _wait(waiting, 5.0)
    left = [process for process in waiting if tmux.is_same(tmux.read_process(process.pid), process.started)]
    if left:
        raise errors.FeatureError(
            f"process {left[0].pid} ({paths.display(left[0].name)}) of the live training does not end: end it by hand and deploy again"
        )


def _signal(process: tmux.Process, number: int) -> None:
    if tmux.is_same(tmux.read_process(process.pid), process.started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _wait(processes: Sequence[tmux.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(tmux.is_same(tmux.read_process(process.pid), process.started) for process in processes):
            return
        time.sleep(0.1)
