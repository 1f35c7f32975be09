# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the search before an upload found for one set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple

from .paths import InodeKey
from .sets import FeatureSet
from .sweep import sweep


@dataclass
class Discovery:
    """Directories nobody listed, with the number of the set's features in each; why the search ended early."""

    directories: List[Tuple[str, int]] = field(default_factory=list)
    cut_short: List[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Features found."""
        return sum(number for _path, number in self.directories)


def discover(roots: Sequence[str], sets: Sequence[FeatureSet], known: Sequence[InodeKey]) -> Dict[str, Discovery]:
    """By set name, what lies below the roots in directories that are not known."""
    swept = sweep(roots, sets, known)
    return {name: Discovery(directories, swept.cut_short) for name, directories in swept.directories.items()}
