# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspect a host's training. Runs as the training user and changes nothing."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import errors
from .._cache import lookup, store
from .._spec import arguments, options
from .._spec.sets import parse_sets, resolve_sets
from .._steps import facts, inspect
from .._system import accounts, paths
from . import causes, checkpoints, curves, gpus, ledger, log, reading, runs, tmux, verdict

_TAIL = 256 << 10  # bytes of the log that are searched for the cause of a failure


def look(account: accounts.Account, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the result of C(training_info) for these parameters. C(sets) are counted only if no run has recorded its own."""
    directory = runs.working_directory(params["dir"], account)
    session, metrics = params["session"], params["metrics"]
    run_state = runs.observe(account, directory, session)
    run = run_state.run
    age = reading.log_age(run)
    tail = reading.last_lines(run, _TAIL) if run else []
    cause = _cause(run, tail)
    judgement = verdict.judge(reading.observation(run_state, age, cause), params["stale_after"])
    if judgement.state == verdict.NEVER:
        folder = paths.display(runs.runs_of(directory, session))
        judgement = replace(judgement, sentence=f"never started: there is no record of a run in {folder}")
    read = curves.read_curves(run, directory, metrics)
    graphics = gpus.find_gpus()
    listed = ledger.last_runs(directory, session)
    drawn = curves.session_curves(directory, listed, run, read, time.time(), metrics) if params["history"] else None
    best = {one["run"]: {**one["best"], "axis": one["axis"]} for one in drawn or () if one["best"]}
    log_lines = _recent(tail, params["lines"])
    return {
        **judgement.as_dict(),
        "user": account.name,
        "directory": directory,
        "session": {"name": session, "active": run_state.session.active},
        "process": _process(run_state),
        "run": _run(run),
        "runs": ledger.table(listed, run_state, best),
        "log": {"path": run.log if run else None, "bytes": _size(run.log) if run else None, "age": age, "lines": log_lines},
        "progress": {**read.progress(), "errors": _errors(judgement, cause, tail), **curves.pace_of(run, read, time.time())},
        "history": drawn,
        "checkpoint": checkpoint_of(directory, run),
        "gpus": graphics.found,
        "gpu_problem": graphics.problem,
        "memory": _memory(),
        "disk": _disk(directory),
        "features": count_features(account, run.record if run else {}, params["sets"]),
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
        "attempts": len(state.get("attempts") or []) + ("ended" not in state),
        "changes": [paths.display(str(text))[:200] for text in state.get("changes") or []][:20],
        "sets": [str(one.get("name")) for one in record.get("sets") or [] if isinstance(one, dict)],
    }


def _recent(tail: List[str], lines: int) -> List[str]:
    shown = [line for line in map(log.visible, tail[-4 * lines :]) if line]
    return [line[:log.MAX_LINE] for line in shown[-lines:]] if lines else []


def _cause(run: Optional[runs.Run], tail: List[str]) -> Optional[str]:
    """Return why the run failed; None if it did not, or if the launcher has recorded why."""
    if run is None or run.state.get("error") or run.state.get("stopped") or not run.state.get("exit_code"):
        return None
    return causes.find_cause(tail)


def _errors(judgement: verdict.Judgement, cause: Optional[str], tail: List[str]) -> List[str]:
    """Return the cause, then other errors of the log; empty for a run that ended well."""
    if judgement.state in (verdict.SUCCEEDED, verdict.STOPPED, verdict.NEVER):
        return []
    found = causes.find_errors(tail)
    return ([cause] if cause else []) + [line for line in found if not cause or not cause.startswith(line[:40])]


def _size(path: str) -> Optional[int]:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def checkpoint_of(directory: str, run: Optional[runs.Run], word: str = "") -> Optional[Dict[str, Any]]:
    """Return a run's newest one, with that word in its name: in the working directory, below its C(checkpoints), or in its project."""
    state = run.state if run else {}
    # Widened by a second: a file system may keep whole seconds only.
    since, until = float(state.get("started") or 0.0) - 1.0, float(state.get("ended") or math.inf) + 1.0
    found = checkpoints.newest_checkpoint(checkpoints.places_of(directory, run.path if run else ""), since, until, word)
    return found and {"path": paths.display(found.path), "bytes": found.size, "age": max(0.0, time.time() - found.written)}


def _memory() -> Dict[str, Optional[int]]:
    """Return the bytes of main memory, total and available."""
    found: Dict[str, Optional[int]] = {"total": None, "available": None}
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            name, _colon, value = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                found[name[3:].lower()] = int(value.split()[0]) * 1024
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


def count_features(account: accounts.Account, record: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Count the features in the targets, by the code of C(feature_facts). C(count) is None if they are unknown.

    record: of the run, with the sets it was started with and the digests of their data; empty where there is no run.

    As the training user: what that account cannot read, the training does not load either.
    """
    recorded, at_start = [one for one in record.get("sets") or [] if isinstance(one, dict)], record.get("data")
    unknown = {**dict.fromkeys(("count", "status", "ready", "problem")), "sets": {}, "data": compare_data(at_start, {}, None)}
    unknown["from"] = "record" if recorded else "variables"
    if not recorded and not declared:
        return {**unknown, "problem": "no feature sets are known: no run has recorded any, and none were given"}
    try:
        found = _inspect(account, recorded or declared)
    except errors.FeatureError as error:
        return {**unknown, "problem": str(error)}
    sets = found["feature_sets"]
    unreadable = [one["target"]["path"] for one in sets.values() if one["target"]["state"] == "unreadable"]
    return {
        "count": None if unreadable else sum(one["target"]["features"] for one in sets.values()),
        "from": unknown["from"],
        "status": found["feature_status"],
        "ready": found["features_ready"],
        "sets": {name: _set(one) for name, one in sets.items()},
        "problem": f"{unreadable[0]} cannot be read by user {account.name}" if unreadable else None,
        "data": compare_data(at_start, sets, found["feature_digest"]),
    }


def _set(one: Mapping[str, Any]) -> Dict[str, Any]:
    target = {key: one["target"][key] for key in ("state", "features", "dangling", "rejected")}
    known = {"ready": one["ready"], "digest": one["digest"], "problems": one["problems"][:10]}
    return {"target": one["target"]["path"], **target, "unreadable": one["access"]["unreadable"], **known}


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


def compare_data(recorded: Any, found: Mapping[str, Mapping[str, Any]], digest: Optional[str]) -> Dict[str, Any]:
    """Return the comparison for C(training_info). C(changed) is None, with the reason, if that is unknown.

    recorded: C(data) of the run's record. found: the facts' sets of now. digest: of all of them.
    """
    at_start = recorded if isinstance(recorded, Mapping) else {}
    sets_at_start: Any = at_start.get("sets")
    if not isinstance(sets_at_start, Mapping):
        sets_at_start = {}
    differing: List[str] = []
    reasons: List[str] = []
    for name, one in found.items():
        before, now = _text(sets_at_start.get(name)), one.get("digest")
        if before is None:
            reasons.append(f"the run's record has no digest of the data of set '{name}'")
        elif now is None:
            reasons.append(str(one.get("digest_reason") or f"the data of set '{name}' have no digest"))
        elif before != now:
            differing.append(name)
    # What has changed is known, also where more may have.
    changed = True if differing else False if found and not reasons else None
    reason = None if changed is not None else (reasons or ["no feature sets are known"])[0]
    return {
        "digest": digest, "at_start": _text(at_start.get("digest")), "changed": changed, "changed_sets": differing, "reason": reason,
    }  # fmt: skip


def _text(value: Any) -> Optional[str]:
    """Return a digest of the record, bounded: the training user may have written anything there."""
    return str(value)[:128] if value else None
