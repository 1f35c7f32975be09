# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health check of one host as lines of text, from the result of training_info; and the table of a fleet's trainings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...module_utils._training.verdict import duration
from .._report.table import NOTHING, Line, differing, rows_of
from .._report.words import count, fold, named, size

OK, BAD = "✓", "✗ WARNING:"
ENDED = " (the run has ended)"
MOST_RUNS = 5  # of a session in the full check
HEADINGS = ("HOST", "VERDICT", "EPOCH", "BEST", "EXPECTED END", "GPU", "DATA")


# Of the default sets (roles/prepare_features/defaults): whoever trains on nothing else has the trainer that they are made for.
ATTN_CRNN_TARGETS = frozenset(("/data/wav2vec_features", "/data/wav2vec_crema_d"))


def check_lines(host: str, info: Mapping[str, Any], options: Mapping[str, Any], alone: bool) -> list[str]:
    """What is printed of one host. options: of training_info; alone: True if the play has no other host."""
    if options["report"] == "none":
        return []
    targets = [one["target"] for one in info["features"]["sets"].values()] or [str(one.get("target")) for one in options["sets"]]
    known = ATTN_CRNN_TARGETS.issuperset(targets)
    title = options["title"] or ("ATTN-CRNN TRAINING HEALTH CHECK" if known else "TRAINING HEALTH CHECK")
    lines = health_lines(host, info, title, options["label"] or ("WAV2VEC" if known else ""))
    if options["report"] == "full" or not info["healthy"] or any(BAD in line for line in lines):
        return lines
    short = [line for line in lines if not line.startswith((" ", "Host:"))] + [line for line in lines if line.startswith("  epoch:")]
    if not info["process"]["running"]:
        short += [line for line in lines if line.endswith(ENDED)]
    if alone:
        return short
    return [f"{short[0]} {_printable(host)}: {'; '.join(line.strip() for line in short[1:])}"]


def health_lines(host: str, info: Mapping[str, Any], title: str, label: str) -> list[str]:
    """The whole check, the title first."""
    lines = [
        f"=== {title} ===",
        f"Host: {host} (user {info['user']}, {info['directory']})",
        *_session(info),
        *_features(info["features"], label),
        *_run(info),
        *_progress(info),
        *_machine(info),
        *_runs(info["runs"]),
        *_recent(info["log"]),
    ]
    # Records and logs belong to the training user: nothing in them may drive the terminal of whoever looks.
    return [_printable(line) for line in lines]


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def _session(info: Mapping[str, Any]) -> list[str]:
    name, process = info["session"]["name"], info["process"]
    active = info["session"]["active"]
    # What is gone once a run has ended well is not missing.
    gone, why = (" ", ENDED) if info["healthy"] and not process["running"] else (BAD, "")
    lines = [f"{OK} tmux session '{name}' is active" if active else f"{gone} tmux session '{name}' not found{why}"]
    if process["running"]:
        lines.append(f"{OK} training process is running (process {process['pid']})")
    else:
        lines.append(f"{gone} training process not running{why}")
    lines += [f"  also in the session: {one['name']} (process {one['pid']})" for one in process["others"]]
    return lines + [
        f"{BAD} process {one['pid']} ({one['name']}, {duration(one['age'])} old) outlived its training: deploy_training_restart or"
        " deploy_training_state=stopped ends it"
        for one in process.get("outlived") or []
    ]


def _features(features: Mapping[str, Any], label: str) -> list[str]:
    what = f"{label} feature files" if label else "feature files"
    if features["count"] is None:
        return [f"{BAD} {what} not counted: {features['problem']}"]
    lines = [f"{what} found: {features['count']}"]
    for name, one in features["sets"].items():
        lines.append(f"  {name}: {one['features']} in {one['target']}")
        lines += [f"    {BAD} {problem}" for problem in one["problems"]]
    return lines + _data(features["data"])


def _data(data: Mapping[str, Any]) -> list[str]:
    """Whether the data are those that the run was started with."""
    if data["changed"]:
        return [f"{BAD} the data of {', '.join(data['changed_sets'])} have changed since the run was started"]
    if data["changed"] is None:
        # A host without a run has nothing to compare with.
        return [f"  data: unknown whether changed since the start: {data['reason']}"] if data["at_start"] else []
    return [f"{OK} data unchanged since the run was started (digest {data['digest'][:12]})"]


