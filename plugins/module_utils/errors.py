# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that end in one message, and the names by which messages call options: their own, or the role's variables."""

from __future__ import annotations

import contextlib
import os
import traceback
from typing import Any, Dict, Iterator, List, Mapping

REPORT_TO = "https://github.com/trainprep/features/issues"
NAMING: Dict[str, Any] = {"variable_prefix": {"type": "str", "default": ""}}
_CALLERS: List[Mapping[str, Any]] = [{}]


@contextlib.contextmanager
def naming(params: Mapping[str, Any]) -> Iterator[None]:
    """Inside, options are named as these parameters of a module say; forked processes inherit it."""
    _CALLERS.append(params)
    try:
        yield
    finally:
        _CALLERS.pop()


def variable_prefix() -> str:
    """Return the prefix of the calling role's variables, empty without a role."""
    return str(_CALLERS[-1].get("variable_prefix") or "")


def named(option: str) -> str:
    """Return the name by which messages call an option, or a keyword of the task."""
    return str((_CALLERS[-1].get("variable_names") or {}).get(option) or variable_prefix() + option)


class FeatureError(Exception):
    """One message: which path or variable, what is wrong, what to do about it. C(trace): the traceback of an internal error."""

    trace = ""


def internal_error(what: str, error: BaseException) -> FeatureError:
    """Return the message for an exception that no code foresaw; it is no statement about any file. what: what could not be done."""
    said = f": {error}" if str(error) else ""
    place = next((f"{os.path.basename(one.filename)}, line {one.lineno}" for one in traceback.extract_tb(error.__traceback__)[-1:]), "?")
    found = FeatureError(
        f"{what}: internal error in trainprep.features ({type(error).__name__}{said}, in {place}). No conclusion was drawn about your"
        f" files. Please report it with the output of -vvv at {REPORT_TO}"
    )
    found.trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return found
