# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a transfer: one rsync for each stream, all of them waited for."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import VARIABLES


@dataclass(frozen=True)
class Ended:
    """How one rsync ended."""

    code: int
    stderr: str


def run_streams(commands: Iterable[Sequence[str]], work: Path, password: str | None = None) -> list[Ended]:
    """Runs the commands beside each other, each as soon as it is given. password: SSH's, which each of them gets from sshpass.

    One that fails does not end the others: what they bring need not be sent again.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        for number, command in enumerate(commands):
            said = work / f"stderr{number}"
            running.append((_start(command, said, environment, password), said))
        codes = [process.wait() for process, _said in running]
    finally:
        for process, _said in running:
            if process.poll() is None:
                process.terminate()
    return [Ended(code, said.read_text("utf-8", "replace")) for code, (_process, said) in zip(codes, running, strict=True)]


def _start(command: Sequence[str], said: Path, environment: dict[str, str], password: str | None) -> subprocess.Popen[bytes]:
    with said.open("wb") as stderr:
        if password is None:
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
            )
        reader, writer = os.pipe()
        try:
            process = subprocess.Popen(
                ["sshpass", f"-d{reader}", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(reader,),
            )
            os.close(reader)
            with contextlib.suppress(BrokenPipeError):
                os.write(writer, password.encode() + b"\n")
            return process
        finally:
            os.close(writer)


def first_failure(ended: Sequence[Ended]) -> Ended | None:
    """The stream whose failure says most: one that says something before one that merely broke."""
    failed = [one for one in ended if one.code != 0]
    return min(failed, key=lambda one: not one.stderr.strip(), default=None)
