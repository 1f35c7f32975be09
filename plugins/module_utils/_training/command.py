# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of a run, out of what the user gave. Pure."""

from __future__ import annotations

import re
import shlex
from typing import Any, List, Sequence

from ..errors import FeatureError

_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_SCRIPT = re.compile(r"[^/\0\n]+\Z")


def check_session(name: str) -> str:
    """A session name that tmux keeps as it is and that can name a folder."""
    if not _SESSION.match(name):
        raise FeatureError(
            f"deploy_training_session '{name}' cannot name a tmux session: use letters, digits, '_' and '-' only"
        )
    return name


def check_script(name: str) -> str:
    """The base name under which the script lies in the working directory."""
    if not _SCRIPT.match(name) or name in (".", ".."):
        raise FeatureError(f"deploy_training_script: '{name}' is no file name: give the path of the training script")
    return name


def split_arguments(raw: Any) -> List[str]:
    """The script's arguments: a list is taken item by item, a text is split as a shell would."""
    if raw is None:
        return []
    if isinstance(raw, str):
        try:
            return shlex.split(raw)
        except ValueError as error:
            raise FeatureError(f"deploy_training_args cannot be split ({error}): close the quote, or give a list") from None
    if not isinstance(raw, (list, tuple)):
        raise FeatureError("deploy_training_args must be a list of arguments, or one text")
    arguments = []
    for item in raw:
        if isinstance(item, (list, tuple, dict)) or item is None:
            raise FeatureError(f"deploy_training_args: {item!r} is no single argument: the list must hold texts and numbers")
        text = str(item)
        if "\0" in text:
            raise FeatureError(f"deploy_training_args: {text!r} contains a NUL character: no argument can; remove it")
        arguments.append(text)
    return arguments


def show_command(argv: Sequence[str]) -> str:
    """The command line, quoted so that it can be pasted into a shell."""
    return " ".join(shlex.quote(item) for item in argv)
