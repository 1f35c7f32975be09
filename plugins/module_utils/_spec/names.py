# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters of file names: globs as one regular expression."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Callable, Sequence, Tuple

NameFilter = Callable[[str], Any]


def name_filter(patterns: Sequence[str], exclude: Sequence[str] = ()) -> NameFilter:
    """Return a test of base names as a shell's glob does it: case counts, a leading dot has to be in the pattern.

    It is asked for every file of a host, several times: what it returns is true or false by its truth value alone.
    """
    return any_filter([(patterns, exclude)])


def any_filter(questions: Sequence[Tuple[Sequence[str], Sequence[str]]]) -> NameFilter:
    """Return the same for names that match any of several (patterns, exclude)."""
    # One expression for all: a match costs less than a call of a function of ours.
    return re.compile("|".join(_expression(*criteria) for criteria in questions) or "(?!)").match


def dotted_filter(patterns: Sequence[str]) -> NameFilter:
    """Match names as fnmatch does, and so as os.walk and Path.rglob are used: a leading dot is a character like others."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)").match


def _expression(patterns: Sequence[str], exclude: Sequence[str]) -> str:
    wanted = [("" if pattern.startswith(".") else r"(?!\.)") + fnmatch.translate(pattern) for pattern in patterns]
    unwanted = [fnmatch.translate(pattern) for pattern in exclude]
    refused = f"(?!{'|'.join(unwanted)})" if unwanted else ""
    return f"{refused}(?:{'|'.join(wanted) or '(?!)'})"
