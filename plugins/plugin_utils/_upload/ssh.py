# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the upload's own processes reach a host: the SSH command line, and what is found out about the line before it is used."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

_READY = "feature_upload: ready"
_SECONDS = 30.0
_ROUND_TRIPS = 3


@dataclass(frozen=True)
class Login:
    """Where SSH goes. C(options): the connection plugin's, by name."""

    host: str
    user: str | None
    options: Mapping[str, Any]
    with_password: bool = False

    @property
    def bare_host(self) -> str:
        """The host without the brackets that an IPv6 address may stand in."""
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host

    @property
    def rsync_address(self) -> str:
        """C(user@host), an IPv6 address in brackets, so that its colons do not end it."""
        host = f"[{self.bare_host}]" if ":" in self.bare_host else self.bare_host
        return f"{self.user}@{host}" if self.user else host


def ssh_command(login: Login, control_path: str | None = None) -> list[str]:
    """The remote shell, set as the host's own SSH connection is, but not compressing.

    control_path: the socket of that connection, where it is to be shared; without one this is a connection of its own.
    """
    options = login.options
    words = [str(options.get("ssh_executable") or "ssh"), "-S", control_path or "none", "-o", "ControlMaster=no"]
    # What SSH says at this level is never a cause: banners, host keys that were added.
    words += ["-o", "LogLevel=ERROR"]
    for key in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        # -C is in Ansible's default arguments; features are floats, which compressing only slows down.
        words += [word for word in shlex.split(str(options.get(key) or "")) if word != "-C"]
    if options.get("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    if options.get("port"):
        words += ["-o", f"Port={options['port']}"]
    if options.get("private_key_file"):
        words += ["-o", f'IdentityFile="{options["private_key_file"]}"']
    if not login.with_password:
        words += ["-o", "BatchMode=yes"]
    if options.get("timeout"):
        words += ["-o", f"ConnectTimeout={options['timeout']}"]
    # A line that went dead is noticed after a minute, on this side.
    return [*words, "-o", "Compression=no", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]


@dataclass(frozen=True)
class Line:
    """What a line to a host is like. C(ready): a command ran there; C(noise): what the login shell printed before it.

    C(round_trip): seconds, None where the command did not run. C(stderr): what was said instead.
    """

    ready: bool
    noise: str = ""
    round_trip: float | None = None
    stderr: str = ""


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
        process.communicate()


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
    process.stdin.close()
    process.stdin = None  # communicate() would flush it once more
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
            f" sudoers for {login.user or 'the connecting user'}, or set prepare_features_become: false"
        )
    said = [one.strip() for one in line.stderr.splitlines() if one.startswith("sudo:")]
    if said:
        raise FeatureError(
            f"{host}: the connecting user may not become {become_user} by sudo without a password ({said[-1]}), as the upload's"
            " rsync has to: allow it, or set prepare_features_become: false"
        )
