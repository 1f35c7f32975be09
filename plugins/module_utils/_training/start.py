# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a training in a detached tmux session, or leave the live one alone.

All of it runs as the training user: everything in the working directory belongs to that user.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from .. import errors
from .._system import accounts
from . import folder, tmux
from .command import check_script, check_session, show_command
from .environment import PATH, check_program, find_interpreter, find_python, find_virtualenv, login_environment
from .runs import ENVIRONMENT, LAUNCHER, RECORD, RunState, observe, runs_of, working_directory
from .session import find_server, launch, stop


@dataclass(frozen=True)
class Order:
    """What to run. C(script) and C(launcher) are contents; C(facts) goes into the record as it is.

    C(command) and C(on_end) are started as they are; C(programs) are to be found, by the variables that name them, and
    C(shown) is the command for people. C(environment) is configured and stands in no record. C(login) is the
    environment of a login, once it is known, and C(prefix) goes before a command that starts a tmux server.
    """

    directory: str
    session: str
    script_name: str
    script: str
    launcher: str
    arguments: Tuple[str, ...] = ()
    command: Tuple[str, ...] = ()
    shown: str = ""
    on_end: Tuple[str, ...] = ()
    programs: Dict[str, str] = field(default_factory=dict)
    virtualenv: str = ""
    variables: Dict[str, str] = field(default_factory=dict)
    environment: Dict[str, Any] = field(default_factory=dict)
    restart: bool = False
    grace: float = 30.0
    keep_runs: int = 20
    ready_for: str = ""
    facts: Dict[str, Any] = field(default_factory=dict)
    tree: str = ""  # the staged project, in which the script is then
    login: Optional[Dict[str, str]] = None
    prefix: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What was found for an order on this host, before anything is changed."""

    directory: str
    login: Dict[str, str]
    virtualenv: str
    interpreter: str
    command: Tuple[str, ...]
    command_line: str
    warnings: List[str]


def plan_start(account: accounts.Account, order: Order) -> Plan:
    """The plan for an order; every error that is the user's ends here."""
    check_session(order.session)
    if order.ready_for and order.ready_for != account.name:
        raise errors.FeatureError(
            f"the features were made ready for user {order.ready_for}, but {account.name} is to train:"
            f" set {errors.named('ready_for')} and {errors.named('user')} to one account"
        )
    if order.keep_runs < 1:
        raise errors.FeatureError(f"{errors.named('keep_runs')} is {order.keep_runs}: keep 1 ended run at least")
    directory = working_directory(order.directory, account)
    virtualenv = find_virtualenv(order.virtualenv, account)
    tmux.find_tmux()
    interpreter = find_interpreter(account, virtualenv)
    login, warning = (order.login, "") if order.login else login_environment(account, interpreter, order.launcher)
    path = str(order.environment.get("PATH") or login.get("PATH") or PATH)
    if virtualenv:
        path = f"{virtualenv}/bin:{path}"
    for variable, program in order.programs.items():
        check_program(program, variable, path, account)
    command = order.command
    if not command:
        python = find_python(virtualenv, login, account)
        script = order.script_name if order.tree else os.path.join("scripts", check_script(order.script_name))
        command = (python, "-u", script, *order.arguments)
    shown = order.shown or show_command(command)
    return Plan(directory, login, virtualenv, interpreter, command, shown, [warning] if warning else [])


def start(account: accounts.Account, order: Order, check: bool) -> Dict[str, Any]:
    """Start the training, unless one is live. Returns the module's result.

    With check nothing is changed, and the result has what the start itself is to be given: C(login), and C(server), the
    process of the tmux server that is there already.
    """
    plan = plan_start(account, order)
    directory, runs = plan.directory, runs_of(plan.directory, order.session)
    if not check or os.path.isdir(runs):
        folders = [directory, *(os.path.join(directory, name) for name in ("scripts", "checkpoints")), runs]
        folder.make_directories(account, folders, check)
    lock = folder.lock_runs(runs, check)
    try:
        run_state = observe(account, directory, order.session)
        answer = _answer(run_state, order, plan, account)
        if check:
            return {**answer, "login": plan.login, "server": find_server(account, plan.login)}
        if not answer["changed"]:
            return answer
        if run_state.session.active or run_state.alive:
            stop(account, run_state, order.session, order.grace)
        if order.script_name and not order.tree:
            folder.write_file(os.path.join(directory, "scripts", order.script_name), order.script, 0o755)
        run = folder.new_run(runs, _files(account, order, plan), order.tree)
        answer.update(launch(account, order.session, run, plan.interpreter, plan.login, order.prefix))
        return answer
    finally:
        if lock is not None:
            os.close(lock)


def _files(account: accounts.Account, order: Order, plan: Plan) -> Dict[str, Tuple[str, int]]:
    """What a run's folder holds before it starts."""
    record = {
        "format": 1,
        "session": order.session,
        "user": account.name,
        "directory": plan.directory,
        "cwd": folder.PROJECT if order.tree else plan.directory,
        "virtualenv": plan.virtualenv,
        "command": plan.command,
        "command_line": plan.command_line,
        "variables": order.variables,
        "on_end": order.on_end,
        "keep_runs": order.keep_runs,
        "script_sha256": hashlib.sha256(order.script.encode("utf-8", "surrogateescape")).hexdigest(),
        "deployed": time.time(),
    }
    record.update(order.facts)
    # A profile or an environment may export what is nobody else's business.
    environment = {"login": plan.login, "configured": order.environment}
    return {
        RECORD: (json.dumps(record, indent=1, sort_keys=True) + "\n", 0o644),
        ENVIRONMENT: (json.dumps(environment, indent=1, sort_keys=True) + "\n", 0o600),
        LAUNCHER: (order.launcher, 0o700),
    }


def _answer(run_state: RunState, order: Order, plan: Plan, account: accounts.Account) -> Dict[str, Any]:
    """What is to be done, decided before anything is; in check mode this is the whole result."""
    live, where = run_state.first, f"tmux session '{order.session}'"
    answer: Dict[str, Any] = {
        "changed": True,
        "live": run_state.alive,
        "directory": plan.directory,
        "user": account.name,
        "command_line": plan.command_line,
        "run": run_state.run.path if run_state.run and run_state.alive else "",
        "pid": live.pid if live else None,
        "warnings": list(plan.warnings),
    }
    if run_state.alive and not order.restart:
        answer["changed"] = False
        answer["message"] = (
            f"{'a training' if run_state.process else 'something'} is live in {where}"
            f" (process {live.pid if live else '?'}) and was left alone: set {errors.named('restart')}=true to replace it"
        )
        return answer
    if run_state.session.active and not order.restart and _has_shell(run_state):
        raise errors.FeatureError(
            f"{where} is in use by a shell, but no training runs in it: end it"
            f" (tmux kill-session -t {order.session}) or set {errors.named('restart')}=true"
        )
    answer["message"] = f"{'replaced the live training' if run_state.alive else 'started'} in {where}"
    header = f"training in session {order.session}"
    answer["diff"] = {
        "before_header": header,
        "after_header": header,
        "before": (f"process {live.pid} in {answer['run'] or 'a run without record'}\n" if live else "not running\n"),
        "after": f"in {plan.directory}: {plan.command_line}\n",
    }
    return answer


def _has_shell(run_state: RunState) -> bool:
    panes = (tmux.read_process(pid) for pid in run_state.session.panes)
    return any(process is not None and process.alive and process.is_shell for process in panes)
