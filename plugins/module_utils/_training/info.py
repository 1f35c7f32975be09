# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspect a host's training. Runs as the training user and changes nothing."""

from __future__ import annotations

import math
import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import errors
from .._cache import lookup, store
from .._spec import arguments, options
from .._spec.sets import parse_sets, resolve_sets
from .._steps import facts, inspect
from .._system import accounts, paths
from . import causes, checkpoints, curves, gpus, ledger, log, reading, runs, tmux, verdict
from .data import compare_data

_TAIL = 256 << 10  # bytes of the log that are searched for the cause of a failure


def look(
    account: accounts.Account,
    directory: str,
    session: str,
    sets: Sequence[Mapping[str, Any]],
    stale_after: float,
    lines: int,
    history: bool = False,
    metrics: Sequence[str] = (),
) -> Dict[str, Any]:
    """Return the result of C(training_info). C(sets) are counted only if no run has recorded its own."""
    directory = runs.working_directory(directory, account)
    run_state = runs.observe(account, directory, session)
    run = run_state.run
    age = reading.log_age(run)
    tail = reading.last_lines(run, _TAIL) if run else []
    cause = _cause(run, tail)
    judgement = verdict.judge(reading.observation(run_state, age, cause), stale_after)
    read = curves.read_curves(run, directory, metrics)
    graphics = gpus.find_gpus()
    listed = ledger.last_runs(directory, session)
    drawn = curves.session_curves(directory, listed, run, read, time.time(), metrics) if history else None
    best = {one["run"]: {**one["best"], "axis": one["axis"]} for one in drawn or () if one["best"]}
    return {
        **judgement.as_dict(),
        "user": account.name,
        "directory": directory,
        "session": {"name": session, "active": run_state.session.active},
        "process": _process(run_state),
        "run": _run(run),
        "runs": ledger.table(listed, run_state, best),
        "log": {"path": run.log if run else None, "bytes": _size(run.log) if run else None, "age": age, "lines": _recent(tail, lines)},
        "progress": {**read.progress(), "errors": _errors(judgement, cause, tail), **curves.pace_of(run, read, time.time())},
        "history": drawn,
        "checkpoint": checkpoint_of(directory, run),
        "gpus": graphics.found,
        "gpu_problem": graphics.problem,
        "memory": _memory(),
        "disk": _disk(directory),
        "features": count_features(account, run.record if run else {}, sets),
    }


def _process(run_state: runs.RunState) -> Dict[str, Any]:
    process = run_state.process
    others = [{"pid": one.pid, "name": paths.display(one.name)} for one in run_state.others if one != process][:10]
    outlived = [{"pid": one.pid, "name": paths.display(one.name), "age": tmux.age_of(one)} for one in run_state.outlived][:10]
    return {"running": process is not None, "pid": process.pid if process else None, "others": others, "outlived": outlived}


def _run(run: Optional[runs.Run]) -> Optional[Dict[str, Any]]:
    if run is None:
        return None
    record, state = run.record, run.state
    return {
        "path": run.path,
        **{name: state.get(name) for name in ("started", "ended", "exit_code", "signal")},
        **{name: record.get(name) for name in ("command_line", "feature_status", "commit", "dirty")},
        "attempts": len(runs.as_list(state.get("attempts"))) + ("ended" not in state),
        "changes": [paths.display(str(text))[:200] for text in runs.as_list(state.get("changes"))][:20],
        "sets": [str(one.get("name")) for one in record.get("sets") or [] if isinstance(one, dict)],
    }


def _recent(tail: List[str], lines: int) -> List[str]:
    shown = [line for line in map(log.visible, tail[-4 * lines :]) if line]
    return [line[:log.MAX_LINE] for line in shown[-lines:]] if lines else []


def _cause(run: Optional[runs.Run], tail: List[str]) -> Optional[str]:
    """Return why the run failed; None if it did not, or if the launcher has recorded why."""
    if run is None or run.state.get("error") or run.state.get("stopped") or not run.state.get("exit_code"):
        return None
    return causes.find_cause(causes.parts(tail))


