# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands, arguments and amounts of memory as a user writes them, turned into what a host starts. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named

_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?\s*\Z", re.IGNORECASE)
_MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}


def split_arguments(raw: Any, variable: str = "") -> list[str]:
    """Return the arguments of a program: a list is taken item by item, a text is split as a shell would."""
    if raw is None:
        return []
    variable = variable or named("arguments")
    if isinstance(raw, str):
        try:
            return shlex.split(raw)
        except ValueError as error:
            raise FeatureError(f"{variable} cannot be split ({error}): close the quote, or give a list") from None
    if not isinstance(raw, (list, tuple)):
        raise FeatureError(f"{variable} must be a list of arguments, or one text")
    arguments = []
    for item in raw:
        if isinstance(item, (list, tuple, dict)) or item is None:
            raise FeatureError(f"{variable}: {item!r} is not a single argument: the list must hold texts and numbers")
        arguments.append(_check_text(str(item), variable))
    return arguments


def _check_text(text: str, variable: str) -> str:
    if "\0" in text:
        raise FeatureError(f"{variable}: {text!r} contains a NUL character: no argument can; remove it")
    return text


def parse_command(raw: Any, variable: str) -> tuple[list[str], str]:
    """Return a command as a host starts it: the words of a list, or a text for a shell; both empty if none is given."""
    if isinstance(raw, str):
        return [], _check_text(raw.strip(), variable)
    words = split_arguments(raw, variable)
    if words and not words[0]:
        raise FeatureError(f"{variable}: its first item is empty: name the program to run")
    return words, ""


def show_command(argv: Sequence[str]) -> str:
    """Return the command line, quoted so that it can be pasted into a shell."""
    return " ".join(shlex.quote(item) for item in argv)


def show_parsed(words: Sequence[str], text: str, arguments: Sequence[str]) -> str:
    """Return a parsed command and its arguments for people: a text as it was given."""
    return f"{text} {show_command(arguments)}".strip() if text else show_command([*words, *arguments])


def parse_memory(raw: Any) -> int:
    """Return an amount of memory in MiB, which is also the unit of a bare number."""
    if not str(raw or "").strip():
        return 0
    match = _MEMORY.match(str(raw))
    if not match:
        raise FeatureError(f"{named('require_gpu_memory')} '{raw}' is no amount of memory: write MiB, or a unit (e.g. 20 GiB)")
    return round(float(match.group(1)) * _MIB[(match.group(2) or "M").upper()])


def parse_environment(raw: Any) -> dict[str, str]:
    """Return the configured variables as texts."""
    if not isinstance(raw, dict):
        raise FeatureError(f"{named('environment')} is not a dictionary of variables: write each as NAME: value")
    return {str(name): _check_text(str(value), named("environment")) for name, value in raw.items()}
