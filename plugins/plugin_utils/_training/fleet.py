# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run learned about the trainings of its hosts, and the document that C(training.json) and the page show.

Its form is ``docs/training.schema.json``. Pure: the callback hands in plain values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ...module_utils._training.verdict import FAILED, KILLED, NEVER, RUNNING, STOPPED, STUCK, SUCCEEDED, VANISHED
from .._report.fleet import natural
from .._report.model import mapping, sequence
from .._report.words import differing_sets, plain, sentence

SCHEMA = 1
PREFIX = "trainprep.features."
INFO = PREFIX + "training_info"
ACTIONS = frozenset((INFO, PREFIX + "training_follow"))
UNREACHABLE, UNKNOWN = "unreachable", "unknown"
STATES = (RUNNING, SUCCEEDED, STUCK, FAILED, KILLED, STOPPED, VANISHED, NEVER, UNREACHABLE, UNKNOWN)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class TrainingHost:
    """The last look at one host, or why there was none."""

    info: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    unreachable: str = ""


class Trainings:
    """Gathers the results of a run."""

    def __init__(self) -> None:
        self.hosts: dict[str, TrainingHost] = {}
        self.report_dir = ""

    def saw(self, host: str, action: str, result: Mapping[str, Any]) -> None:
        """A result of one of the collection's own actions; the last look at a host counts."""
        if action == INFO and "state" in result:
            # A failed result keeps what is known of the host where Ansible does not print it.
            self.hosts.setdefault(host, TrainingHost()).info = mapping(mapping(result.get("invocation")).get("training")) or result
            self.report_dir = str(result.get("report_dir") or "") or self.report_dir

    def failed(self, host: str, action: str, result: Mapping[str, Any]) -> None:
        """A task that failed; that a training is not healthy is not a failure of the look at it."""
        self.saw(host, action, result)
        record = self.hosts.setdefault(host, TrainingHost())
        record.failure = record.failure or str(result.get("msg") or "it failed without a message")

    def lost(self, host: str, result: Mapping[str, Any]) -> None:
        """A host that could not be reached."""
        self.hosts.setdefault(host, TrainingHost()).unreachable = str(result.get("msg") or "it could not be reached")


def document(trainings: Trainings, playbook: str, now: datetime, run: str = "") -> dict[str, Any]:
    """Return the report as plain data, hosts in natural order, every text printable. run: identifies the run of Ansible."""
    return assemble([host_entry(name, record, now) for name, record in trainings.hosts.items()], playbook, now, run)


def assemble(entries: Iterable[Mapping[str, Any]], playbook: str, now: datetime, run: str) -> dict[str, Any]:
    """Return the report of these hosts."""
    hosts = sorted(entries, key=lambda host: natural(host["host"]))
    summary: dict[str, Any] = {"hosts": len(hosts), "healthy": sum(host["healthy"] for host in hosts)}
    summary["states"] = {state: sum(host["state"] == state for host in hosts) for state in STATES}
    sets = ((host["host"], one) for host in hosts if host["state"] != NEVER for one in host["features"]["sets"] if one["digest"])
    return {
        "schema": SCHEMA,
        "run": run,
        "generated": now.astimezone(UTC).strftime(_TIME),
        "playbook": plain(playbook),
        "summary": summary,
        "differing": differing_sets((one["name"], host, one["digest"], one["features"]) for host, one in sets),
        "hosts": hosts,
    }


def host_entry(name: str, record: TrainingHost, now: datetime) -> dict[str, Any]:
    """Return one host's part of the report."""
    info = clean(record.info)
    if record.unreachable:
        state, message = UNREACHABLE, record.unreachable
    elif not info:
        state, message = UNKNOWN, record.failure
    else:
        state, message = info["state"], info.get("sentence") or ""
    progress, log = mapping(info.get("progress")), mapping(info.get("log"))
    return {
        "host": plain(name),
        "state": state if state in STATES else UNKNOWN,
        "healthy": info.get("healthy") is True and not record.unreachable,
        "message": sentence(message),
        "user": info.get("user") or "",
        "directory": info.get("directory") or "",
        "session": mapping(info.get("session")).get("name") or "",
        "process": mapping(info.get("process")).get("pid"),
        "run": _run(mapping(info.get("run"))),
        **{name: progress.get(name) for name in ("epoch", "epochs", "seconds_per_epoch")},
        "expected_end": _expected_end(state, progress.get("seconds_left"), now),
        "share": _share(progress),
        "metrics": dict(mapping(progress.get("metrics"))),
        "errors": list(sequence(progress.get("errors"))),
        "checkpoint": info.get("checkpoint"),
        "gpus": list(sequence(info.get("gpus"))),
        "gpu_problem": info.get("gpu_problem"),
        "memory": dict(mapping(info.get("memory"))) or None,
        "disk": dict(mapping(info.get("disk"))) or None,
        "features": _features(mapping(info.get("features"))),
        "log": {**{name: log.get(name) for name in ("path", "bytes", "age")}, "lines": list(sequence(log.get("lines")))},
        "runs": list(sequence(info.get("history"))),
        "session_runs": list(sequence(info.get("runs"))),
    }


_SET = ("target", "features", "digest")
_RUN = ("path", "exit_code", "signal", "command_line", "feature_status", "commit", "dirty", "attempts")


def _run(run: Mapping[str, Any]) -> dict[str, Any] | None:
    if not run:
        return None
    times = {name: iso(run.get(name)) for name in ("started", "ended")}
    return {**{name: run.get(name) for name in _RUN}, **times, "changes": list(sequence(run.get("changes")))}


def _features(features: Mapping[str, Any]) -> dict[str, Any]:
    data = mapping(features.get("data"))
    return {
        **{name: features.get(name) for name in ("count", "problem", "ready")},
        **{name: data.get(name) for name in ("digest", "at_start", "changed", "reason")},
        "changed_sets": list(sequence(data.get("changed_sets"))),
        "sets": [
            {"name": name, **{key: one.get(key) for key in _SET}, "problems": list(sequence(one.get("problems")))}
            for name, one in mapping(features.get("sets")).items()
        ],
    }


def _share(progress: Mapping[str, Any]) -> float | None:
    """How much of the training is over, by the time that is left."""
    each, left, epochs = (progress.get(name) for name in ("seconds_per_epoch", "seconds_left", "epochs"))
    if not (isinstance(each, (int, float)) and isinstance(left, (int, float)) and isinstance(epochs, int) and each > 0 and epochs > 0):
        return None
    return round(max(0.0, min(1.0, 1 - left / each / epochs)), 3)


def _expected_end(state: str, left: Any, now: datetime) -> str | None:
    if state != RUNNING or not isinstance(left, (int, float)):
        return None
    return (now.astimezone(UTC) + timedelta(seconds=max(0.0, min(left, 1e9)))).strftime(_TIME)


def iso(seconds: Any) -> str | None:
    """Seconds since the epoch as UTC time in ISO 8601; None for what is not a time."""
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def clean(value: Any) -> Any:
    """The same with every text printable: records and logs belong to the training user, who may write anything there."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
