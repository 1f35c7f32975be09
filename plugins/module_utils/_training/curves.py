# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The curves of a session's last runs: from the files that the trainer wrote, else from the log. Runs as the training user; reads a
bounded part of each file, once."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from .. import errors
from .._system import paths
from . import history, log, outputs, pace, reading, series, tables
from .runs import Run

RUNS = 5
POINTS = 2000  # of all curves of all runs
NEWEST = 2 << 20  # bytes of the newest run's log or metrics that are read
_OLDER = 256 << 10  # and of each other run's


@dataclass
class RunCurves:
    """What a run says of itself. source: the kind of the file that the curves are from, and its path; epochs: as the log names them."""

    series: series.Series = field(default_factory=series.Series)
    axis: str = "epoch"
    source: Optional[Dict[str, str]] = None
    epochs: pace.Epochs = field(default_factory=pace.Epochs)
    sampled: bool = False

    def progress(self) -> Dict[str, Any]:
        """The part of a module's result; V(nan) and the infinities, which JSON lacks, as text."""
        number = self.epochs.number
        return {
            "epoch": int(number) if number is not None and number == int(number) else number,
            "epochs": self.epochs.total,
            "metrics": {name: value if math.isfinite(value) else str(value) for name, value in self.series.newest().items()},
        }


def read_curves(run: Optional[Run], directory: str = "", patterns: Sequence[str] = (), limit: int = NEWEST) -> RunCurves:
    """Read what a run says of itself. patterns: globs of the files with metrics, below the working directory or the run's project."""
    read = RunCurves()
    if run is None:
        return read
    with contextlib.suppress(OSError, errors.FeatureError):  # no log, or one that must not be read
        _read_log(run, limit * 3 // 4, read)
    if directory:
        _read_files(run, directory, [str(one) for one in run.record.get("metrics") or patterns], limit, read)
    return read


def _read_files(run: Run, directory: str, patterns: Sequence[str], limit: int, read: RunCurves) -> None:
    for metrics in outputs.read_metrics(run, directory, patterns, limit):
        found, axis, epoch = tables.curves_of(metrics.entries, read.epochs.first)
        if not found.curves():
            continue
        read.series, read.axis, read.sampled = found, axis, metrics.sampled
        read.source = {"kind": metrics.kind, "path": paths.display(metrics.path)}
        if read.epochs.number is None and epoch is not None:
            read.epochs.add(log.LogPlace(epoch))
        return


def _read_log(run: Run, limit: int, read: RunCurves) -> None:
    found = history.History()
    with reading.opened(run.log) as handle:
        read.sampled = os.fstat(handle).st_size > limit
        found.read(reading.sampled_lines(handle, limit))
    found.finish("ended" in run.state)
    read.series, read.epochs = found.series, found.epochs
    read.epochs.sampled = read.sampled
    read.source = {"kind": "log", "path": run.log} if found.series.curves() else None


def session_curves(
    directory: str, listed: Sequence[Run], newest: Optional[Run], read: RunCurves, now: float, patterns: Sequence[str] = ()
) -> List[Dict[str, Any]]:
    """One entry for each of the last runs, the newest first: its curves, its best epoch, its pace. listed: the runs of the session."""
    if newest is None:
        return []
    older = [run for run in listed if run.name != newest.name][: RUNS - 1]
    budget = POINTS // 2 if older else POINTS
    found = [_entry(newest, read, budget, now)]
    return found + [_entry(run, read_curves(run, directory, patterns, _OLDER), (POINTS - budget) // len(older), now) for run in older]


def _entry(run: Run, read: RunCurves, points: int, now: float) -> Dict[str, Any]:
    curves = read.series.curves()
    each = max(2, points // len(curves)) if curves else 0
    state = run.state
    return {
        "run": run.name,
        **{name: state.get(name) for name in ("started", "ended", "exit_code", "signal")},
        "axis": read.axis,
        "source": read.source,
        "epochs": read.epochs.total,
        **pace_of(run, read, now),
        "best": read.series.best(),
        "sampled": read.sampled,
        "curves": {name: [_rounded(point) for point in series.thin(one, each)] for name, one in curves.items()},
    }


def pace_of(run: Optional[Run], read: RunCurves, now: float) -> Dict[str, Optional[float]]:
    """Return seconds per epoch, and those until the last one ends; None if the log does not say, or nothing is left of an ended run."""
    found = pace.pace(reading.elapsed(run, now), read.epochs)
    return {"seconds_per_epoch": found.epoch, "seconds_left": None if run and "ended" in run.state else found.left}


def _rounded(point: series.Point) -> List[Optional[float]]:
    place, value = point
    return [round(place, 4), None if value is None else float(f"{value:.6g}")]
