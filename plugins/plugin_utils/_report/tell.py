# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints one host's report."""

from __future__ import annotations

import shutil
from typing import Any

from ansible.utils.display import Display

from .colours import coloured
from .text import host_report

display = Display()

REPORT_SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "report_dir": {"type": "str", "default": ""},
    "detail": {"type": "str", "choices": ["short", "full"], "default": "full"},
    "fail_on": {"type": "str", "choices": ["nothing", "obstacles", "unready"], "default": "nothing"},
}


def tell(
    host: str, facts: dict[str, Any], done: dict[str, Any], options: dict[str, Any], check_mode: bool, note: str = ""
) -> dict[str, Any]:
    """Print the block for a host; return what it adds to the action's result. note: what its first line adds."""
    width = shutil.get_terminal_size((display.columns + 1, 24)).columns
    lines = host_report(host, facts, done, check_mode, options["state"], max(width, 60), options["detail"], note)
    # One call, so that the blocks of hosts that run concurrently do not mix.
    display.display(coloured(lines))
    return {"report": lines, "state": options["state"], "report_dir": options["report_dir"]}
