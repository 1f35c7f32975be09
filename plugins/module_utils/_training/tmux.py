# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tmux session and the processes in it, from tmux and /proc, never by a pattern over command lines. As the training user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .. import errors
from .._system import accounts, programs

_SEARCH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
_SHELLS = {"ash", "bash", "csh", "dash", "fish", "ksh", "login", "mksh", "sh", "tcsh", "tmux", "tmux: server", "zsh"}
_PATIENCE = 60  # seconds for one answer of tmux: a host that trains may be busy


@dataclass(frozen=True)
class Process:
    """One process. C(started) is in clock ticks since boot: with the pid it identifies a process."""

    pid: int
    parent: int
    started: int
    state: str
    name: str

    @property
    def alive(self) -> bool:
        """True if it still runs: a zombie only waits for its parent."""
        return self.state not in ("Z", "X", "x")

    @property
    def is_shell(self) -> bool:
        """True for a shell, which is no work."""
        return self.name.lstrip("-") in _SHELLS


@dataclass(frozen=True)
class Session:
    """C(panes): the processes that tmux started in it; C(servers): the sockets at which it was found."""

    name: str
    active: bool
    panes: Tuple[int, ...] = ()
    servers: Tuple[str, ...] = ()


def user_environment(account: accounts.Account) -> Dict[str, str]:
    """Return as much of a login's environment as a tmux client needs."""
    shell = "/bin/sh"
    with contextlib.suppress(KeyError):
        shell = pwd.getpwuid(account.uid).pw_shell or shell
    return {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": shell,
        "PATH": os.environ.get("PATH") or _SEARCH,
        "LANG": os.environ.get("LANG") or "C.UTF-8",
    }


def find_tmux() -> str:
    """Return the path of tmux."""
    found = shutil.which("tmux", path=(os.environ.get("PATH") or "") + ":" + _SEARCH)
    if not found:
        raise errors.FeatureError("tmux is not installed on this host: install it, the training runs in a tmux session")
    return found


def tmux(
    account: accounts.Account,
    arguments: Sequence[str],
    server: str = "",
    environment: Optional[Mapping[str, str]] = None,
    prefix: Sequence[str] = (),
) -> Tuple[int, str]:
    """Return exit code and output (or errors) of a tmux command, with C(prefix) before it.

    server: its socket; without one, the server that a shell with this environment finds.
    """
    command = [*prefix, find_tmux(), *(["-S", server] if server else []), *arguments]
    answer = programs.ask_program(command, _PATIENCE, environment or user_environment(account))
    if answer is None:
        raise errors.FeatureError(f"the tmux server of user {account.name} does not answer: end it (tmux kill-server) and deploy again")
    text = answer.errors if answer.code else answer.output
    return answer.code, text.decode("utf-8", "replace").strip()


def find_servers(account: accounts.Account) -> List[str]:
    """Return the sockets of the account's tmux servers, for any TMUX_TMPDIR; an empty one, the default, if none is found."""
    found = set()
    with contextlib.suppress(OSError), open("/proc/net/unix", "rb") as stream:
        for line in stream:
            fields = line.rstrip(b"\n").split(None, 7)
            # The flag is that of a socket that listens.
            if len(fields) == 8 and fields[3] == b"00010000" and fields[7].startswith(b"/"):
                path = os.fsdecode(fields[7])
                if os.path.basename(os.path.dirname(path)) == f"tmux-{account.uid}" and _is_own(path, account):
                    found.add(path)
    return sorted(found) or [""]


def _is_own(path: str, account: accounts.Account) -> bool:
    """True if no other user can have put it there: a server controls its client."""
    try:
        info = os.lstat(path)  # the socket
        while info.st_uid in (0, account.uid):
            if path == "/":
                return True
            path = os.path.dirname(path)
            info = os.lstat(path)
            others = stat.S_IWOTH | (0 if info.st_gid == account.gid else stat.S_IWGRP)
            if info.st_mode & others and not info.st_mode & stat.S_ISVTX:
                return False
    except OSError:
        pass
    return False


def find_session(account: accounts.Account, name: str) -> Session:
    """Return the session of exactly that name, on any server of the account; without tmux there is none."""
    panes: List[int] = []
    servers = []
    try:
        for server in find_servers(account):
            code, text = tmux(account, ["list-panes", "-s", "-t", f"={name}", "-F", "#{pane_pid}"], server)
            if code == 0:
                servers.append(server)
                panes += [int(line) for line in text.split() if line.isdigit()]
    except errors.FeatureError:
        if shutil.which("tmux", path=(os.environ.get("PATH") or "") + ":" + _SEARCH):
            raise
    return Session(name, bool(servers), tuple(panes), tuple(servers))


def read_process(pid: int) -> Optional[Process]:
    """Return a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            line = stat.read().decode("utf-8", "replace")
    except OSError:
        return None
    # The name is in parentheses and may have any character, ')' too.
    head, _paren, tail = line.rpartition(")")
    name = head.partition("(")[2]
    fields = tail.split()
    if len(fields) < 20:
        return None
    return Process(pid, int(fields[1]), int(fields[19]), fields[0], name)


def all_processes() -> Dict[int, Process]:
    """Return all processes that are visible."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = read_process(int(name))
            if process:
                found[process.pid] = process
    return found


def below(processes: Dict[int, Process], roots: Iterable[int]) -> List[Process]:
    """Return the live processes that are roots or descend from them, parents first."""
    children: Dict[int, List[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: List[Process] = []
    queue = [pid for pid in roots if pid in processes]
    seen = set(queue)
    for pid in queue:
        if processes[pid].alive:
            found.append(processes[pid])
        for child in sorted(children.get(pid, [])):
            if child not in seen:
                seen.add(child)
                queue.append(child)
    return found


def marked(processes: Dict[int, Process], account: accounts.Account, name: str) -> Dict[int, str]:
    """Return an environment variable of each of the account's processes that has it, by pid."""
    found = {}
    for pid, process in processes.items():
        with contextlib.suppress(OSError):
            if process.alive and os.stat(f"/proc/{pid}").st_uid == account.uid:
                with open(f"/proc/{pid}/environ", "rb") as stream:
                    for entry in stream.read().split(b"\0"):
                        if entry.startswith(os.fsencode(name) + b"="):
                            found[pid] = os.fsdecode(entry.partition(b"=")[2])
    return found


def is_same(process: Optional[Process], started: int) -> bool:
    """True if the process with a recorded pid is the recorded one."""
    return process is not None and process.started == started and process.alive


def age_of(process: Process) -> float:
    """Return the seconds since a process was started."""
    with open("/proc/uptime", encoding="ascii") as stream:
        return max(0.0, float(stream.read().split()[0]) - process.started / os.sysconf("SC_CLK_TCK"))


def boot_id() -> str:
    """Return the kernel's id of this boot, or an empty text."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip()
    return ""
