# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The curves in a log: what each metric was after how many epochs. Pure, and bounded whatever a log holds.

A metric that is told once an epoch has a point at the epoch's number. One that is told more often has its points evenly between two
epochs, the last of them at the number. Where a log names no epoch, a point's place is its number in the log.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Iterable, List, Optional, Tuple

from . import log

MAX_SERIES = 12
_MOST = 2000  # points of a curve that are kept while reading

# "Train Loss: 0.5", "val_loss=0.5", "{'eval_loss': 0.5", "valid/acc: 71%"
_VALUE = re.compile(
    r"(?<![A-Za-z0-9_./@-])(?:(train|training|val|valid|validation|eval|dev|test)[ \t]+)?"
    r"([A-Za-z][A-Za-z0-9_./-]*)['\"]?\s*[:=]\s*['\"]?(" + log.NUMBER + r")(%)?(?![\w.:/])",
    re.IGNORECASE,
)
_CURVES = re.compile(
    r"(?:^|_)(?:loss|accuracy|f1(?:_score)?|precision|recall|auc|uar|wer|cer|mae|mse|rmse|perplexity|learning_rate)(?:$|_)"
)
_SHORT = {"acc": "accuracy", "lr": "learning_rate", "ppl": "perplexity"}
_STAGES = {"train": "", "training": "", "test": "test_", **dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "val_")}
# A summary repeats a value of an earlier epoch.
_SUMMARY = re.compile(r"\b(?:best|final)\b", re.IGNORECASE)

Point = Tuple[float, Optional[float]]  # epochs so far; the value, None where it is not a number


def curve_name(name: str, stage: str = "") -> str:
    """A metric's name as all trainers' curves are called here, C(val_accuracy) for C(Valid Acc); empty where it makes no curve."""
    words = [word for word in re.split(r"[_./-]+", name.lower()) if word]
    prefix = _STAGES.get(stage.lower(), "")
    if words and words[0] in _STAGES and len(words) > 1:
        prefix = _STAGES[words.pop(0)]
    base = "_".join(_SHORT.get(word, word) for word in words)
    return prefix + base if _CURVES.search(base) else ""


def curve_values(line: str) -> Tuple[Dict[str, Optional[float]], Optional[float]]:
    """The curves' values in a visible line, by name, and the epoch where it is said as a number with a fraction."""
    found: Dict[str, Optional[float]] = {}
    place = None
    for stage, name, text, percent in _VALUE.findall(line):
        value = float(text) / 100 if percent else float(text)
        if name.lower() == "epoch":
            place = value if "." in text and math.isfinite(value) else None
            continue
        name = curve_name(name, stage)
        if name:
            found[name] = value if math.isfinite(value) else None
    return found, place


class _Sample:
    """Items of a sequence of any length: each of them first, then every second, every fourth, and so on; and the last."""

    def __init__(self) -> None:
        self._kept: List[Any] = []
        self._step = 1
        self._last: Any = None
        self.count = 0

    def add(self, item: Any) -> None:
        if self.count % self._step == 0:
            self._kept.append(item)
            if len(self._kept) == 2 * _MOST:
                del self._kept[1::2]
                self._step *= 2
        self._last = item
        self.count += 1

    def items(self) -> List[Any]:
        return self._kept + [self._last] * (self.count > 0 and self._kept[-1] is not self._last)


class _Curve:
    """The points of one metric; those of the epoch that goes on wait for their place."""

    def __init__(self) -> None:
        self.points = _Sample()
        self.waiting = _Sample()
        self.lowest: Optional[Tuple[float, float]] = None  # value, place
        self.highest: Optional[Tuple[float, float]] = None

    def add(self, value: Optional[float]) -> None:
        self.waiting.add((self.waiting.count + 1, value))

    def place(self, start: float, end: float, told: int = 0) -> None:
        """Puts the waiting points evenly into (start, end]. told: how many there will be, where the epoch goes on."""
        told = max(self.waiting.count, told)
        for number, value in self.waiting.items():
            self.put(start + (end - start) * number / told, value)
        self.waiting = _Sample()

    def put(self, place: float, value: Optional[float]) -> None:
        self.points.add((place, value))
        if value is not None:
            if self.lowest is None or value < self.lowest[0]:
                self.lowest = (value, place)
            if self.highest is None or value > self.highest[0]:
                self.highest = (value, place)


class History:
    """Reads the lines of a log, oldest first; C(curves) when all are read."""

    def __init__(self) -> None:
        self._curves: Dict[str, _Curve] = {}
        self._epoch: Optional[float] = None
        self._first: Optional[float] = None
        self._place: Optional[float] = None
        self._share = 0.0  # how much of this epoch is over
        self._usual: Dict[str, int] = {}
        self.epochs: Optional[int] = None

    @property
    def done(self) -> Optional[float]:
        """How many epochs are over, as far as the log tells."""
        if self._place is not None:
            return self._place
        if self._epoch is None or self._first is None:
            return None
        done = self._epoch - 1 + self._share
        return done + 1 if self._first == 0 else done

    def read(self, lines: Iterable[str]) -> None:
        """Raw lines."""
        for raw in lines:
            line = log.visible(raw)[:log.MAX_READ]
            if not line or _SUMMARY.search(line):
                continue
            epoch, epochs = log.epoch_of(line)
            values, place = curve_values(line)
            self.epochs = epochs or self.epochs
            if place is None and epoch is not None and epoch != self._epoch:
                self._begin(float(epoch))
            share = log.share_of(line)
            self._share = self._share if share is None else share
            for name, value in values.items():
                if name not in self._curves and len(self._curves) == MAX_SERIES:
                    continue
                curve = self._curves.setdefault(name, _Curve())
                if place is not None:
                    self._place = place
                    curve.put(place, value)
                else:
                    curve.add(value)

    def _begin(self, epoch: float) -> None:
        self._finish()
        if self._epoch is not None and epoch < self._epoch:
            # Begun anew, as for another fold: no line leads back there.
            for curve in self._curves.values():
                curve.put(self._epoch, None)
        self._epoch, self._share = epoch, 0.0
        self._first = epoch if self._first is None else min(self._first, epoch)

    def _finish(self, goes_on: bool = False) -> None:
        for name, curve in self._curves.items():
            if self._epoch is None:
                # Before the first epoch is named: most often there is none, and the order is all that is known.
                curve.place(0.0, float(curve.waiting.count))
                continue
            usual = self._usual.get(name, 0) if goes_on else 0
            self._usual[name] = curve.waiting.count
            curve.place(self._epoch - 1, self._epoch, usual)

    def curves(self) -> Dict[str, List[Point]]:
        """All curves that have a point with a number."""
        self._finish(goes_on=True)
        return {name: one.points.items() for name, one in self._curves.items() if one.lowest is not None}

    def best(self) -> Optional[Dict[str, Any]]:
        """The epoch that was best, by the first of these that there is: validation loss, validation accuracy, loss."""
        for name, end in (("val_loss", "lowest"), ("val_accuracy", "highest"), ("loss", "lowest")):
            found = getattr(self._curves.get(name), end, None)
            if found is not None:
                return {"metric": name, "epoch": found[1], "value": found[0]}
        return None


def thin(points: List[Point], most: int) -> List[Point]:
    """At most so many points, evenly: of each stretch the lowest and the highest, so that no peak is lost; and the last."""
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
