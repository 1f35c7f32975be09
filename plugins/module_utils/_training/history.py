# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The curves in a log, the last resort. Only unambiguous forms are read; a value whose stage or epoch is not certain is left out. Pure.

A curve has one point for each epoch that the log names: the last value that the log states in it. A value in an unfinished progress
bar is none, and a validation value in the bar of the current epoch may still be the last epoch's.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Optional, Tuple

from . import log, pace, series, values

_KERAS = re.compile(r"^\s*(\d{1,9})/(\d{1,9})\s")
_KERAS_LINE = re.compile(r"^\s*\d+/\d+ - \d")  # verbose=2: one line, no bar
_MAY_NAME_EPOCH = re.compile(r"epoch|Train: |^\s*\d+/\d+\s", re.IGNORECASE)
_TQDM = re.compile(r"\d{1,3}%\|")
_DICTIONARY = re.compile(r"^\s*\{.*['\"]epoch['\"]\s*:.*\}\s*$")


class History:
    """Reads the lines of a log, oldest first; curves() after the last one."""

    def __init__(self) -> None:
        self.series = series.Series()
        self.epochs = pace.Epochs()
        self._epoch: Optional[float] = None  # the current one; None behind a part that was not read
        self._values: Dict[str, float] = {}  # of the current epoch
        self._uncertain: Dict[str, float] = {}  # of the current epoch if its bar is the last one
        self._before: Dict[str, float] = {}  # validation values of the last bar, which a bar repeats until there are new ones
        self._bar: Optional[Tuple[int, float]] = None  # the current Keras bar: its number of steps, its progress
        self._bar_over = False
        self._dictionaries = False  # a trainer that prints dictionaries: its other lines are summaries
        self._in_step = False  # the last line that is not indented names a step: the values below it are that step's

    def read(self, lines: Iterable[Optional[str]]) -> None:
        """Raw lines, each state of a progress bar being one; None for a part that is left out."""
        partial: Optional[str] = None  # of a bar's unfinished states the last one counts
        for raw in lines:
            if raw and log.is_partial_bar(raw):
                partial = raw
                continue
            if partial is not None:
                self._read_raw(partial)
                partial = None
            if raw is None:
                self._epoch = None
                self._forget()
            else:
                self._read_raw(raw)
        if partial is not None:
            self._read_raw(partial)

    def _read_raw(self, raw: str) -> None:
        if self._epoch is None and not _MAY_NAME_EPOCH.search(raw, 0, log.MAX_READ):
            return
        line = log.without_rank(log.harmless(raw[: 2 * log.MAX_READ])).rstrip()[:log.MAX_READ]
        if not line or line.isspace():
            return
        place = log.place_of(line)
        if place != log.LogPlace():
            if _DICTIONARY.match(line):
                self._read_dictionary(line, place)
            else:
                self.epochs.add(place)
                self._read_line(line, place)

    def _read_line(self, line: str, place: log.LogPlace) -> None:
        if place.epoch is not None and place.epoch != self._epoch:
            self._end_epoch(place.epoch)
            self._epoch = place.epoch
        keras, tqdm = _KERAS.match(line), _TQDM.search(line)
        if keras and not self._is_same_bar(int(keras.group(1)), int(keras.group(2)), line):
            return  # of model.evaluate or model.predict
        below, self._in_step = self._in_step and line[0].isspace(), place.step or (self._in_step and line[0].isspace())
        if self._epoch is None or self._dictionaries or place.share != 1 or (tqdm and log.is_partial_bar(line)):
            return
        if (place.step or below) and not keras and not tqdm:
            return  # of the last step alone: only bars show the mean of all
        found = values.certain(line, bool(keras) or (tqdm is not None and place.epoch is not None))
        if tqdm and place.epoch is not None:
            self._uncertain = found
        elif keras:
            self._values.update(found)
        else:
            # Behind a Keras bar other values of its names are those of another epoch: a tuner's best, an evaluation.
            self._values.update((name, value) for name, value in found.items() if self._bar is None or name not in self._values)

    def _read_dictionary(self, line: str, place: log.LogPlace) -> None:
        self.epochs.add(place._replace(share=1.0))
        found = values.certain(line, True)
        if not self._dictionaries and any(not name.startswith("learning_rate") for name in found):
            self._dictionaries = True
            self._forget()
        if place.epoch is not None:
            for name, value in found.items():
                self.series.add(name, place.epoch, value)

    def _is_same_bar(self, step: int, steps: int, line: str) -> bool:
        """True for the bar of the epoch's training: the first one, as long as it does not go back."""
        if self._bar is None:
            self._bar = (steps, step)
        same = not self._bar_over and steps == self._bar[0] and step >= self._bar[1]
        self._bar_over = self._bar_over or not same or "val_" in line or bool(_KERAS_LINE.match(line))
        self._bar = (self._bar[0], step) if same else self._bar
        return same

    def _end_epoch(self, following: Optional[float]) -> None:
        number = self._epoch
        if number is not None:
            repeated = {name for name, value in self._uncertain.items() if name.startswith("val_") and self._before.get(name) == value}
            self._before.update(self._uncertain)
            self._values.update((name, value) for name, value in self._uncertain.items() if name not in repeated)
            for name, value in self._values.items():
                self.series.add(name, number, value)
            if following is not None and following < number:
                self.series.gap(number)
        self._forget()

    def _forget(self) -> None:
        self._values, self._uncertain, self._bar, self._bar_over = {}, {}, None, False

    def finish(self, over: bool) -> None:
        """End the reading. over: the run is, so that nothing more will be said about the current epoch."""
        if not over:
            self._uncertain = {name: value for name, value in self._uncertain.items() if not name.startswith("val_")}
        self._end_epoch(None)
