# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counted things in sentences."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """1 link, 2 links; 2 directories, where the plural is given."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def verb(number: int, word: str, singular: str = "") -> str:
    """A verb after a count: 1 link dangles, 2 links dangle; 1 name matches, given that form."""
    if number != 1:
        return "are" if word == "be" else word
    return singular or {"be": "is", "do": "does", "have": "has"}.get(word, word + "s")
