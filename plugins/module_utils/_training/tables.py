# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metrics in files that trainers write: rows of CSV files and JSON objects, and the curves that follow from them. Pure."""

from __future__ import annotations

import csv
import json
import math
import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from . import series, tensorboard, values

MAX_ENTRIES = 100000
_NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)\s*\Z", re.IGNORECASE)
FLAT = re.compile(r"\{[^{}]*\}")  # an object without an object in it: of a trainer state, an entry of its history
_STAGE_KEYS = ("phase", "split", "mode", "stage", "subset")
_SUMMARY = "train_runtime"  # Hugging Face's last entry, over the whole run
_EPOCHS = re.compile(r"epoch[_/]")  # Keras' TensorBoard callback counts epochs as steps


class TableEntry(NamedTuple):
    """One value with the epoch and the step that its file gives; stage is None if no name has one."""

    epoch: Optional[float]
    step: Optional[float]
    base: str
    stage: Optional[str]
    value: float


def csv_entries(header: str, lines: Iterable[str], stage: Optional[str]) -> Iterator[TableEntry]:
    """Yield the values of a CSV file whose header has C(epoch) or C(step). stage: of the file's name."""
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    lower = [name.lower() for name in names]
    places = [lower.index(name) if name in lower else None for name in ("epoch", "step")]
    if places == [None, None]:
        return
    columns = [(at, *_named(name, stage)) for at, name in enumerate(names)]
    columns = [column for column in columns if values.is_metric(column[1])]
    for line in lines:
        cells = next(csv.reader([line], delimiter=delimiter), [])
        if len(cells) != len(names):
            continue
        epoch, step = (None if at is None else _number(cells[at]) for at in places)
        if epoch is None and step is None:
            continue
        for at, base, own in columns:
            value = _number(cells[at])
            if value is not None:
                yield TableEntry(epoch, step, base, own, value)


def json_entries(texts: Iterable[str], stage: Optional[str]) -> Iterator[TableEntry]:
    """Yield the values of JSON objects with C(epoch) or C(step), those of nested objects included."""
    for text in texts:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(found, dict) or _SUMMARY in found:
            continue
        epoch, step = _number(found.get("epoch")), _number(found.get("step"))
        if epoch is None and step is None:
            continue
        own = next((values.stage_of(found[key]) for key in _STAGE_KEYS if isinstance(found.get(key), str)), stage)
        for name, value in _flattened(found):
            base, said = _named(name, own)
            number = _number(value)
            if number is not None and values.is_metric(base):
                yield TableEntry(epoch, step, base, said, number)


def event_entries(scalars: Iterable[tensorboard.Scalar], stage: Optional[str]) -> Iterator[TableEntry]:
    """Yield the values of event files. stage: of the file's directory."""
    for tag, step, value in scalars:
        epochs = _EPOCHS.match(tag)
        base, own = _named(tag[epochs.end() :] if epochs else tag, stage)
        if values.is_metric(base):
            yield TableEntry(float(step) if epochs else None, None if epochs else float(step), base, own, value)


def _named(name: str, stage: Optional[str]) -> Tuple[str, Optional[str]]:
    if name.startswith("metrics/"):
        return values.curve_name(name[8:])[0], values.VAL  # ultralytics: of the validation
    base, own = values.curve_name(name)
    return base, stage if own is None else own


def _flattened(found: Mapping[str, Any]) -> Iterator[Tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _number(value: Any) -> Optional[float]:
    """A number as files have it, not finite ones included; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not _NUMBER.match(value):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def curves_of(entries: Sequence[TableEntry], named: Optional[float] = None) -> Tuple[series.Series, str, Optional[float]]:
    """Return the curves of one run's files, what their points count, and the last epoch. A name without a stage is the training's if it has
    a validation twin, or is a loss or the learning rate.

    named: the first epoch as the log names it. Keras calls that epoch one less in its files: the log's numbers are those of the curves.
    """
    names = {(entry.base, entry.stage) for entry in entries}
    staged = [(entry, name) for entry in entries for name in [_curve(entry, names)] if name]
    axis = _axis(staged)
    first = min((entry.epoch for entry, _name in staged if entry.epoch is not None), default=None)
    shift = 1.0 if first is not None and first + 1 == named else 0.0
    found, epoch = series.Series(), None
    last: Dict[str, float] = {}
    order = sorted({name: None for _entry, name in staged}, key=lambda name: name not in series.FIRST)
    kept = set(order[:series.MAX_SERIES])
    for entry, name in _last_of_epochs(staged) if axis == "epoch" else staged:
        place = entry.step if axis == "step" else None if entry.epoch is None else entry.epoch + shift
        epoch = entry.epoch if entry.epoch is not None else epoch
        if name not in kept or place is None or not math.isfinite(place):
            continue
        if place < last.get(name, place):
            found.add(name, place, None)  # begun again: no line leads back
        last[name] = place
        found.add(name, place, entry.value)
    return found, axis, epoch


def _curve(entry: TableEntry, names: Set[Tuple[str, Optional[str]]]) -> str:
    if entry.base.endswith("_step") and (entry.base[:-5], entry.stage) in names:
        return ""  # Lightning: the same metric's mean over the epoch is there
    if entry.stage is not None:
        return ("" if entry.base.startswith("learning_rate") else entry.stage) + entry.base
    if (entry.base, values.TRAIN) in names:
        return ""
    plain = entry.base == "loss" or entry.base.endswith("_loss") or entry.base.startswith("learning_rate")
    return entry.base if plain or (entry.base, values.VAL) in names else ""


def _last_of_epochs(staged: Sequence[Tuple[TableEntry, str]]) -> List[Tuple[TableEntry, str]]:
    """The last value of each epoch: a file that counts no steps may have several."""
    kept: List[Tuple[TableEntry, str]] = []
    following: Dict[str, Optional[float]] = {}
    for entry, name in reversed(staged):
        if name not in following or following[name] != entry.epoch:
            kept.append((entry, name))
        following[name] = entry.epoch
    return kept[::-1]


def _axis(staged: Sequence[Tuple[TableEntry, str]]) -> str:
    """Epochs, unless a curve has several points in one epoch and the file counts steps."""
    if all(entry.epoch is None for entry, _name in staged):
        return "step"
    last: Dict[str, Optional[float]] = {}
    for entry, name in staged:
        if entry.epoch is not None and last.get(name) == entry.epoch and entry.step is not None:
            return "step"
        last[name] = entry.epoch
    return "epoch"
