# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that a run can have, and its command line for people. Pure."""

from __future__ import annotations

import re
import shlex
from typing import Sequence

from .. import errors

_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_SCRIPT = re.compile(r"[^/\0\n]+\Z")


def check_session(name: str) -> str:
    """A session name that tmux keeps as it is and that can name a folder."""
    if not _SESSION.match(name):
        raise errors.FeatureError(
            f"{errors.named('session')} '{name}' cannot name a tmux session: use letters, digits, '_' and '-' only"
        )
    return name


def check_script(name: str) -> str:
    """The base name under which the script lies in the working directory."""
    if not _SCRIPT.match(name) or name in (".", ".."):
        raise errors.FeatureError(f"{errors.named('script_name')}: '{name}' is not a file name: give the path of the training script")
    return name


def show_command(argv: Sequence[str]) -> str:
    """The command line, quoted so that it can be pasted into a shell."""
    return " ".join(shlex.quote(item) for item in argv)
