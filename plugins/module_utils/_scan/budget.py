# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it may cost to look into directories that nobody described, and why such a look ended early."""

from __future__ import annotations

import time
from typing import Iterable, Iterator, List, NamedTuple

from .._system import paths, samples


class Bounds(NamedTuple):
    """What a search may cost. depth: levels of directories below a root; seconds; entries: names looked at."""

    depth: int = 12
    seconds: float = 20.0
    entries: int = 2000000


BOUNDS = Bounds()


class Budget:
    """What is left of the bounds. C(over): nothing is; C(cut_short): what was left out, a sentence each."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.deadline = time.monotonic() + bounds.seconds
        self.names = 0
        self.cut_short: List[str] = []
        self.over = False

    def cut(self, reason: str) -> None:
        """Notes what is left out; the first ten are kept."""
        samples.keep(self.cut_short, reason)

    def too_deep(self, path: str, depth: int) -> bool:
        """Whether a directory is left out for its depth."""
        if depth <= self.bounds.depth:
            return False
        self.cut(f"{paths.display(path)} lies more than {self.bounds.depth} levels deep")
        return True

    def spent(self, path: str) -> bool:
        """One more name is looked at, in this directory: whether that is one too many."""
        self.names += 1
        if self.names > self.bounds.entries and not self.over:
            self.cut(f"{self.bounds.entries} names were looked at when it came to {paths.display(path)}")
            self.over = True
        return self.over or (self.names % 64 == 1 and self.late(path))

    def late(self, path: str) -> bool:
        """Whether the time is up, when it comes to this directory."""
        if not self.over and time.monotonic() > self.deadline:
            self.cut(f"{self.bounds.seconds:g} seconds had passed when it came to {paths.display(path)}")
            self.over = True
        return self.over

    def in_time(self, names: Iterable[str], path: str) -> Iterator[str]:
        """The names of this directory, until the time is up."""
        for name in names:
            if self.late(path):
                return
            yield name
