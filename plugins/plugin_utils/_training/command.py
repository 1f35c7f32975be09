# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands and arguments as a user writes them, turned into what a host starts. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils._training.command import show_command
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named

# bash where the host has it, since most write for it.
ANY_SHELL = 'command -v bash >/dev/null && exec bash -o pipefail -c "$0" command "$@"; exec sh -c "$0" command "$@"'
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+\Z")
# Of a shell, and no file that is to be found.
_BUILTINS = {*("cd", "exec", "export", "source", ".", "set", "if", "for", "while", "time", "eval", "ulimit", "umask", "test", "trap")}


def split_arguments(raw: Any, variable: str = "") -> list[str]:
    """Arguments of a program: a list is taken item by item, a text is split as a shell would."""
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


def parse_command(raw: Any, variable: str, arguments: Sequence[str] = ()) -> list[str]:
    """A command and its arguments as a host starts them; empty where none is given.

    A list is a program and its arguments. A text is a shell's, so that variables mean what they do there; the arguments follow
    its last command, and a pipe fails where any part of it does.
    """
    if not isinstance(raw, str):
        words = split_arguments(raw, variable)
        if words and not words[0]:
            raise FeatureError(f"{variable}: its first item is empty: name the program to run")
        return [*words, *arguments] if words else []
    text = _check_text(raw.strip(), variable)
    if not text:
        return []
    return ["/bin/sh", "-c", ANY_SHELL, f'{text} "$@"' if arguments else text, *arguments]


def show_parsed(raw: Any, arguments: Sequence[str]) -> str:
    """The same for people: a text as it was given."""
    if isinstance(raw, str):
        return f"{raw.strip()} {show_command(arguments)}".strip()
    return show_command(parse_command(raw, "", arguments))


def program_of(raw: Any) -> str:
    """The program that a command starts with; empty where only a shell can tell."""
    if isinstance(raw, str):
        word = raw.split(None, 1)[0] if raw.strip() else ""
        return word if _PLAIN.match(word) and word not in _BUILTINS else ""
    return str(raw[0]) if raw else ""


def pack_environment(raw: Any) -> str:
    """The configured variables as one text, so that none of its values is hidden wherever it stands in a result."""
    if not isinstance(raw, dict):
        raise FeatureError(f"{named('environment')} is not a dictionary of variables: write each as NAME: value")
    variables = {str(name): _check_text(str(value), named("environment")) for name, value in raw.items()}
    return json.dumps({"variables": variables})
