# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminal colours of the reports, as Ansible's settings say (colours by ``[colors]``; none with NO_COLOR or without a terminal)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible import constants as C
from ansible.utils import color

OF_OUTCOME = {
    "ready": C.COLOR_OK,
    "would_be_ready": C.COLOR_CHANGED,
    "done": C.COLOR_OK,
    "not_ready": C.COLOR_ERROR,
    "failed": C.COLOR_ERROR,
    "unreachable": C.COLOR_UNREACHABLE,
    "not_looked_at": C.COLOR_SKIP,
}
_BOLD = "bold"
# The words of a host's report that are coloured: at the head of the host's and a set's line, and labels.
_WORDS = {
    "READY": C.COLOR_OK,
    "NOT READY": C.COLOR_ERROR,
    "would be ready": C.COLOR_CHANGED,
    "PROBLEM": C.COLOR_ERROR,
    "warning": C.COLOR_WARN,
    "TO DO": _BOLD,
}
_MARKED = re.compile(rf"^(?P<before>(?:  )?\S[^:]*: |    )(?P<word>{'|'.join(sorted(_WORDS, reverse=True))})(?P<after>(?:\W.*)?)$")


def coloured(lines: Iterable[str]) -> str:
    """Return the lines of a host's report as one text, outcomes and labels in colour."""
    return "\n".join(map(_coloured, lines))


def _coloured(line: str) -> str:
    found = _MARKED.match(line)
    if not found or not color.ANSIBLE_COLOR:
        return line
    wanted = _WORDS[found["word"]]
    word = f"\033[1m{found['word']}\033[0m" if wanted == _BOLD else color.stringc(found["word"], wanted)
    return found["before"] + word + found["after"]