def _errors(judgement: verdict.Judgement, cause: Optional[str], tail: List[str]) -> List[str]:
    """Return the cause, then other errors of the log; empty for a run that ended well."""
    if judgement.state in (verdict.SUCCEEDED, verdict.STOPPED, verdict.NEVER):
        return []
    found = causes.find_errors(causes.parts(tail))
    return ([cause] if cause else []) + [line for line in found if not cause or not cause.startswith(line[:40])]


def _size(path: str) -> Optional[int]:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def checkpoint_of(directory: str, run: Optional[runs.Run], word: str = "") -> Optional[Dict[str, Any]]:
    """Return a run's newest one, with that word in its name: in the working directory, below its C(checkpoints), or in its project."""
    found = checkpoints.newest_checkpoint(checkpoints.places_of(directory, run.path if run else ""), *_times(run), word)
    return found and {"path": paths.display(found.path), "bytes": found.size, "age": max(0.0, time.time() - found.written)}


def _times(run: Optional[runs.Run]) -> Tuple[float, float]:
    """Return the run's start and end, widened by a second: a file system may keep whole seconds only."""
    state = run.state if run else {}
    return float(state.get("started") or 0.0) - 1.0, float(state.get("ended") or math.inf) + 1.0


def _memory() -> Dict[str, Optional[int]]:
    """Return the bytes of main memory, total and available."""
    found: Dict[str, Optional[int]] = {"total": None, "available": None}
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            for line in stream:
                name, _colon, value = line.partition(":")
                if name in ("MemTotal", "MemAvailable"):
                    found[name[3:].lower()] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found


def _disk(directory: str) -> Dict[str, Optional[int]]:
    """Return the bytes of the working directory's (or its nearest ancestor's) file system, total and free for a user."""
    while True:
        try:
            info = os.statvfs(directory)
            return {"total": info.f_blocks * info.f_frsize, "free": info.f_bavail * info.f_frsize}
        except OSError:
            if directory == "/":
                return {"total": None, "free": None}
            directory = os.path.dirname(directory)


def count_features(
    account: accounts.Account, record: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]
) -> Dict[str, Any]:
    """Count the features in the targets, by the code of C(feature_facts). C(count) is None if they are unknown.

    record: of the run, with the sets it was started with and the digests of their data; empty where there is no run.

    As the training user: what that account cannot read, the training does not load either.
    """
    recorded = record.get("sets") or None
    answer: Dict[str, Any] = {
        "count": None,
        "from": "record" if recorded else "variables",
        "status": None,
        "ready": None,
        "sets": {},
        "problem": None,
        "data": compare_data(record.get("data"), {}, None),
    }
    raw = recorded or declared
    if not raw:
        answer["problem"] = "no feature sets are known: no run has recorded any, and none were given"
        return answer
    try:
        found = _inspect(account, raw)
    except errors.FeatureError as error:
        answer["problem"] = str(error)
        return answer
    answer["status"], answer["ready"] = found["feature_status"], found["features_ready"]
    sets = found["feature_sets"]
    for name, one in sets.items():
        target = {key: one["target"][key] for key in ("state", "features", "dangling", "rejected")}
        known = {key: one[key] for key in ("ready", "digest")}
        problems = one["problems"][:10]
        answer["sets"][name] = {
            "target": one["target"]["path"], **target, "unreadable": one["access"]["unreadable"], **known, "problems": problems,
        }  # fmt: skip
    answer["data"] = compare_data(record.get("data"), sets, found["feature_digest"])
    unreadable = [one["target"]["path"] for one in sets.values() if one["target"]["state"] == "unreadable"]
    if unreadable:
        answer["problem"] = f"{unreadable[0]} cannot be read by user {account.name}"
    else:
        answer["count"] = sum(one["target"]["features"] for one in sets.values())
    return answer


def _inspect(account: accounts.Account, sets: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the facts of these sets, cached ones if nothing has changed. A health check comes often: it never reads all data."""
    quick = [{**one, "verify": "quick"} for one in sets]
    params = {**dict.fromkeys(options.PLAN_ARGUMENTS), "sets": quick, "user": account.name, "remember": True, "check": True}
    known = lookup.lookup(params, account)
    if known is not None:
        return known
    started = time.time()
    host = inspect.inspect_host(resolve_sets(parse_sets(quick), account.home), account, arguments.Policy())
    found = facts.facts(host)
    store.store(params, host, found, started)
    return found
