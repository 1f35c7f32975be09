# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long an epoch takes, and when the last one will end. Pure."""

from __future__ import annotations

from typing import NamedTuple, Optional

from . import log


class Pace(NamedTuple):
    """Seconds of one epoch, and seconds until the last one ends; None where a log does not tell."""

    epoch: Optional[float] = None
    left: Optional[float] = None


def epochs_done(line: str) -> Optional[float]:
    """How many epochs are over when this line is written, out of those it names (C(Epoch 3/30)); None where it names none.

    A line with a bar is written where the bar says, one that has the epoch's metrics at its end, another at its beginning.
    """
    epoch, epochs = log.epoch_of(line)
    if epoch is None or epochs is None:
        return None
    return epoch - 1 + (log.share_of(line) or 0.0)


def pace(elapsed: Optional[float], done: Optional[float], epochs: Optional[float]) -> Pace:
    """Of a run whose first C(done) of C(epochs) took C(elapsed) seconds, all told."""
    if elapsed is None or elapsed < 0 or not done or done <= 0:
        return Pace()
    epoch = elapsed / done
    return Pace(epoch, max(0.0, (epochs - done) * epoch) if epochs else None)
