# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment of the training user's login, and the tmux server that has the user's rights. As the training user."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import zlib
from typing import Dict, Mapping, Optional, Tuple

from .._system import programs, sessions
from .tmux import find_tmux

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES = ("/etc/environment", "/etc/default/locale")  # what PAM gives a login before its shell starts
_TIMEOUT = 30.0  # seconds for the profile of the login shell


def parse_assignments(text: str) -> Dict[str, str]:
    """Return the variables of a file with NAME=value lines, as PAM reads it."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)\Z", line.strip())
        if match:
            name, value = match.group(1), match.group(2).strip()
            found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


def login_environment() -> Tuple[Dict[str, str], str]:
    """Return the environment of a plain login, and a warning or an empty text.

    The login shell reads its profile in an empty environment and prints what it has then. If it prints nothing (no login
    shell at all, a profile that starts something else), the result is what every login has.
    """
    user = pwd.getpwuid(os.geteuid())
    base = {"PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"}
    for path in _FILES:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as stream:
            base.update(parse_assignments(stream.read()))
    shell = user.pw_shell or "/bin/sh"
    base.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name, SHELL=shell)
    # A profile prints before the mark; what is printed at the end has no NUL behind it.
    mark = secrets.token_hex(16)
    said, problem = _ask_shell(shell, f"echo {mark}; env -0", base)
    entries = said.partition(mark.encode() + b"\n")[2].split(b"\0")[:-1]
    if not entries:
        warning = f"the login shell {shell} of user {user.pw_name} gives no environment ({problem}), so the training has a plain one"
        return base, warning
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _sign, value in pairs if name not in ("_", "SHLVL", "PWD", "OLDPWD")}, ""


def _ask_shell(shell: str, command: str, environment: Mapping[str, str]) -> Tuple[bytes, str]:
    """What the login shell prints, and why that may be nothing."""
    try:
        answer = sessions.ask_login_shell(shell, command, _TIMEOUT, environment)
    except OSError as error:
        return b"", str(error.strerror)
    if answer is None:
        return b"", f"its profile takes more than {_TIMEOUT:.0f} s"
    return answer.output, f"exit code {answer.code}"


def rights(pid: object) -> Dict[str, str]:
    """Return what else than its user determines what a process may read; empty if the process is gone."""
    found = {}
    with contextlib.suppress(OSError, KeyError):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
            fields = dict(line.split(":", 1) for line in stream if ":" in line)
        groups = {fields["Gid"].split()[1], *fields["Groups"].split()}
        found = {"groups": " ".join(sorted(groups, key=int)), "capabilities": fields.get("CapEff", "").strip()}
        for name in ("mnt", "user"):
            found[name + " namespace"] = os.readlink(f"/proc/{pid}/ns/{name}")
        found["root directory"] = os.readlink(f"/proc/{pid}/root")
    return found


def _find_server(login: Mapping[str, str], socket: str) -> Optional[int]:
    """Return the process of a tmux server. socket: its name; empty for the one that a login finds."""
    command = [find_tmux(), *(["-L", socket] if socket else []), "display-message", "-p", "#{pid}"]
    answer = programs.ask_program(command, _TIMEOUT, login)
    pid = answer.output.decode("utf-8", "replace").strip() if answer and answer.code == 0 else ""
    return int(pid) if pid.isdigit() else None


def choose_server(login: Mapping[str, str], user: str) -> Tuple[str, Optional[int], str]:
    """Return the socket for a new session, its server if one runs, and why it is not the usual one.

    A server that was started before the user's groups changed, or in another mount namespace, has other rights than those with which
    access to the features was proved.
    """
    own, server = rights("self"), _find_server(login, "")
    found = rights(server) if server else {}
    odd = [name for name in found if found[name] != own.get(name)]
    if not odd:
        return "", server, ""
    socket = f"trainprep-{zlib.crc32(repr(sorted(own.items())).encode()):08x}"
    why = (
        f"the tmux server of user {user} (process {server}) was started with other {odd[0]} than that user has now, so the training runs"
        f" on a server of its own: attach with `tmux -L {socket} attach`"
    )
    return socket, _find_server(login, socket), why
