# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception that ends in a sentence for the user."""

from __future__ import annotations


class FeatureError(Exception):
    """One sentence: which path or variable, what is wrong, what to do about it."""
