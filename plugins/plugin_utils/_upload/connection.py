# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""True if an upload can use the connection to a host, asked before anything is changed there."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass

from ...module_utils.errors import FeatureError, named
from .. import ssh

_READY = re.compile(rb"feature_upload: ready (\d+)\n")
_SECONDS = 30.0
_ROUND_TRIPS = 2
_TRANSPORTS = ("ssh", "paramiko", "paramiko_ssh", "local")


@dataclass(frozen=True)
class ShellReply:
    """What the host answered. C(uid): the connecting user's, None if no command ran there; C(noise): what the login shell
    printed before it; C(round_trip): seconds; C(stderr): the reason without a uid."""

    uid: int | None
    noise: str = ""
    round_trip: float | None = None
    stderr: str = ""


def check_controller(transport: str, login: ssh.Login | None, host: str) -> None:
    """FeatureError if this machine cannot send by rsync over a connection of this kind."""
    if transport not in _TRANSPORTS:
        advice = "connect by SSH"
        if transport.endswith("aws_ssm"):
            advice = "connect by SSH over Session Manager (ansible_connection: ssh, with a ProxyCommand of aws ssm start-session)"
        raise FeatureError(
            f"{host}: rsync cannot upload over the connection '{transport}': let the host fetch the features by itself from an object"
            " store (source: s3://bucket/prefix, gs://bucket/prefix or an rclone remote) or receive them from another host"
            f" ({named('peers')}), or {advice}; linking works over any connection"
        )
    for program in ["rsync", *(login.programs if login else [])]:
        if shutil.which(program) is None:
            also = ", or log in by key" if program == "sshpass" else ""
            raise FeatureError(f"{program} is missing on the controller: install the package {program} there{also}")


def ask_connection(login: ssh.Login | None) -> ShellReply:
    """Run a command on the host as the connecting user, as rsync will run, for at most half a minute. OSError if ssh cannot be started.

    login: None if the host is this machine.
    """
    if login is None:
        return ShellReply(os.geteuid())
    remote = shlex.join(["/bin/sh", "-c", 'echo feature_upload: ready "$(id -u)"; exec cat'])
    words = [*ssh.ssh_command(login), *(["-l", login.user] if login.user else []), "--", login.bare_host, remote]
    pipe, end = subprocess.PIPE, time.monotonic() + _SECONDS
    with ssh.start(words, login, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            return _reply(process, end)
        finally:
            process.kill()


def _reply(process: subprocess.Popen[bytes], end: float) -> ShellReply:
    said, found = b"", None
    while found is None:
        more = _read(process, end)
        if not more:
            process.kill()
            stderr = process.stderr.read().decode("utf-8", "replace") if process.stderr else ""
            return ShellReply(None, said.decode("utf-8", "replace"), stderr=stderr)
        said += more
        found = _READY.search(said)
    # The shorter of two, since a busy machine answers one late.
    round_trip = min(_round_trip(process, end) for _turn in range(_ROUND_TRIPS))
    return ShellReply(int(found[1]), said[: found.start()].decode("utf-8", "replace"), round_trip)


def _round_trip(process: subprocess.Popen[bytes], end: float) -> float:
    began = time.monotonic()
    if process.stdin:
        process.stdin.write(b"\n")
        process.stdin.flush()
    _read(process, end)
    return time.monotonic() - began


def _read(process: subprocess.Popen[bytes], end: float) -> bytes:
    """Return more output; nothing at its end, or if none came in time."""
    if process.stdout is None or not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
        return b""
    return os.read(process.stdout.fileno(), 65536)


def check_noise(answer: ShellReply, user: str, host: str) -> None:
    """FeatureError if the login shell prints text that rsync would take for the host's rsync."""
    if answer.noise.strip():
        text = " ".join(answer.noise.split())[:80]
        raise FeatureError(
            f"{host}: the login shell of {user} prints text into sessions without a terminal ('{text}'), which rsync cannot"
            " understand: let its start-up files (.bashrc and the like) print only if the shell is interactive"
        )
