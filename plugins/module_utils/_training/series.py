# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The curves of one run in bounded memory, whatever a file holds. Pure."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Tuple

MAX_SERIES = 12
_MOST = 2000  # points of a curve that are kept while reading
# What a run's summary and best epoch are taken from: kept first if there are more curves than MAX_SERIES.
FIRST = ("loss", "val_loss", "accuracy", "val_accuracy")

Point = Tuple[float, Optional[float]]  # epoch or step; the value, None if it is not a finite number


class _Curve:
    """A sample of the points: all of them first, then every second, every fourth, and so on; and the last."""

    def __init__(self) -> None:
        self._kept: List[Point] = []
        self._step = 1
        self._count = 0
        self._last: Optional[Point] = None
        self.newest = math.nan
        self.lowest: Optional[Tuple[float, float]] = None  # value, place
        self.highest: Optional[Tuple[float, float]] = None

    def add(self, place: float, value: Optional[float]) -> None:
        known = value if value is not None and math.isfinite(value) else None
        self._last = (place, known)
        if self._count % self._step == 0:
            self._kept.append(self._last)
            if len(self._kept) == 2 * _MOST:
                del self._kept[1::2]
                self._step *= 2
        self._count += 1
        self.newest = self.newest if value is None else value
        if known is not None:
            if self.lowest is None or known < self.lowest[0]:
                self.lowest = (known, place)
            if self.highest is None or known > self.highest[0]:
                self.highest = (known, place)

    def points(self) -> List[Point]:
        return self._kept if self._last is None or self._kept[-1] is self._last else [*self._kept, self._last]


class Series:
    """Curves by name, filled one point at a time in the order of the training."""

    def __init__(self) -> None:
        self._curves: Dict[str, _Curve] = {}

    def add(self, name: str, place: float, value: Optional[float]) -> None:
        """Add a point. Names beyond MAX_SERIES are dropped."""
        if name not in self._curves and len(self._curves) >= MAX_SERIES and name not in FIRST:
            return
        self._curves.setdefault(name, _Curve()).add(place, value)

    def gap(self, place: float) -> None:
        """Break all curves: no line leads from here to an earlier epoch."""
        for curve in self._curves.values():
            curve.add(place, None)

    def curves(self) -> Dict[str, List[Point]]:
        """Return the points of each curve that has a finite value."""
        return {name: one.points() for name, one in self._curves.items() if one.lowest is not None}

    def newest(self) -> Dict[str, float]:
        """Return the last value of each curve; it can be nan or infinite."""
        return {name: one.newest for name, one in self._curves.items()}

    def best(self) -> Optional[Dict[str, Any]]:
        """Return the best epoch by the first of these that exists: validation loss, validation accuracy, loss."""
        for name, end in (("val_loss", "lowest"), ("val_accuracy", "highest"), ("loss", "lowest")):
            found = getattr(self._curves.get(name), end, None)
            if found is not None:
                return {"metric": name, "epoch": found[1], "value": found[0]}
        return None


def thin(points: List[Point], most: int) -> List[Point]:
    """Return at most so many points, evenly: the lowest and the highest of each stretch, so that no peak is lost; and the last."""
    if len(points) <= most:
        return points
    stretches = max(1, (most - 1) // 2)
    kept: List[Point] = []
    for number in range(stretches):
        part = points[number * (len(points) - 1) // stretches : (number + 1) * (len(points) - 1) // stretches]
        known = [(value, index) for index, (_place, value) in enumerate(part) if value is not None]
        if known:
            kept += [part[index] for index in sorted({min(known)[1], max(known)[1]})]
        elif part:
            kept.append(part[0])
    return (kept + points[-1:])[:most] if most > 1 else points[-1:]
