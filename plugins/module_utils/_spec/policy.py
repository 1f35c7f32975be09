# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choices of a run that the plan depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Policy:
    """The options that the plan depends on, as the modules document them."""

    on_conflict: str = "fail"
    prune: str = "none"
    search_roots: Tuple[str, ...] = ()
    on_discovery: str = "fail"
    top_up: bool = False
    permissions: str = "grant"
