# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that end in one sentence for the user, and what that calls an option: by its name, or by the variable of the calling role."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Iterator, List, Mapping

REPORT_TO = "https://github.com/trainprep/features/issues"
NAMING: Dict[str, Any] = {"variable_prefix": {"type": "str", "default": ""}}
_CALLERS: List[Mapping[str, Any]] = [{}]


@contextlib.contextmanager
def naming(params: Mapping[str, Any]) -> Iterator[None]:
    """Inside, options are called as these parameters of a module say. For its entry; processes forked inside inherit it."""
    _CALLERS.append(params)
    try:
        yield
    finally:
        _CALLERS.pop()


def variable_prefix() -> str:
    """Empty where no role called."""
    return str(_CALLERS[-1].get("variable_prefix") or "")


def named(option: str) -> str:
    """What messages call an option, or a keyword of the task."""
    return str((_CALLERS[-1].get("variable_names") or {}).get(option) or variable_prefix() + option)


class FeatureError(Exception):
    """One sentence: which path or variable, what is wrong, what to do about it."""


def our_fault(what: str, error: BaseException) -> FeatureError:
    """What an exception becomes that nobody foresaw: our fault, told with its place, and no statement about any file.

    what: what could not be done, with the path that it concerns.
    """
    said = f": {error}" if str(error) else ""
    return FeatureError(
        f"{what}, by a fault of trainprep.features ({type(error).__name__}{said}, in {_place(error)}), which says nothing"
        f" about your files: nothing is concluded from it, please report this sentence at {REPORT_TO}"
    )


def _place(error: BaseException) -> str:
    """The file and line of ours where an exception was raised: its traceback does not survive another process."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return "a place unknown"
    return f"{os.path.basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}"
