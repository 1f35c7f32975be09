# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a file is not a feature: what a format raises. Each text completes "the file ..."."""

from __future__ import annotations


class NotAFeature(Exception):
    """Base class of the three answers below."""


class Damaged(NotAFeature):
    """The frame (length, checksum, end mark) proves that bytes are missing or wrong, or the format's own reader refuses the file."""


class Foreign(NotAFeature):
    """Intact, but of a kind that no feature of the set has."""


class NotUnderstood(NotAFeature):
    """Neither: the reader here does not know this, and the format's own library may. Counts as an unscanned part, never as none."""
