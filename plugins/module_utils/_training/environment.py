# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs of the role's files folder, run as the training user by an interpreter that this user may run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import Any, Dict, Sequence, Union

from .. import errors
from .._system import accounts, paths, programs

_PATH = "/usr/local/bin:/usr/bin:/bin"
_TIMEOUT = 3600.0  # seconds; a project may be large


def find_interpreter(account: accounts.Account) -> str:
    """Return a Python for the launcher that the user may run."""
    for candidate in (sys.executable, shutil.which("python3", path=_PATH)):
        if candidate and os.access(candidate, os.X_OK):
            with contextlib.suppress(OSError):
                answer = programs.ask_program([candidate, "-I", "-c", "import json, subprocess, threading"], _TIMEOUT)
                if answer and answer.code == 0:
                    return candidate
    raise errors.FeatureError(
        f"user {account.name} may run no Python 3 on this host, not even {paths.display(sys.executable)}: install python3 for all users"
    )


def ask(interpreter: str, source: str, arguments: Sequence[str], given: Union[bytes, int, None] = None) -> Dict[str, Any]:
    """Return the JSON object that a program prints. given: its standard input, as bytes or as a descriptor."""
    environment = {"PATH": os.environ.get("PATH") or _PATH, "LANG": "C.UTF-8"}
    answer = programs.ask_program([interpreter, "-I", "-c", source, *arguments], _TIMEOUT, environment, given)
    try:
        found = json.loads(answer.output.decode("utf-8") if answer else "")
    except ValueError:
        said = paths.display(answer.errors.decode("utf-8", "replace")[-300:]) if answer else "no answer"
        raise errors.FeatureError(f"the training user's Python {interpreter} runs none of our programs ({said}): repair it") from None
    if "error" in found:
        raise errors.FeatureError(str(found["error"]))
    return dict(found)
