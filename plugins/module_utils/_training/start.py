# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a training in a detached tmux session, or leave the live one alone.

All of it runs as the training user: everything in the working directory belongs to that user.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._system.accounts import Account
from .._system.paths import display, expand_home
from ..errors import FeatureError
from .command import check_script, check_session, show_command
from .runs import LAUNCHER, RECORD, STATE, RunState, observe, read_json, runs_of, working_directory
from .tmux import Process, all_processes, below, find_session, find_tmux, is_same, read_process, tmux

_LAUNCH_PATIENCE = 60.0  # seconds until the launcher has to have recorded its start


@dataclass(frozen=True)
class Order:
    """What to run. C(script) and C(launcher) are contents; C(facts) goes into the record as it is."""

    directory: str
    session: str
    script_name: str
    script: str
    launcher: str
    arguments: Tuple[str, ...] = ()
    virtualenv: str = ""
    restart: bool = False
    grace: float = 30.0
    ready_for: str = ""
    facts: Dict[str, Any] = field(default_factory=dict)


def start(account: Account, order: Order, check: bool) -> Dict[str, Any]:
    """Start the training, unless one is live. Returns the module's result."""
    check_session(order.session)
    check_script(order.script_name)
    if order.ready_for and order.ready_for != account.name:
        raise FeatureError(
            f"the features were made ready for user {order.ready_for}, but {account.name} is to train:"
            " set prepare_features_user and deploy_training_user to one account"
        )
    directory = working_directory(order.directory, account)
    python, activate = find_python(order.virtualenv, account)
    find_tmux()
    command = [python, "-u", os.path.join("scripts", order.script_name), *order.arguments]
    runs = runs_of(directory, order.session)
    if check and not os.path.isdir(runs):
        return _answer(observe(account, directory, order.session), order, directory, command, account)
    _make_directories(account, [directory, *(os.path.join(directory, name) for name in ("scripts", "checkpoints")), runs], check)
    lock = _lock(runs, check)
    try:
        run_state = observe(account, directory, order.session)
        answer = _answer(run_state, order, directory, command, account)
        if not answer["changed"] or check:
            return answer
        if run_state.session.active or run_state.alive:
            stop(account, run_state, order.session, order.grace)
        _write_file(os.path.join(directory, "scripts", order.script_name), order.script, 0o755)
        record = {
            "format": 1,
            "session": order.session,
            "user": account.name,
            "directory": directory,
            "virtualenv": order.virtualenv,
            "activate": activate,
            "command": command,
            "command_line": show_command(command),
            "script_sha256": hashlib.sha256(order.script.encode("utf-8", "surrogateescape")).hexdigest(),
            "deployed": time.time(),
        }
        record.update(order.facts)
        run = _new_run(runs, json.dumps(record, indent=1, sort_keys=True) + "\n", order.launcher)
        answer.update(_launch(account, order.session, directory, run))
        return answer
    finally:
        if lock is not None:
            os.close(lock)


def _answer(run_state: RunState, order: Order, directory: str, command: Sequence[str], account: Account) -> Dict[str, Any]:
    """What is to be done, decided before anything is; in check mode this is the whole result."""
    live = run_state.first
    answer: Dict[str, Any] = {
        "changed": True,
        "live": run_state.alive,
        "directory": directory,
        "user": account.name,
        "command_line": show_command(command),
        "run": run_state.run.path if run_state.run and run_state.alive else "",
        "pid": live.pid if live else None,
    }
    if run_state.alive and not order.restart:
        answer["changed"] = False
        answer["message"] = (
            f"{'a training' if run_state.process else 'something'} is live in tmux session '{order.session}'"
            f" (process {live.pid if live else '?'}) and was left alone: set deploy_training_restart=true to replace it"
        )
        return answer
    if run_state.session.active and not run_state.alive and not order.restart and _has_shell(run_state):
        raise FeatureError(
            f"tmux session '{order.session}' is in use by a shell, but no training runs in it: end it"
            f" (tmux kill-session -t {order.session}) or set deploy_training_restart=true"
        )
    answer["message"] = f"started in tmux session '{order.session}'"
    if run_state.alive:
        answer["message"] = f"replaced the live training in tmux session '{order.session}'"
    answer["diff"] = {
        "before_header": f"training in session {order.session}",
        "after_header": f"training in session {order.session}",
        "before": (f"process {live.pid} in {answer['run'] or 'a run without record'}\n" if live else "not running\n"),
        "after": f"in {directory}: {show_command(command)}\n",
    }
    return answer


def _has_shell(run_state: RunState) -> bool:
    panes = (read_process(pid) for pid in run_state.session.panes)
    return any(process is not None and process.alive and process.is_shell for process in panes)


