# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables too wide for each run: `make test` runs some of their rows, `make faults` (``--full``) all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def part(cases: Iterable[str], *short: str) -> list[Any]:
    """Parameters: all of them with ``--full``, else those named."""
    return [one if one in short else pytest.param(one, marks=pytest.mark.full) for one in cases]


def spread(points: Sequence[Any], most: int) -> list[Any]:
    """At most that many of them, at equal distances, with the first and the last."""
    if len(points) <= most:
        return list(points)
    return [points[number * (len(points) - 1) // (most - 1)] for number in range(most)]
