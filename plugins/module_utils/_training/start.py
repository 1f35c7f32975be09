# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a training in a detached tmux session, leave a live one alone, or stop it. As the training user."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .. import errors
from .._system import accounts
from . import environment, folder, login, preflight, runs, session, tmux

STARTED, STOPPED, ABSENT = "started", "stopped", "absent"
_PASSING = 3.0  # seconds for what a training that has just ended leaves behind


class Order(NamedTuple):
    """What to do. C(options) are the module's; C(given) is what its action plugin makes of them, C(given["files"]) programs by name."""

    options: Mapping[str, Any]
    given: Mapping[str, Any]

    @property
    def session(self) -> str:
        """The name of the session."""
        return str(self.options["session"])


def plan_start(account: accounts.Account, order: Order) -> Dict[str, Any]:
    """Return what will be done, before anything is changed; in check mode C(answer) is the whole result. User errors end here."""
    options, given = order.options, order.given
    directory = _check(account, order)
    run_state = _observe(account, directory, order)
    answer = _answer(run_state, order, directory, account, planned=True)
    replaced = {process.pid for process in tmux.below(tmux.all_processes(), [one.pid for one in _all_of(run_state)])}
    found = preflight.check_host(options, given, account)
    socket, server, why = "", None, ""
    if answer["changed"]:
        preflight.check_gpus(options["require_gpus"], given["gpu_memory"], replaced)
        preflight.check_disk(directory)
        socket, server, why = login.choose_server(found["login"], account.name)
    interpreter = environment.find_interpreter(account)
    plan = {"answer": answer, "interpreter": interpreter, "directory": directory, "socket": socket, "server": server, **found}
    folders = [directory, runs.runs_of(directory, order.session)]
    folder.make_directories(account, folders, True)
    answer["socket"] = socket
    answer["warnings"] += [one for one in (found["warning"], why) if one]
    plan["command"] = given["command"] or ([] if given["text"] else [found["python"], "-u", given["script_path"], *given["arguments"]])
    answer["command_line"] = given["command_line"] or " ".join(map(shlex.quote, plan["command"]))
    if given["manifest"]:
        run = runs.find_run(directory, order.session)
        plan["before"] = os.path.join(run.path, folder.PROJECT) if run else ""
        source = given["files"]["unpack.py"]
        asked = environment.ask(interpreter, source, [plan["before"]], given["manifest"].encode()) if answer["changed"] else {}
        answer["missing"] = asked.get("missing", [])
    return plan


def _check(account: accounts.Account, order: Order) -> str:
    """Return the working directory; refuse what no host could do."""
    ready_for, options = str(order.given["ready_for"] or ""), order.options
    if ready_for and ready_for != account.name:
        raise errors.FeatureError(
            f"the features were made ready for user {ready_for}, but {account.name} is to train:"
            f" set {errors.named('ready_for')} and {errors.named('user')} to one account"
        )
    for name, least in (("keep_runs", 1), ("grace", 0), ("settle", 0), ("retries", 0), ("require_gpus", 0)):
        if options[name] < least:
            raise errors.FeatureError(f"{errors.named(name)} is {options[name]}: set it to {least} at least")
    return runs.working_directory(options["dir"], account)


def _observe(account: accounts.Account, directory: str, order: Order) -> runs.RunState:
    """Return the session's state, once what an ended training leaves behind for a moment is gone."""
    deadline = time.monotonic() + _PASSING
    while True:
        run_state = runs.observe(account, directory, order.session)
        if not run_state.outlived or time.monotonic() > deadline:
            return run_state
        time.sleep(0.2)


def _all_of(run_state: runs.RunState) -> List[tmux.Process]:
    return [one for one in (run_state.launcher, run_state.trainer, *run_state.others, *run_state.outlived) if one]


def start(
    account: accounts.Account, order: Order, plan: Mapping[str, Any], prefix: Tuple[str, ...], archive: Optional[int]
) -> Dict[str, Any]:
    """Start the training, unless one is live. Returns the module's result. archive: a descriptor of the project's files."""
    directory, given = plan["directory"], order.given
    root = runs.runs_of(directory, order.session)
    folder.make_directories(account, [directory, *(os.path.join(directory, name) for name in ("scripts", "checkpoints")), root], False)
    lock = folder.lock_runs(root)
    try:
        run_state = runs.observe(account, directory, order.session)
        answer = {**_answer(run_state, order, directory, account), **{name: plan["answer"][name] for name in ("command_line", "socket")}}
        if not answer["changed"]:
            return answer
        if run_state.session.active or _all_of(run_state):
            session.stop(account, run_state, order.session, order.options["grace"], order.given["by"], "restart")
        if given["script"] is not None:
            folder.write_file(os.path.join(directory, given["script_path"]), given["script"], 0o755)
        new = folder.begin_run(root, _files(account, order, plan))
        if archive is not None:
            words = [plan["before"], os.path.join(new, folder.PROJECT)]
            environment.ask(plan["interpreter"], given["files"]["unpack.py"], words, archive)
        run = folder.finish_run(new)
        session.launch(account, order.session, run, plan["interpreter"], plan["login"], plan["socket"], prefix)
    finally:
        os.close(lock)
    state = session.settle(run, order.options["settle"])
    answer.update(run=run, pid=(state.get("trainer") or {}).get("pid"))
    answer.update((name, state.get(name) or kind()) for name, kind in (("old_runs", dict), ("changes", list)))
    if state.get("attempts") and order.options["settle"]:
        last = state["attempts"][-1]
        answer["settled"] = {name: last.get(name) for name in ("exit_code", "signal", "error")}
        again = int((state.get("attempt") or {}).get("number") or 0) > int(last["number"])
        answer["settled"].update(tail=state.get("tail"), ended="ended" in state, attempts=int(last["number"]), again=again)
    return answer


