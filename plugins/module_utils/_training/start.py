# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a training in a detached tmux session, leave a live one alone, or stop it. As the training user."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .. import errors
from .._system import accounts, paths, programs
from . import login, preflight, runs, session, tmux

STARTED, ABSENT = "started", "absent"
_PASSING = 3.0  # seconds for what a training that has just ended leaves behind
_PATH = "/usr/local/bin:/usr/bin:/bin"
_TIMEOUT = 3600.0  # seconds for one of the role's programs; a project may be large

# The module's options, and what its action plugin makes of them (files: the role's programs by name).
Order = Mapping[str, Any]


def plan_start(account: accounts.Account, order: Order) -> Dict[str, Any]:
    """Return what will be done, before anything is changed; in check mode C(answer) is the whole result. User errors end here."""
    directory = _check(account, order)
    run_state = _observe(account, directory, order)
    answer = _answer(run_state, order, directory, account, planned=True)
    replaced = {process.pid for process in tmux.below(tmux.all_processes(), [one.pid for one in _all_of(run_state)])}
    found = preflight.check_host(order, account)
    socket, server, why = "", None, ""
    if answer["changed"]:
        preflight.check_gpus(order["require_gpus"], order["gpu_memory"], replaced)
        preflight.check_disk(directory)
        socket, server, why = login.choose_server(found["login"], account.name)
    interpreter = _find_interpreter(account)
    plan = {"answer": answer, "interpreter": interpreter, "directory": directory, "socket": socket, "server": server, **found}
    session.make_directories(account, [directory, runs.runs_of(directory, order["session"])], True)
    answer["socket"] = socket
    answer["warnings"] += [one for one in (found["warning"], why) if one]
    plan["command"] = order["command"] or ([] if order["text"] else [found["python"], "-u", order["script_path"], *order["arguments"]])
    answer["command_line"] = order["command_line"] or shlex.join(plan["command"])
    if order["manifest"]:
        run = runs.find_run(directory, order["session"])
        plan["before"] = os.path.join(run.path, session.PROJECT) if run else ""
        given = order["manifest"].encode()
        asked = _ask(interpreter, order["files"]["unpack.py"], [plan["before"]], given) if answer["changed"] else {}
        answer["missing"] = asked.get("missing", [])
    return plan


def _check(account: accounts.Account, order: Order) -> str:
    """Return the working directory; refuse what no host could do."""
    ready_for = str(order["ready_for"] or "")
    if ready_for and ready_for != account.name:
        raise errors.FeatureError(
            f"the features were made ready for user {ready_for}, but {account.name} is to train:"
            f" set {errors.named('ready_for')} and {errors.named('user')} to one account"
        )
    for name, least in (("keep_runs", 1), ("grace", 0), ("settle", 0), ("retries", 0), ("require_gpus", 0)):
        if order[name] < least:
            raise errors.FeatureError(f"{errors.named(name)} is {order[name]}: set it to {least} at least")
    return runs.working_directory(order["dir"], account)


def _observe(account: accounts.Account, directory: str, order: Order) -> runs.RunState:
    """Return the session's state, once what an ended training leaves behind for a moment is gone."""
    deadline = time.monotonic() + _PASSING
    while True:
        run_state = runs.observe(account, directory, order["session"])
        if not run_state.outlived or time.monotonic() > deadline:
            return run_state
        time.sleep(0.2)


def _all_of(run_state: runs.RunState) -> List[tmux.Process]:
    return [one for one in (run_state.launcher, run_state.trainer, *run_state.others, *run_state.outlived) if one]


def _find_interpreter(account: accounts.Account) -> str:
    """Return a Python for the launcher that the user may run."""
    for candidate in (sys.executable, shutil.which("python3", path=_PATH)):
        if candidate and os.access(candidate, os.X_OK):
            with contextlib.suppress(OSError):
                answer = programs.ask_program([candidate, "-I", "-c", "import json, subprocess, threading"], _TIMEOUT, _environment())
                if answer and answer.code == 0:
                    return candidate
    raise errors.FeatureError(
        f"user {account.name} may run no Python 3 on this host, not even {paths.display(sys.executable)}: install python3 for all users"
    )


def _environment() -> Dict[str, str]:
    return {"PATH": os.environ.get("PATH") or _PATH, "LANG": "C.UTF-8"}


def _ask(interpreter: str, source: str, arguments: Sequence[str], given: Union[bytes, int, None] = None) -> Dict[str, Any]:
    """Return the JSON object that a program prints. given: its standard input, as bytes or as a descriptor."""
    answer = programs.ask_program([interpreter, "-I", "-c", source, *arguments], _TIMEOUT, _environment(), given)
    try:
        found = json.loads(answer.output.decode("utf-8") if answer else "")
    except ValueError:
        said = paths.display(answer.errors.decode("utf-8", "replace")[-300:]) if answer else "no answer"
        raise errors.FeatureError(f"the training user's Python {interpreter} runs none of our programs ({said}): repair it") from None
    if "error" in found:
        raise errors.FeatureError(str(found["error"]))
    return dict(found)


