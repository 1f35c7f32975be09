# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How processes of ours reach a host: the SSH command line, configured like the host's own connection."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Processors have instructions for these, so that they take half the time of the one that OpenSSH before 10 prefers.
_FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_SECONDS = 10
_OPTIONS = (
    *("ssh_executable", "ssh_args", "ssh_common_args", "ssh_extra_args"),
    *("host_key_checking", "port", "private_key_file", "timeout"),
)


@dataclass(frozen=True)
class Login:
    """Where SSH goes. C(options): the connection plugin's, by name."""

    host: str
    user: str | None
    options: Mapping[str, Any]
    password: str | None = field(default=None, repr=False)

    @property
    def bare_host(self) -> str:
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host

    @property
    def rsync_address(self) -> str:
        """C(user@host), an IPv6 address in brackets, so that its colons do not end it."""
        host = f"[{self.bare_host}]" if ":" in self.bare_host else self.bare_host
        return f"{self.user}@{host}" if self.user else host

    @property
    def programs(self) -> list[str]:
        return [str(self.options.get("ssh_executable") or "ssh"), *(["sshpass"] if self.password else [])]


def ssh_command(login: Login) -> list[str]:
    """The remote shell, configured like the host's own SSH connection, but a connection of its own and not compressing."""
    options = login.options
    # At this level SSH prints causes only, no banners and no host keys that were added.
    words = [str(options.get("ssh_executable") or "ssh"), "-S", "none", "-o", "ControlMaster=no", "-o", "LogLevel=ERROR"]
    for key in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        # -C is in Ansible's default arguments. Features are floats, which compression only slows down; of a project, rsync compresses.
        words += [word for word in shlex.split(str(options.get(key) or "")) if word != "-C"]
    if options.get("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    if options.get("port"):
        words += ["-o", f"Port={options['port']}"]
    if options.get("private_key_file"):
        words += ["-o", f'IdentityFile="{options["private_key_file"]}"']
    if not login.password:
        words += ["-o", "BatchMode=yes"]
    if options.get("timeout"):
        words += ["-o", f"ConnectTimeout={options['timeout']}"]
    # -tt, which some become methods need (machinectl), is not for data. A dead connection is noticed after a minute, on this side.
    return [*words, "-T", "-o", "Compression=no", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]


def setting(login: Login, name: str) -> str:
    """Return an option as ssh would use it for this login, empty if unknown. It makes no connection."""
    words = [*ssh_command(login), "-G", "--", login.bare_host]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(words, text=True, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False)
        return next((line[len(name) + 1 :] for line in said.stdout.splitlines() if line.startswith(f"{name} ")), "")
    return ""


def data_command(login: Login) -> list[str]:
    """Return ssh_command for a lot of data: of the ciphers that are allowed, the fast ones come first."""
    allowed = setting(login, "ciphers").split(",")
    fast = [cipher for cipher in _FAST if cipher in allowed]
    others = [cipher for cipher in allowed if cipher not in fast]
    return [*ssh_command(login), *(["-o", f"Ciphers={','.join(fast + others)}"] if fast else [])]


def login_of(connection: Any, play_context: Any, name: str) -> Login:
    """The login of a connection of Ansible's. name: the host's, if no address is known."""
    password = None
    with contextlib.suppress(KeyError):
        password = str(connection.get_option("password") or "") or None
    host, user = str(play_context.remote_addr or name), play_context.remote_user
    if connection.transport != "ssh":
        return Login(host, user, {"port": play_context.port, "private_key_file": play_context.private_key_file}, password)
    option = connection.get_option
    return Login(str(option("host") or host), option("remote_user"), {name: option(name) for name in _OPTIONS}, password)


def start(command: Sequence[str], login: Login | None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command that connects. sshpass gets the login's password by a descriptor: no process list or environment shows it."""
    if login is None or login.password is None:
        return subprocess.Popen(list(command), **options)
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(["sshpass", f"-d{reader}", *command], pass_fds=(reader,), **options)
        os.close(reader)
        with contextlib.suppress(BrokenPipeError):
            os.write(writer, login.password.encode() + b"\n")
        return process
    finally:
        os.close(writer)
