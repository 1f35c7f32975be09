# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves of one host's runs as charts: what is drawn where, in an SVG's units. Pure; the page's template writes the markup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH, HEIGHT = 360.0, 208.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 12.0, 176.0
MOST_CHARTS = 6
MOST_TICKS = 6
_MOST = 1e300  # no axis goes further
STAGES = (("", "training"), ("val_", "validation"), ("test_", "test"))
FIRST, LAST = ("loss", "accuracy"), ("learning_rate",)
FLEET = ("val_loss", "loss", "val_accuracy", "accuracy")


@dataclass(frozen=True)
class Scale:
    """Values onto one axis of the drawing."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value is drawn; what is beyond the edge, at the edge."""
        value = max(self.low, min(self.high, value))
        low, high, value = (math.log10(one) if self.logarithmic else one for one in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers on the axis: place and text."""
        return [(self.at(value), f"{value:.6g}") for value in _round_numbers(self.low, self.high, self.logarithmic)]


@dataclass(frozen=True)
class Trace:
    """One curve: C(path) is the d of an SVG path, C(dots) are the points that stand alone, with no line to either side."""

    metric: str
    stage: str
    run: str
    newest: bool
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One metric with its validation twin, of all runs; C(best) is the place of the newest run's best epoch, with its text."""

    title: str
    axis: str
    x: Scale
    y: Scale
    lines: list[Trace] = field(default_factory=list)
    best: tuple[float, str] | None = None
    summary: str = ""


def charts_of(runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The charts of one host. runs: as C(training_info) returns them in C(history), the newest first."""
    bases: dict[str, None] = {}
    for run in runs:
        for name in run["curves"]:
            bases.setdefault(_split(name)[1])
    order = [*(name for name in FIRST if name in bases), *(name for name in bases if name not in FIRST + LAST)]
    order = order[: MOST_CHARTS - 1] + [name for name in LAST if name in bases]
    return [chart for chart in (_chart(name, runs) for name in order) if chart]


def _split(name: str) -> tuple[str, str]:
    """A curve's stage, empty for the training, and its metric."""
    return next(((stage, name[len(prefix) :]) for prefix, stage in STAGES[1:] if name.startswith(prefix)), ("", name))


def _chart(base: str, runs: Sequence[Mapping[str, Any]]) -> Chart | None:
    # The oldest first, so that the newest is drawn over them.
    found = [
        (run, prefix + base, stage, run["curves"][prefix + base])
        for run in reversed(runs)
        for prefix, stage in STAGES
        if prefix + base in run["curves"]
    ]
    known = [point for *_rest, points in found for point in points if point[1] is not None]
    if not any(sum(point[1] is not None for point in points) > 1 for *_rest, points in found):
        return None  # one point is no curve
    x = _fit((point[0] for point in known), LEFT, RIGHT)
    y = _fit((point[1] for point in known), BOTTOM, TOP, may_be_logarithmic=True)
    lines = [Trace(metric, stage, run["run"], run is runs[0], *_path(points, x, y)) for run, metric, stage, points in found]
    axis = str(runs[0].get("axis") or "epoch")
    return Chart(base.replace("_", " "), axis, x, y, lines, _best(runs[0], x), _summary(base, runs[0], axis))


def fleet_chart(hosts: Sequence[Mapping[str, Any]]) -> Chart | None:
    """The newest run of each host in one chart: the first of FLEET that most hosts have a curve of, over what most of them count."""
    runs = [(host, host["runs"][0]) for host in hosts if host["runs"]]
    counts = {(name, run["axis"]): 0 for name in FLEET for _host, run in runs}
    for _host, run in runs:
        for name in FLEET:
            counts[name, run["axis"]] += sum(point[1] is not None for point in run["curves"].get(name, ())) > 1
    name, axis = max(counts, key=lambda key: (counts[key], -FLEET.index(key[0])), default=("", ""))
    if not name or counts[name, axis] < 2:
        return None
    drawn = [(host, run["curves"][name]) for host, run in runs if run["axis"] == axis and len(run["curves"].get(name, ())) > 1]
    known = [point for _host, points in drawn for point in points if point[1] is not None]
    x = _fit((point[0] for point in known), LEFT, RIGHT)
    y = _fit((point[1] for point in known), BOTTOM, TOP, may_be_logarithmic=True)
    # Healthy hosts first, so that the others are drawn over them.
    drawn.sort(key=lambda one: not one[0]["healthy"])
    lines = [Trace(name, "healthy" if host["healthy"] else "attention", host["host"], True, *_path(points, x, y)) for host, points in drawn]
    title = " ".join(_split(name)).strip().replace("_", " ")
    return Chart(title, axis, x, y, lines, None, f"{title} of {len(lines)} hosts")


def _best(run: Mapping[str, Any], x: Scale) -> tuple[float, str] | None:
    best = run.get("best")
    if not best or run.get("axis") != "epoch" or not x.low <= best["epoch"] <= x.high:
        return None
    return x.at(best["epoch"]), f"best {best['metric']} {best['value']:.4g} at epoch {best['epoch']:.6g}"


def _summary(base: str, run: Mapping[str, Any], axis: str) -> str:
    """The chart for those who do not see it."""
    said = []
    for prefix, stage in STAGES:
        known = [point for point in run["curves"].get(prefix + base, ()) if point[1] is not None]
        if known:
            said.append(f"{stage} from {known[0][1]:.4g} to {known[-1][1]:.4g} at {axis} {known[-1][0]:.6g}")
    return f"{base.replace('_', ' ')}: {'; '.join(said) or 'of earlier runs only'}"


def _path(points: Iterable[Sequence[Any]], x: Scale, y: Scale) -> tuple[str, list[tuple[float, float]]]:
    """A line through the points, broken where a value is not a number."""
    parts: list[list[tuple[float, float]]] = [[]]
    for place, value in points:
        if value is None:
            parts.append([])
        else:
            parts[-1].append((x.at(place), y.at(value)))
    path = "".join("M" + "L".join(f"{left:g} {top:g}" for left, top in part) for part in parts if len(part) > 1)
    return path, [part[0] for part in parts if len(part) == 1]


def _fit(values: Iterable[float], start: float, end: float, may_be_logarithmic: bool = False) -> Scale:
    known = list(values)
    low, high = (max(-_MOST, min(_MOST, value)) for value in (min(known), max(known)))
    if may_be_logarithmic and low > 0 and high / low > 100:
        return Scale(low, high, start, end, logarithmic=True)
    if high - low <= abs(high) * 1e-9:
        # One value alone: in the middle.
        margin = abs(high) / 2 or 0.5
        low, high = low - margin, high + margin
    return Scale(low, high, start, end)


def _round_numbers(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
        step = max(1, math.ceil((last - first + 1) / MOST_TICKS))
        return [10.0**power for power in range(first, last + 1, step)]
    magnitude = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    width = next(one * magnitude for one in (1, 2, 5, 10, 20) if (high - low) / (one * magnitude) <= MOST_TICKS)
    first, last = math.ceil(low / width - 1e-9), math.floor(high / width + 1e-9)
    return [number * width for number in range(first, last + 1)]
