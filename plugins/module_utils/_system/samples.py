# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of what may be many, the first few are told."""

from __future__ import annotations

from typing import List, TypeVar

T = TypeVar("T")

SAMPLES = 10


def keep(samples: List[T], one: T) -> None:
    """Keeps one more, where there are few yet."""
    if len(samples) < SAMPLES:
        samples.append(one)
