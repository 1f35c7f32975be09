# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run's own folder below the working directory: record, state, log.

`runs/<session>/<time>/` has C(run.json) (what was deployed), C(state.json) (written by the launcher: start, process, attempts, end),
C(training.log), the launcher, and C(environment.json), which only its user can read.
`runs/<session>/latest` is a link that the launcher sets when it starts. All of this runs as the training user.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Set, Tuple

from .. import errors
from .._system import accounts, paths
from . import tmux

RECORD, STATE, LOG, LAUNCHER, ENVIRONMENT = "run.json", "state.json", "training.log", "launcher.py", "environment.json"
MARK = "TRAINPREP_RUN"  # the variable that the launcher gives all processes of a run
LATEST = "latest"
_MAX_JSON = 4 << 20
# The training user may have written anything into a record or a state: what is of another type counts as absent.
_TYPES: Dict[str, Any] = {
    **dict.fromkeys(("started", "ended", "epoch_named"), (int, float)),
    **dict.fromkeys(("exit_code", "signal", "feature_status"), int),
    **dict.fromkeys(("boot_id", "command_line", "commit", "error", "tail"), str),
    **dict.fromkeys(("attempt", "data", "launcher", "old_runs", "stopped", "trainer"), dict),
    **dict.fromkeys(("attempts", "changes", "metrics", "outlived", "sets"), list),
    "dirty": bool,
}
_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True)
class Run:
    """A run as its folder shows it."""

    path: str
    record: Dict[str, Any] = field(default_factory=dict)
    state: Dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name: the time of the deploy."""
        return os.path.basename(self.path)

    @property
    def log(self) -> str:
        """The path of the log."""
        return os.path.join(self.path, LOG)


@dataclass(frozen=True)
class RunState:
    """The last run, its session and its processes at one time.

    C(trainer): the live process of the run; C(others): what else lives in the session and is no shell (e.g. an editor, or a training
    started by hand); C(leaving): the live launcher of an ended run; C(outlived): processes of this session's runs whose main process has
    ended.
    """

    session: tmux.Session
    run: Optional[Run]
    trainer: Optional[tmux.Process]
    launcher: Optional[tmux.Process]
    others: Tuple[tmux.Process, ...]
    leaving: Optional[tmux.Process] = None
    outlived: Tuple[tmux.Process, ...] = ()

    @property
    def alive(self) -> bool:
        """True if anything lives that a second start would disturb."""
        return bool(self.trainer or self.launcher or self.others)

    @property
    def process(self) -> Optional[tmux.Process]:
        """The process of the training. Without a recorded run, another process in the session is taken for it."""
        return self.trainer or self.launcher or (self.others[0] if self.others and not self.run else None)


def working_directory(path: str, account: accounts.Account) -> str:
    """Return the working directory, C(~) being the training user's home."""
    directory = paths.expand_home(path, account.home)
    if not directory.startswith("/"):
        raise errors.FeatureError(
            f"{errors.named('dir')} '{paths.display(path)}' is a relative path: write it from / on, or with ~ for the training user's home"
        )
    return directory


def check_session(name: str) -> str:
    """Return a session name that tmux keeps as it is and that can name a folder."""
    if not _SESSION.match(name):
        raise errors.FeatureError(f"{errors.named('session')} '{name}' cannot name a tmux session: use letters, digits, '_' and '-' only")
    return name


def runs_of(directory: str, session: str) -> str:
    """Return the folder of a session's runs."""
    return os.path.join(directory, "runs", check_session(session))


def read_json(path: str) -> Dict[str, Any]:
    """Return a small JSON object from a regular file; empty if there is none."""
    try:
        handle = os.open(path, paths.OPEN_FILE)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.FeatureError(f"{paths.display(path)} cannot be read ({error.strerror}): let the training user read it") from None
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise errors.FeatureError(f"{paths.display(path)} is not a regular file: remove it and deploy again")
        data = stream.read(_MAX_JSON)
    try:
        found = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.FeatureError(f"{paths.display(path)} is damaged: remove that run's folder, or deploy again")
    return {name: value for name, value in found.items() if _fits(value, _TYPES.get(name, object))}


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, kind) and (not isinstance(value, (int, float)) or abs(value) < 2**63)


def read_run(path: str) -> Run:
    """Return the run in this folder."""
    return Run(path, read_json(os.path.join(path, RECORD)), read_json(os.path.join(path, STATE)))


def find_run(directory: str, session: str, name: str = "") -> Optional[Run]:
    """Return the run of that name, or the last one that started; None if there is none."""
    root = runs_of(directory, session)
    try:
        name = os.path.basename(name or os.readlink(os.path.join(root, LATEST)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.FeatureError(
            f"{paths.display(os.path.join(root, LATEST))} cannot be read as a link ({error.strerror}): remove it and deploy again"
        ) from None
    path = os.path.join(root, name)
    return read_run(path) if os.path.isdir(path) else None


def observe(account: accounts.Account, directory: str, session: str, name: str = "") -> RunState:
    """Return the current state of the run."""
    run = find_run(directory, session, name)
    found = tmux.find_session(account, session)
    processes = tmux.all_processes()
    if run:
        # Read again: an end that came in between must not look like a process that vanished.
        run = Run(run.path, run.record, read_json(os.path.join(run.path, STATE)) or run.state)
    inside = tmux.below(processes, found.panes)
    trainer = launcher = leaving = None
    if run and run.state.get("boot_id", "") == tmux.boot_id() and "ended" not in run.state:
        trainer = recorded(processes, run.state.get("trainer"))
        launcher = recorded(processes, run.state.get("launcher"))
    known = {process.pid for process in tmux.below(processes, [one.pid for one in (launcher, trainer) if one])}
    others = tuple(process for process in inside if not process.is_shell and process.pid not in known)
    if run and "ended" in run.state:
        # The launcher that has written the end is on its way out, with the command it runs then: no training any more.
        leaving = recorded(processes, run.state.get("launcher"))
        gone = {process.pid for process in tmux.below(processes, [leaving.pid] if leaving else [])}
        others = tuple(process for process in others if process.pid not in gone)
    outlived = _outlived(account, directory, session, run, processes, known)
    others = tuple(process for process in others if process not in outlived)
    return RunState(found, run, trainer, launcher, others, leaving, outlived)


def _outlived(
    account: accounts.Account, directory: str, session: str, run: Optional[Run], processes: Dict[int, tmux.Process], known: Set[int]
) -> Tuple[tmux.Process, ...]:
    """Return what is left of ended or vanished runs: by their mark, or as a launcher recorded it. known: of a live run."""
    left, root = set(), os.path.realpath(runs_of(directory, session))
    for pid, path in tmux.marked(processes, account, MARK).items():
        if os.path.realpath(os.path.dirname(path)) == root and not (known and run and os.path.basename(path) == run.name):
            left.add(pid)
    if run and run.state.get("boot_id", "") == tmux.boot_id():
        found = (recorded(processes, entry) for entry in run.state.get("outlived") or [])
        left |= {one.pid for one in tmux.below(processes, [process.pid for process in found if process])}
    return tuple(processes[pid] for pid in sorted(left - known))


def recorded(processes: Dict[int, tmux.Process], entry: Any) -> Optional[tmux.Process]:
    """Return the live process that an entry of a state names."""
    if not isinstance(entry, dict):
        return None
    pid = entry.get("pid")
    process = processes.get(pid) if isinstance(pid, int) else None
    return process if tmux.is_same(process, entry.get("started", 0)) else None
