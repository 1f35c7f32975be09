# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long an epoch takes, and when the last one will end. Pure."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Optional

from . import log


class Pace(NamedTuple):
    """Seconds per epoch, and seconds until the last one ends; None if a log does not say."""

    epoch: Optional[float] = None
    left: Optional[float] = None


class Epochs:
    """The epochs that a log names, in order: where a resumed run began, and what a restart did again.

    number, first: the current epoch and the first one, as the log names them. total: of how many. share: of the current one, what is over.
    """

    def __init__(self) -> None:
        self.number: Optional[float] = None
        self.first: Optional[float] = None
        self.total: Optional[int] = None
        self.share = 0.0
        self._lowest = 1.0
        self._begin = 0.0  # of this stretch: epochs that were over when it began
        self._worked = 0.0  # epochs of the stretches before it
        self.restarted = False
        self._several = False  # trainings one after the other, e.g. folds or trials: how many is not known
        self.sampled = False  # only a part of the log was read
        self.done_before: Optional[float] = None  # done_here when the first epoch was named

    def add(self, place: log.LogPlace) -> None:
        """Take in what one line says."""
        if place.epoch is not None and place.epoch != self.number:
            self._move_to(place.epoch)
        self.total = place.epochs or self.total
        if place.share is not None:
            self.share = place.share
        if self.done_before is None and self.number is not None:
            self.done_before = self.done_here

    def _move_to(self, epoch: float) -> None:
        self._lowest = min(self._lowest, epoch)
        self.first = epoch if self.first is None else self.first
        whole = epoch == int(epoch)
        if self.number is None or epoch < self.number:
            self._worked = self.done_here
            self.restarted = self.number is not None
            self._several = self._several or (self.restarted and self.left == 0)
            # A fraction says how many epochs are over; where such a run was resumed is not known.
            self._begin = epoch - 1 if whole else 0.0
        self.number, self.share = epoch, 0.0 if whole else 1.0

    @property
    def done_here(self) -> float:
        """Epochs that this run has worked through, those that a restart did again included."""
        if self.number is None:
            return 0.0
        return self._worked + max(0.0, self._over - self._begin)

    @property
    def _over(self) -> float:
        number = self.number or 0.0
        return number - 1 + self.share if number == int(number) else number

    @property
    def left(self) -> Optional[float]:
        """Epochs until the last one ends. Epochs that are counted from 0 are one further than their number."""
        if self.number is None or self.total is None or self._several:
            return None
        return max(0.0, self.total - self._over - (1 if self._lowest == 0 else 0))


def read_epochs(lines: Iterable[Optional[str]]) -> Epochs:
    """Return the epochs that raw lines name, oldest first."""
    epochs = Epochs()
    for raw in filter(None, lines):
        if not log.is_partial_bar(raw) or "poch" in raw:
            epochs.add(log.place_of(log.without_rank(log.harmless(raw))[:log.MAX_READ]))
    return epochs


class Elapsed(NamedTuple):
    """Seconds that a run took: since the log named the first epoch if that moment is on record, else since the start."""

    seconds: float
    since_named: bool


def pace(elapsed: Optional[Elapsed], epochs: Epochs) -> Pace:
    """Return the pace of a run that did these epochs meanwhile."""
    if elapsed is None or elapsed.seconds <= 0 or (epochs.sampled and epochs.restarted):
        return Pace()
    done = epochs.done_here - ((epochs.done_before or 0.0) if elapsed.since_named else 0.0)
    if done <= 0:
        return Pace()
    epoch = elapsed.seconds / done
    return Pace(epoch, None if epochs.left is None else epochs.left * epoch)