def _run(info: Mapping[str, Any]) -> list[str]:
    run = info["run"]
    mark = OK if info["healthy"] else BAD
    lines = [f"{mark} last run: {info['sentence']}"]
    if run:
        times = f" ({duration(run['ended'] - run['started'])})" if run["started"] and run["ended"] else ""
        status = run["feature_status"]
        lines.append(f"  run: {run['path']}{times}, feature status {'null' if status is None else status} at the start")
        lines.append(f"  command: {run['command_line']}")
        if run.get("commit"):
            lines.append(f"  {commit_text(run)}".replace("commit ", "commit: ", 1))
        if run.get("changes"):
            lines.append(f"  against the run before: {'; '.join(run['changes'])}")
        if (run.get("attempts") or 1) > 1:
            lines.append(f"  attempt: {run['attempts']}")
    return lines


def _runs(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last runs of the session, if there are several."""
    shown = ["; ".join(run_cells(one)) for one in table[:MOST_RUNS]] if len(table) > 1 else []
    return [f"  runs: {len(table)}, the last ones:", *(f"    {line}" for line in shown)] if shown else []


def run_cells(one: Mapping[str, Any]) -> list[str]:
    """What is known of a run, for its line of the table: name, end, duration, best value, commit, data, what changed."""
    cells = [one["run"], f"{one['state']}{' (' + one['outcome'] + ')' if one['outcome'] else ''}"]
    cells += [duration(one["seconds"])] if one["seconds"] is not None else []
    cells += [f"{one['attempts']} attempts"] if one["attempts"] > 1 else []
    cells += [f"best {best_text(one['best'])}"] if one["best"] else []
    cells += [commit_text(one)] if one["commit"] else []
    cells += [f"data {one['digest'][:12]}"] if one["digest"] else []
    return cells + changes_of(one)


def changes_of(run: Mapping[str, Any]) -> list[str]:
    """How a run differs from the one before, without its commit and data, which its line has."""
    return [text for text in run["changes"] if not text.startswith(("commit ", "data ", "uncommitted"))]


def best_text(best: Mapping[str, Any]) -> str:
    """C(val_loss 1.3 at epoch 3)."""
    return f"{best['metric']} {_number(best['value'])} at {best['axis']} {best['epoch']:g}"


def commit_text(run: Mapping[str, Any]) -> str:
    """C(commit 3f2a9c1d0b6a, with uncommitted changes)."""
    return f"commit {run['commit'][:12]}{', with uncommitted changes' if run['dirty'] else ''}"


def _progress(info: Mapping[str, Any]) -> list[str]:
    progress, age, checkpoint = info["progress"], info["log"]["age"], info["checkpoint"]
    lines = []
    if progress["epoch"] is not None:
        total = f"/{progress['epochs']}" if progress["epochs"] else ""
        each, left = progress.get("seconds_per_epoch"), progress.get("seconds_left")
        pace = f", {duration(each)} each" if each is not None else ""
        end = f", {expected_end(left, datetime.now())}" if left is not None and info["process"]["running"] else ""
        lines.append(f"  epoch: {progress['epoch']}{total}{pace}{end}")
    if progress["metrics"]:
        metrics = progress["metrics"]
        lines.append("  metrics: " + ", ".join(f"{name} {_number(value)}" for name, value in metrics.items()))
        lines += [f"  {BAD} {name} is {value}" for name, value in metrics.items() if isinstance(value, str)]
    lines += [f"  error in the log: {line}" for line in progress["errors"] if line not in info["sentence"]]
    if info["process"]["running"] and age is not None:
        lines.append(f"  log: last line {duration(age)} ago")
    if checkpoint:
        what = f"{size(checkpoint['bytes'])}, {duration(checkpoint['age'])} old"
        lines.append(f"{OK} checkpoint: {checkpoint['path']} ({what})")
    else:
        lines.append("  checkpoint: none yet")
    return lines


def expected_end(left: float, now: datetime) -> str:
    """C(expected end 14:32, in 2 h 5 min), by the clock of whoever looks; with the date where it is another day."""
    end = now + timedelta(seconds=min(left, 1e9))
    clock = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"expected end {clock}, in {duration(left)}"


def with_expected_end(lines: list[str], expected: Mapping[str, Any] | None, now: datetime) -> list[str]:
    """The lines of a log as the follower shows them: the run's expected end beside the last one that names its epoch."""
    if not expected:
        return lines
    at = expected["line"]
    return [*lines[:at], f"{lines[at]}  ({expected_end(expected['left'], now)})", *lines[at + 1 :]]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def _machine(info: Mapping[str, Any]) -> list[str]:
    lines = [f"  {gpu_text(gpu)}" for gpu in info["gpus"]]
    if info.get("gpu_problem"):
        lines.append(f"{BAD} {info['gpu_problem']}")
    memory, disk = info["memory"], info["disk"]
    if memory["total"] and memory["available"] is not None:
        lines.append(f"  memory: {size(memory['available'])} of {size(memory['total'])} available")
    if disk["total"] and disk["free"] is not None:
        lines.append(f"  disk: {size(disk['free'])} of {size(disk['total'])} free")
    return lines


def gpu_text(gpu: Mapping[str, Any]) -> str:
    """C(GPU 0: Tesla T4, 97 % used, 11019 of 15360 MiB), without what is not known."""
    said = [str(gpu["name"])]
    said += [f"MIG {gpu['instance']}"] if gpu.get("instance") else []
    said += [f"{gpu['use']} % used"] if gpu["use"] is not None else []
    if gpu["memory_total"] is not None:
        used = "" if gpu["memory_used"] is None else f"{gpu['memory_used']} of "
        said.append(f"{used}{gpu['memory_total']} MiB")
    index = "" if gpu["index"] is None else f" {gpu['index']}"
    return f"GPU{index}: {', '.join(said)}"


def _recent(log: Mapping[str, Any]) -> list[str]:
    return ["  recent log:", *(f"    {line}" for line in log["lines"])] if log["lines"] else []


def training_table(report: Mapping[str, Any], width: int) -> list[Line]:
    """Return the lines, each with the verdict that it stands for ("" for none): the caller picks colours. Unhealthy hosts come first.

    report: the document of C(fleet.document); width: columns of the terminal.
    """
    hosts = sorted(report["hosts"], key=lambda host: bool(host["healthy"]))
    rows = [(cells_of(host), _blocks(host), host["state"]) for host in hosts]
    return [*rows_of(HEADINGS, rows, width), *differing(report, width), *_summary(report, hosts, width)]


def _blocks(host: Mapping[str, Any]) -> list[Line]:
    message = [] if host["healthy"] else [(host["message"], host["state"])]
    return message + ([(host["gpu_problem"], "failed")] if host["gpu_problem"] else [])


def cells_of(host: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one host's cells, C(-) for what is not known."""
    epoch = NOTHING if host["epoch"] is None else f"{host['epoch']:g}" + (f"/{host['epochs']}" if host["epochs"] else "")
    best = host["runs"][0]["best"] if host["runs"] else None
    shown = f"{best['metric']} {best['value']:.4g} at {best['epoch']:g}" if best else NOTHING
    end = host["expected_end"][:16].replace("T", " ") + "Z" if host["expected_end"] else NOTHING
    data = {True: "changed", False: "unchanged"}.get(host["features"]["changed"], NOTHING)
    return host["host"], host["state"], epoch, shown, end, gpu_cell(host), data


def gpu_cell(host: Mapping[str, Any]) -> str:
    """Return the use of a host's GPUs in few characters."""
    if host["gpu_problem"]:
        return "trouble"
    uses = [gpu["use"] for gpu in host["gpus"] if gpu["use"] is not None]
    if not uses:
        return f"{len(host['gpus'])}" if host["gpus"] else NOTHING
    use = f"{min(uses)} %" if min(uses) == max(uses) else f"{min(uses)}-{max(uses)} %"
    return use if len(host["gpus"]) == 1 else f"{len(host['gpus'])}: {use}"


def _summary(report: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    states = ", ".join(f"{amount} {state}" for state, amount in report["summary"]["states"].items() if amount)
    lines = [(line, "") for line in fold(f"{count(report['summary']['hosts'], 'host')}: {states}.", width, "", "  ")]
    bad = [host["host"] for host in hosts if not host["healthy"]]
    return lines + [(line, "failed") for line in (fold(f"Need attention: {named(bad)}", width, "", "  ") if bad else [])]
