# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How processes of our own reach a host: the SSH command line, set as the host's own connection is."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        """The host without the brackets that an IPv6 address may stand in."""
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host

    @property
    def rsync_address(self) -> str:
        """C(user@host), an IPv6 address in brackets, so that its colons do not end it."""
        host = f"[{self.bare_host}]" if ":" in self.bare_host else self.bare_host
        return f"{self.user}@{host}" if self.user else host


def ssh_command(login: Login, control_path: str | None = None, master: bool = False) -> list[str]:
    """The remote shell, set as the host's own SSH connection is, but not compressing.

    control_path: the socket of a connection that is to be shared; without one this is a connection of its own. master: it is made
    by this command, for as long as that runs and others use it.
    """
    options = login.options
    words = [str(options.get("ssh_executable") or "ssh"), "-S", control_path or "none"]
    words += ["-o", f"ControlMaster={'yes' if master else 'no'}", "-o", "ControlPersist=no"]
    # What SSH says at this level is never a cause: banners, host keys that were added.
    words += ["-o", "LogLevel=ERROR"]
    for key in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        # -C is in Ansible's default arguments. Features are floats, which compressing only slows down; of a project, rsync compresses.
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
    # A line that went dead is noticed after a minute, on this side.
    return [*words, "-o", "Compression=no", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]


def login_of(connection: Any, play_context: Any, name: str) -> Login:
    """The login that a connection of Ansible's uses. name: the host's, where no address is known."""
    password = None
    with contextlib.suppress(KeyError):
        password = str(connection.get_option("password") or "") or None
    host, user = str(play_context.remote_addr or name), play_context.remote_user
    if connection.transport != "ssh":
        return Login(host, user, {"port": play_context.port, "private_key_file": play_context.private_key_file}, password)
    option = connection.get_option
    return Login(str(option("host") or host), option("remote_user"), {name: option(name) for name in _OPTIONS}, password)
