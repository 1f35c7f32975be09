# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a file is not a feature: what a format raises, with the end of a sentence that begins with "the file"."""

from __future__ import annotations


class Damaged(Exception):
    """Content that cannot be what it claims to be; the text completes "the file ..."."""


class Foreign(Damaged):
    """Content that may well be intact, of a kind that no feature has; the text completes "the file ..."."""


class Unclear(Damaged):
    """Content that is not understood here, which its own library may understand all the same."""
