# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search before an upload, for all sets that have nothing."""

from __future__ import annotations

from typing import Dict, Sequence

from .discovery import Discovery
from .paths import InodeKey
from .sets import FeatureSet
from .sweep import sweep


def discover(roots: Sequence[str], sets: Sequence[FeatureSet], known: Sequence[InodeKey]) -> Dict[str, Discovery]:
    """By set name, what lies below the roots in directories that are not known."""
    swept = sweep(roots, sets, known)
    return {name: Discovery(directories, swept.cut_short) for name, directories in swept.directories.items()}
