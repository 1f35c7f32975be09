# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run's folder, made whole, and its session: start the launcher in one, and end all that lives in one. As the training user."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import time
from typing import Any, Callable, Dict, Mapping, Sequence, Tuple

from .. import errors
from .._system import accounts, paths
from . import runs, tmux

_LAUNCH_TIMEOUT = 60.0  # seconds until the launcher has to have recorded its start
_STOP_MARGIN = 15.0  # seconds beyond the grace period in which the launcher has to end what it started
STOP = "stop.json"
PROJECT = "project"  # in a run's folder


def make_directories(account: accounts.Account, folders: Sequence[str], check: bool) -> None:
    for path in folders:
        if check or os.path.isdir(path):
            continue
        try:
            os.makedirs(path, 0o755, exist_ok=True)
        except OSError as error:
            raise errors.FeatureError(
                f"{paths.display(path)} cannot be made by user {account.name} ({error.strerror}):"
                f" create it for that user, or set {errors.named('dir')}"
            ) from None
    for path in folders:
        if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK):
            raise errors.FeatureError(
                f"{paths.display(path)} is not writable for user {account.name}: give it to that user, or set {errors.named('dir')}"
            )


def lock_runs(runs: str) -> int:
    handle = os.open(os.path.join(runs, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise errors.FeatureError(f"another deploy is at work in {paths.display(runs)}: wait for it to end") from None
    return handle


def write_file(path: str, content: str, mode: int) -> None:
    """Write a file whole, then put it in place. One that is the same already is left as it is."""
    data = content.encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError), open(path, "rb") as old:
        if old.read() == data and (os.fstat(old.fileno()).st_mode & 0o777) == mode:
            return
    # Always the same name, so that what a killed deploy left is replaced.
    new = f"{path}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, mode)
            stream.write(data)
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise errors.FeatureError(f"{paths.display(path)} cannot be written ({error.strerror}): free or repair that place") from None


def begin_run(runs: str, files: Dict[str, Tuple[str, int]]) -> str:
    """Make the folder of a new run with these files (content and mode); what a killed deploy leaves is not a run."""
    new = os.path.join(runs, ".new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new, 0o755)
    except OSError as error:
        raise _no_run(runs, error) from None
    for name, (content, mode) in files.items():
        write_file(os.path.join(new, name), content, mode)
    return new


def finish_run(new: str) -> str:
    """Give a new run's folder its name, now that it is whole."""
    runs = os.path.dirname(new)
    base = os.path.join(runs, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    for number in range(1, 100):
        path = base if number == 1 else f"{base}-{number}"
        try:
            os.rename(new, path)
            return path
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise _no_run(runs, error) from None
    raise errors.FeatureError(f"{paths.display(runs)} has a hundred runs of this second: wait a moment and deploy again")


def _no_run(runs: str, error: OSError) -> errors.FeatureError:
    return errors.FeatureError(f"{paths.display(runs)} takes no new run ({error.strerror}): free or repair that place")


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


def settle(run: str, seconds: float, retries: int) -> Dict[str, Any]:
    """Return a run's state once it has ended, or its present attempt has lived that long."""

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
        write_file(os.path.join(run.path, STOP), json.dumps(request) + "\n", 0o644)
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
        write_file(path, json.dumps(state, sort_keys=True) + "\n", 0o644)


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
