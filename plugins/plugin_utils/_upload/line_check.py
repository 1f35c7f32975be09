# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found out about the line to a host before an upload uses it."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, ssh_command

_READY = "feature_upload: ready"
_SECONDS = 30.0
# One may meet a busy host. Where the line is short, or too long for that to be why, one is enough to know. In seconds.
_ROUND_TRIPS = 2
_SHORT, _SURELY_LONG = 0.005, 0.05


@dataclass(frozen=True)
class Line:
    """What a line to a host is like. C(ready): a command ran there; C(noise): what the login shell printed before it.

    C(round_trip): seconds, None where the command did not run. C(stderr): what was said instead.
    """

    ready: bool
    noise: str = ""
    round_trip: float | None = None
    stderr: str = ""


class LineCheck:
    """inspect_line, while the caller does something else."""

    def __init__(self, login: Login, become: Sequence[str], control_path: str | None) -> None:
        self._line: Line | OSError = Line(False)
        self._thread = threading.Thread(target=self._inspect, args=(login, become, control_path), daemon=True)
        self._thread.start()

    def _inspect(self, login: Login, become: Sequence[str], control_path: str | None) -> None:
        try:
            self._line = inspect_line(login, become, control_path)
        except OSError as error:
            self._line = error

    def line(self) -> Line:
        """What was found. OSError where ssh could not be started."""
        self._thread.join()
        if isinstance(self._line, OSError):
            raise self._line
        return self._line


def inspect_line(login: Login, become: Sequence[str], control_path: str | None) -> Line:
    """Runs an echo on the host, as the upload will run rsync: without a terminal, after the same C(become) words."""
    remote = shlex.join([*become, "/bin/sh", "-c", f"echo '{_READY}'; exec cat"])
    words = [*ssh_command(login, control_path), "-o", "BatchMode=yes"]
    words += ["-l", login.user] if login.user else []
    process = subprocess.Popen(
        [*words, "--", login.bare_host, remote], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    timer = threading.Timer(_SECONDS, process.kill)
    timer.start()
    try:
        return _converse(process)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        # Over a shared connection its other ends are held until the host has closed too: a round trip that nobody needs.
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _converse(process: subprocess.Popen[bytes]) -> Line:
    if not (process.stdin and process.stdout and process.stderr):
        raise AssertionError("started without pipes")
    noise = b""
    ready = _READY.encode() + b"\n"
    for line in process.stdout:
        noise += line
        if line.endswith(ready):
            break
    else:
        return Line(False, noise.decode("utf-8", "replace"), stderr=process.stderr.read().decode("utf-8", "replace"))
    times = []
    for _turn in range(_ROUND_TRIPS):
        began = time.monotonic()
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        times.append(time.monotonic() - began)
        if not _SHORT < times[-1] < _SURELY_LONG:
            break
    return Line(True, noise[: -len(ready)].decode("utf-8", "replace"), min(times))


def check_line(line: Line, login: Login, host: str, become_user: str | None) -> None:
    """FeatureError where no rsync could talk over the line, or become the user; what else SSH says is rsync's to tell."""
    if line.noise.strip():
        text = " ".join(line.noise.split())[:80]
        raise FeatureError(
            f"{host}: the login shell of {login.user or 'the connecting user'} prints text into sessions without a terminal"
            f" ('{text}'), which rsync cannot understand: let its start-up files (.bashrc and the like) print only where"
            " the shell is interactive"
        )
    if line.ready or become_user is None:
        return
    if "must have a tty" in line.stderr:
        raise FeatureError(
            f"{host}: sudo demands a terminal there (requiretty in sudoers), which rsync does not have: take requiretty out of"
            f" sudoers for {login.user or 'the connecting user'}, or set {named('become')}: false"
        )
    said = [one.strip() for one in line.stderr.splitlines() if one.startswith("sudo:")]
    if said:
        raise FeatureError(
            f"{host}: the connecting user may not become {become_user} by sudo without a password ({said[-1]}), as the upload's"
            f" rsync has to: allow it, or set {named('become')}: false"
        )
