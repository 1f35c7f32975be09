# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a training that deploy_training started is running on this host, of whichever user."""

from __future__ import annotations

import contextlib
import os
import re

_LAUNCHER = re.compile(rb"[^\0]*python[^\0/]*\0(?:-[^\0]*\0)*[^\0]+/runs/[^/\0]+/[^/\0]+/launcher\.py(?:\0|\Z)")


def is_launcher(command: bytes) -> bool:
    """True if a command line (proc_pid_cmdline(5)) is that of a run's launcher, which lives as long as its training. Pure."""
    return bool(_LAUNCHER.match(command))


def training_runs(processes: str = "/proc") -> bool:
    """True if a launcher is among the processes."""
    for name in os.listdir(processes):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"{processes}/{name}/cmdline", "rb") as file:
                if is_launcher(file.read(8192)):
                    return True
    return False