def start(
    account: accounts.Account, order: Order, plan: Mapping[str, Any], prefix: Tuple[str, ...], archive: Optional[int]
) -> Dict[str, Any]:
    """Start the training, unless one is live. Returns the module's result. archive: a descriptor of the project's files."""
    directory = plan["directory"]
    root = runs.runs_of(directory, order["session"])
    session.make_directories(account, [directory, *(os.path.join(directory, name) for name in ("scripts", "checkpoints")), root], False)
    lock = session.lock_runs(root)
    try:
        run_state = runs.observe(account, directory, order["session"])
        answer = {**_answer(run_state, order, directory, account), **{name: plan["answer"][name] for name in ("command_line", "socket")}}
        if not answer["changed"]:
            return answer
        if run_state.session.active or _all_of(run_state):
            session.stop(account, run_state, order, "restart")
        if order["script"] is not None:
            session.write_file(os.path.join(directory, order["script_path"]), order["script"], 0o755)
        new = session.begin_run(root, _files(account, order, plan))
        if archive is not None:
            _ask(plan["interpreter"], order["files"]["unpack.py"], [plan["before"], os.path.join(new, session.PROJECT)], archive)
        run = session.finish_run(new)
        session.launch(account, order["session"], run, plan, prefix)
    finally:
        os.close(lock)
    state = session.settle(run, order["settle"], order["retries"])
    answer.update(run=run, pid=(state.get("trainer") or {}).get("pid"))
    answer.update((name, state.get(name) or kind()) for name, kind in (("old_runs", dict), ("changes", list)))
    if state.get("attempts") and order["settle"]:
        last = state["attempts"][-1]
        answer["settled"] = {name: last.get(name) for name in ("exit_code", "signal", "error")}
        again = int((state.get("attempt") or {}).get("number") or 0) > int(last["number"])
        answer["settled"].update(tail=state.get("tail"), ended="ended" in state, attempts=int(last["number"]), again=again)
    return answer


def _files(account: accounts.Account, order: Order, plan: Mapping[str, Any]) -> Dict[str, Tuple[str, int]]:
    """Return what a run's folder holds before it starts."""
    record = {
        "format": 1,
        "user": account.name,
        "cwd": session.PROJECT if order["manifest"] else plan["directory"],
        "login_shell": not plan["warning"],
        "command_line": plan["answer"]["command_line"],
        "script_sha256": hashlib.sha256((order["script"] or "").encode("utf-8", "surrogateescape")).hexdigest(),
        "deployed": time.time(),
        **{name: plan[name] for name in ("directory", "virtualenv", "command")},
        **{name: order[name] for name in ("session", "keep_runs", "retries", "text", "arguments", "variables", "on_end", "on_end_text")},
        **order["record"],
    }
    # A profile or an environment may export secrets.
    secret = {"login": plan["login"], "configured": order["environment"]}
    files = {name: (source, 0o700) for name, source in order["files"].items() if name != "unpack.py"}
    return {
        **files,
        runs.RECORD: (json.dumps(record, indent=1, sort_keys=True) + "\n", 0o644),
        runs.ENVIRONMENT: (json.dumps(secret, indent=1, sort_keys=True) + "\n", 0o600),
    }


def _answer(run_state: runs.RunState, order: Order, directory: str, account: accounts.Account, planned: bool = False) -> Dict[str, Any]:
    """Decide before anything is changed. planned: the message says what a run would do, as check mode returns it."""
    where, restart = f"tmux session '{order['session']}'", order["restart"]
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
        named = ", ".join(f"{one.pid} {one.name}, {tmux.age_of(one):.0f} s old" for one in run_state.outlived[:5])
        raise errors.FeatureError(
            f"processes of an earlier run in {where} still live, though its main process has ended ({named}): set"
            f" {errors.named('restart')}=true to end them, or {errors.named('state')}=stopped"
        )
    if run_state.session.active and not restart and _has_shell(run_state):
        raise errors.FeatureError(
            f"{where} is in use by a shell, but no training runs in it: end it"
            f" (tmux kill-session -t {order['session']}) or set {errors.named('restart')}=true"
        )
    done = "replaced the live training" if run_state.alive else "started"
    would = "the live training would be replaced" if run_state.alive else "would be started"
    retries = order["retries"]
    tries = f", with up to {retries} retries, but none after a reboot of the host" if retries else ""
    answer["message"] = f"{would if planned else done} in {where}{tries}"
    after = f"in {directory}: {order['command_line'] or order['script_path']}\n"
    answer["diff"] = _diff(order, run_state, after)
    return answer


def _state(run_state: runs.RunState, directory: str, account: accounts.Account) -> Dict[str, Any]:
    """Return what a result says of the present state."""
    live, run = run_state.process or next(iter(run_state.others), None), run_state.run
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
    header, live = f"training in session {order['session']}", _all_of(run_state)
    before = f"process {live[0].pid} in {run_state.run.path if run_state.run else 'a run without record'}\n" if live else "not running\n"
    return [{"before_header": header, "after_header": header, "before": before, "after": after}]


def _has_shell(run_state: runs.RunState) -> bool:
    panes = (tmux.read_process(pid) for pid in run_state.session.panes)
    return any(process is not None and process.alive and process.is_shell for process in panes)


def end(account: accounts.Account, order: Order, check: bool) -> Dict[str, Any]:
    """Stop the session's run; with C(absent) also remove its oldest ended runs. Returns the module's result."""
    directory, where = _check(account, order), f"tmux session '{order['session']}'"
    root = runs.runs_of(directory, order["session"])
    lock = session.lock_runs(root) if os.path.isdir(root) and not check else None
    try:
        run_state = runs.observe(account, directory, order["session"])
        live = _all_of(run_state)
        done = f"the training in {where} {'would be' if check else 'was'} stopped"
        answer = {**_state(run_state, directory, account), "changed": bool(live), "pid": None}
        answer.update(message=done if live else f"no training is live in {where}", diff=_diff(order, run_state, "not running\n"))
        if live and not check:
            session.stop(account, run_state, order, "stop")
        if order["state"] == ABSENT and os.path.isdir(root):
            words = [root, str(order["keep_runs"]), "check" if check else ""]
            answer["old_runs"] = _ask(_find_interpreter(account), order["files"]["old_runs.py"], words)
            answer["changed"] = answer["changed"] or bool(answer["old_runs"]["removed"])
        return answer
    finally:
        if lock is not None:
            os.close(lock)
