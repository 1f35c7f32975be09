# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The curves of a session's last runs, from their logs. Runs as the training user; reads a bounded part of each log, once."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Tuple

from .. import errors
from . import pace, reading
from .history import History, Point, thin
from .runs import Run, read_run, runs_of

RUNS = 5
POINTS = 2000  # of all curves of all runs
_NEWEST = 4 << 20  # bytes of the newest run's log that are read
_OLDER = 1 << 20  # and of each other
_WINDOW = 64 << 10
_NAME = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?\Z")


def session_curves(directory: str, session: str, newest: Optional[Run], now: float) -> List[Dict[str, Any]]:
    """One entry for each of the last runs, the newest first: its curves, its best epoch, its pace."""
    if newest is None:
        return []
    runs = [newest, *_runs_before(directory, session, newest.name)]
    budget = POINTS // 2 if len(runs) > 1 else POINTS
    found = [_curves_of(newest, _NEWEST, budget, now)]
    found += [_curves_of(run, _OLDER, (POINTS - budget) // (len(runs) - 1), now) for run in runs[1:]]
    return found


def _runs_before(directory: str, session: str, name: str) -> List[Run]:
    root = runs_of(directory, session)
    try:
        names = sorted((one for one in os.listdir(root) if _NAME.match(one) and one != name), reverse=True)
    except OSError:
        return []
    runs = []
    for one in names[: RUNS - 1]:
        try:
            runs.append(read_run(os.path.join(root, one)))
        except errors.FeatureError:
            continue  # damaged: no reason to hide the others
    return runs


def _curves_of(run: Run, limit: int, points: int, now: float) -> Dict[str, Any]:
    history, whole = History(), True
    try:
        lines, whole = sample_lines(run, limit)
        history.read(lines)
    except (OSError, errors.FeatureError):
        pass  # no log, or none that may be read
    curves = history.curves()
    each = max(2, points // len(curves)) if curves else 0
    state = run.state
    measured = pace.pace(reading.elapsed(run, now), history.done, history.epochs)
    return {
        "run": run.name,
        "started": state.get("started"),
        "ended": state.get("ended"),
        "exit_code": state.get("exit_code"),
        "signal": state.get("signal"),
        "axis": "report" if history.done is None else "epoch",
        "epochs": history.epochs,
        "seconds_per_epoch": measured.epoch,
        "seconds_left": None if "ended" in state else measured.left,
        "best": history.best(),
        "sampled": not whole,
        "curves": {name: [_rounded(point) for point in thin(one, each)] for name, one in curves.items()},
    }


def sample_lines(run: Run, limit: int) -> Tuple[List[str], bool]:
    """The log's lines, and whether they are all: of a log longer than C(limit) bytes those of windows evenly over it."""
    handle = reading.open_log(run)
    try:
        size = os.fstat(handle).st_size
        if size <= limit:
            return os.pread(handle, limit, 0).decode("utf-8", "replace").split("\n"), True
        lines: List[str] = []
        last = limit // _WINDOW - 1
        for number in range(last + 1):
            start = number * (size - _WINDOW) // last
            found = os.pread(handle, _WINDOW, start).decode("utf-8", "replace").split("\n")
            # Cut are the first and the last, but for those of the log itself.
            lines += found[1 if number else 0 : -1 if number < last else None]
        return lines, False
    finally:
        os.close(handle)


def _rounded(point: Point) -> List[Optional[float]]:
    place, value = point
    return [round(place, 4), None if value is None else float(f"{value:.6g}")]