def find_python(virtualenv: str, account: Account) -> Tuple[str, Optional[str]]:
    """The interpreter of the training, and the script that activates its environment where there is one."""
    if not virtualenv:
        found = shutil.which("python3", path=(os.environ.get("PATH") or "") + ":/usr/local/bin:/usr/bin:/bin")
        if not found:
            raise FeatureError("this host has no python3: install it, or set deploy_training_virtualenv")
        return found, None
    path = expand_home(virtualenv, account.home)
    python, activate = os.path.join(path, "bin", "python"), os.path.join(path, "bin", "activate")
    advice = "create it, or set deploy_training_virtualenv (empty: the host's python3)"
    if not os.path.isdir(path):
        raise FeatureError(f"the virtual environment {display(path)} is not there for user {account.name}: {advice}")
    if not os.access(python, os.X_OK):
        raise FeatureError(
            f"the virtual environment {display(path)} has no bin/python that user {account.name} may run: {advice}"
        )
    return python, activate if os.access(activate, os.R_OK) else None


def _make_directories(account: Account, paths: Sequence[str], check: bool) -> None:
    for path in paths:
        if check or os.path.isdir(path):
            continue
        try:
            os.makedirs(path, 0o755, exist_ok=True)
        except OSError as error:
            raise FeatureError(
                f"{display(path)} cannot be made by user {account.name} ({error.strerror}):"
                " create it for that user, or set deploy_training_dir"
            ) from None
    for path in paths:
        if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK):
            raise FeatureError(
                f"{display(path)} is not writable for user {account.name}: give it to that user, or set deploy_training_dir"
            )


def _lock(runs: str, check: bool) -> Optional[int]:
    if check:
        return None
    handle = os.open(os.path.join(runs, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise FeatureError(f"another deploy is at work in {display(runs)}: wait for it to end") from None
    return handle


def _write_file(path: str, content: str, mode: int) -> None:
    """Write whole, then put in place. One that is the same already is left as it is."""
    data = content.encode("utf-8", "surrogateescape")
    try:
        with open(path, "rb") as old:
            if old.read() == data and (os.fstat(old.fileno()).st_mode & 0o777) == mode:
                return
    except OSError:
        pass
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
        raise FeatureError(f"{display(path)} cannot be written ({error.strerror}): free or repair that place") from None


def _new_run(runs: str, record: str, launcher: str) -> str:
    """The folder of a new run, which gets its name when it is whole: what a killed deploy leaves is not a run."""
    new = os.path.join(runs, ".new")
    base = os.path.join(runs, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    try:
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new, 0o755)
        _write_file(os.path.join(new, RECORD), record, 0o644)
        _write_file(os.path.join(new, LAUNCHER), launcher, 0o700)
        for number in range(1, 100):
            path = base if number == 1 else f"{base}-{number}"
            try:
                os.rename(new, path)
                return path
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    except OSError as error:
        raise FeatureError(f"{display(runs)} takes no new run ({error.strerror}): free or repair that place") from None
    raise FeatureError(f"{display(runs)} has a hundred runs of this second: wait a moment and deploy again")


def _launch(account: Account, session: str, directory: str, run: str) -> Dict[str, Any]:
    """Start the launcher in its session and wait until it has recorded the training's process."""
    launcher = os.path.join(run, LAUNCHER)
    code, text = tmux(account, ["new-session", "-d", "-s", session, "-c", directory, sys.executable, "-I", launcher])
    if code:
        raise FeatureError(f"tmux could not start session '{session}' ({display(text)}): start one by hand as {account.name} to see why")
    deadline = time.monotonic() + _LAUNCH_PATIENCE
    while time.monotonic() < deadline:
        state = read_json(os.path.join(run, STATE))
        if "trainer" in state or "ended" in state:
            trainer = state.get("trainer") or {}
            return {"run": run, "pid": trainer.get("pid")}
        time.sleep(0.05)
    raise FeatureError(
        f"the launcher in {display(run)} did not start within {_LAUNCH_PATIENCE:.0f} s: run it by hand as {account.name} to see why"
    )


def stop(account: Account, run_state: RunState, session: str, grace: float) -> None:
    """End what lives in the session: asked first, killed after the grace, and the session with it."""
    processes = all_processes()
    tree = below(processes, [process.pid for process in (run_state.launcher, run_state.trainer) if process])
    foreign: List[Process] = list(run_state.others)
    if run_state.trainer:
        _signal(run_state.trainer, signal.SIGTERM)
    for process in foreign:
        _signal(process, signal.SIGTERM)
    waiting = [process for process in (run_state.trainer, *foreign) if process]
    _wait(waiting, grace)
    for process in [process for process in tree if process != run_state.launcher] + foreign:
        _signal(process, signal.SIGKILL)
    # The launcher ends by itself once it has recorded the end.
    _wait([run_state.launcher] if run_state.launcher else [], 10.0)
    if find_session(account, session).active:
        tmux(account, ["kill-session", "-t", f"={session}"])
    _wait(waiting, 5.0)
    left = [process for process in waiting if is_same(read_process(process.pid), process.started)]
    if left:
        raise FeatureError(
            f"process {left[0].pid} ({display(left[0].name)}) of the live training does not end: end it by hand and deploy again"
        )


def _signal(process: Process, number: int) -> None:
    if is_same(read_process(process.pid), process.started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _wait(processes: Sequence[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(is_same(read_process(process.pid), process.started) for process in processes):
            return
        time.sleep(0.1)
