# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of the host in a session of their own: what they start can be ended with them, or outlives this process."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Mapping, Optional, Sequence, Tuple

from .programs import Answer


def ask_login_shell(shell: str, command: str, seconds: float, environment: Mapping[str, str]) -> Optional[Answer]:
    """Run a command in a login shell; None if it takes longer, and is killed with all that its profile started."""
    home = environment["HOME"]
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
        # A dash before its name makes any shell a login shell.
        ["-" + os.path.basename(shell), "-c", command],
        executable=shell,
        env=dict(environment),
        cwd=home if os.path.isdir(home) else "/",
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None
    return Answer(process.returncode, output, b"")


def start_program(
    command: Sequence[str], environment: Mapping[str, str], directory: str, keep: Tuple[int, ...] = ()
) -> None:
    """Starts a program that outlives this one, in a session of its own; it holds the descriptors ``keep`` open."""
    subprocess.Popen(  # pylint: disable=ansible-bad-function
        list(command),
        env=dict(environment),
        cwd=directory,
        pass_fds=keep,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
