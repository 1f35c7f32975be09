# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the search before an upload found for one set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Tuple


@dataclass
class Discovery:
    """Directories nobody listed, with the number of the set's features in each; why the search ended early."""

    directories: List[Tuple[str, int]] = field(default_factory=list)
    cut_short: List[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Features found."""
        return sum(number for _path, number in self.directories)