def _files(account: accounts.Account, order: Order, plan: Mapping[str, Any]) -> Dict[str, Tuple[str, int]]:
    """Return what a run's folder holds before it starts."""
    given = order.given
    record = {
        "format": 1,
        "session": order.session,
        "user": account.name,
        "directory": plan["directory"],
        "cwd": folder.PROJECT if given["manifest"] else plan["directory"],
        "virtualenv": plan["virtualenv"],
        "command": plan["command"],
        "login_shell": not plan["warning"],
        "command_line": plan["answer"]["command_line"],
        "keep_runs": order.options["keep_runs"],
        "retries": order.options["retries"],
        "script_sha256": hashlib.sha256((given["script"] or "").encode("utf-8", "surrogateescape")).hexdigest(),
        "deployed": time.time(),
    }
    record.update((name, given[name]) for name in ("text", "arguments", "variables", "on_end", "on_end_text"))
    record.update(given["record"])
    # A profile or an environment may export secrets.
    secret = {"login": plan["login"], "configured": given["environment"]}
    files = {name: (source, 0o700) for name, source in given["files"].items() if name != "unpack.py"}
    return {
        **files,
        runs.RECORD: (json.dumps(record, indent=1, sort_keys=True) + "\n", 0o644),
        runs.ENVIRONMENT: (json.dumps(secret, indent=1, sort_keys=True) + "\n", 0o600),
    }


def _answer(
    run_state: runs.RunState, order: Order, directory: str, account: accounts.Account, planned: bool = False
) -> Dict[str, Any]:
    """Decide before anything is changed. planned: the message says what a run would do, as check mode returns it."""
    where, restart = f"tmux session '{order.session}'", order.options["restart"]
    answer = _state(run_state, directory, account)
    pid = answer["pid"] or "?"
    if run_state.alive and not restart:
        answer["changed"] = False
        answer["message"] = (
            f"{'a training' if run_state.process else 'something'} is live in {where}"
            f" (process {pid}) and was left alone: set {errors.named('restart')}=true to replace it"
        )
        return answer
    if run_state.outlived and not restart:
        raise errors.FeatureError(
            f"processes of an earlier run in {where} still live, though its main process has ended ({_named(run_state.outlived)}): set"
            f" {errors.named('restart')}=true to end them, or {errors.named('state')}=stopped"
        )
    if run_state.session.active and not restart and _has_shell(run_state):
        raise errors.FeatureError(
            f"{where} is in use by a shell, but no training runs in it: end it"
            f" (tmux kill-session -t {order.session}) or set {errors.named('restart')}=true"
        )
    done = "replaced the live training" if run_state.alive else "started"
    would = "the live training would be replaced" if run_state.alive else "would be started"
    retries = order.options["retries"]
    tries = f", with up to {retries} retries, but none after a reboot of the host" if retries else ""
    answer["message"] = f"{would if planned else done} in {where}{tries}"
    after = f"in {directory}: {order.given['command_line'] or order.given['script_path']}\n"
    answer["diff"] = _diff(order, run_state, after)
    return answer


def _state(run_state: runs.RunState, directory: str, account: accounts.Account) -> Dict[str, Any]:
    """Return what a result says of the present state."""
    live, run = run_state.first, run_state.run
    return {
        "changed": True,
        "live": run_state.alive,
        "directory": directory,
        "user": account.name,
        "command_line": "",
        "run": run.path if run and run_state.alive else "",
        "pid": live.pid if live else None,
        "warnings": [],
    }


def _diff(order: Order, run_state: runs.RunState, after: str) -> List[Dict[str, str]]:
    header, live = f"training in session {order.session}", _all_of(run_state)
    before = f"process {live[0].pid} in {run_state.run.path if run_state.run else 'a run without record'}\n" if live else "not running\n"
    return [{"before_header": header, "after_header": header, "before": before, "after": after}]


def _named(processes: Tuple[tmux.Process, ...]) -> str:
    return ", ".join(f"{one.pid} {one.name}, {tmux.age_of(one):.0f} s old" for one in processes[:5])


def _has_shell(run_state: runs.RunState) -> bool:
    panes = (tmux.read_process(pid) for pid in run_state.session.panes)
    return any(process is not None and process.alive and process.is_shell for process in panes)


def end(account: accounts.Account, order: Order, check: bool) -> Dict[str, Any]:
    """Stop the session's run; with C(absent) also remove its oldest ended runs. Returns the module's result."""
    directory, where = _check(account, order), f"tmux session '{order.session}'"
    root = runs.runs_of(directory, order.session)
    lock = folder.lock_runs(root) if os.path.isdir(root) and not check else None
    try:
        run_state = runs.observe(account, directory, order.session)
        live = _all_of(run_state)
        done = f"the training in {where} {'would be' if check else 'was'} stopped"
        answer = {**_state(run_state, directory, account), "changed": bool(live), "pid": None}
        answer.update(message=done if live else f"no training is live in {where}", diff=_diff(order, run_state, "not running\n"))
        if live and not check:
            session.stop(account, run_state, order.session, order.options["grace"], order.given["by"], "stop")
        if order.options["state"] == ABSENT and os.path.isdir(root):
            words = [root, str(order.options["keep_runs"]), "check" if check else ""]
            answer["old_runs"] = environment.ask(environment.find_interpreter(account), order.given["files"]["old_runs.py"], words)
            answer["changed"] = answer["changed"] or bool(answer["old_runs"]["removed"])
        return answer
    finally:
        if lock is not None:
            os.close(lock)
