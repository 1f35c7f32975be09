# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a transfer: one rsync per stream."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import ssh
from .rsync import VARIABLES


@dataclass(frozen=True)
class Ended:
    """How one rsync ended."""

    code: int
    stderr: str


def run_streams(commands: Iterable[Sequence[str]], work: Path, login: ssh.Login | None) -> list[Ended]:
    """Run the commands concurrently. login: None on this machine.

    One that fails does not end the others: what they send need not be sent again.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["LC_ALL"] = "C"
    null = subprocess.DEVNULL
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        for number, command in enumerate(commands):
            said = work / f"stderr{number}"
            with said.open("wb") as stderr:
                running.append((ssh.start(command, login, env=environment, stdin=null, stdout=null, stderr=stderr), said))
        codes = [process.wait() for process, _said in running]
    finally:
        for process, _said in running:
            if process.poll() is None:
                process.terminate()
    return [Ended(code, said.read_text("utf-8", "replace")) for code, (_process, said) in zip(codes, running, strict=True)]


def first_failure(ended: Sequence[Ended]) -> Ended | None:
    """The most telling failure: a stream with a message before one that merely broke."""
    failed = [one for one in ended if one.code != 0]
    return min(failed, key=lambda one: not one.stderr.strip(), default=None)
