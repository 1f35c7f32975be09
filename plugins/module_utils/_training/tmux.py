# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tmux session and the processes in it: asked of tmux and /proc, never of a pattern over all command lines.

All of it has to run as the training user, whose tmux server it is.
"""

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
    """One process. C(started) is in clock ticks since boot: with the pid it names a process for good."""

    pid: int
    parent: int
    started: int
    state: str
    name: str

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie only waits for its parent."""
        return self.state not in ("Z", "X", "x")

    @property
    def is_shell(self) -> bool:
        """Whether it is the frame of a session and no work in it."""
        return self.name.lstrip("-") in _SHELLS


@dataclass(frozen=True)
class Session:
    """A tmux session: C(panes) are the process ids that tmux started in it, C(servers) the sockets it was found at."""

    name: str
    active: bool
    panes: Tuple[int, ...] = ()
    servers: Tuple[str, ...] = ()


def user_environment(account: accounts.Account) -> Dict[str, str]:
    """The environment of a login of the account, as far as a question to tmux needs it."""
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
    """The path of tmux, or a FeatureError."""
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
    """Exit code and output (errors where it failed) of one tmux command, with C(prefix) before it.

    On the account's server with that socket, or else on the one that a shell with this environment finds.
    """
    command = [*prefix, find_tmux(), *(["-S", server] if server else []), *arguments]
    answer = programs.ask_program(command, _PATIENCE, environment or user_environment(account))
    if answer is None:
        raise errors.FeatureError(
            f"the tmux server of user {account.name} does not answer: end it (tmux kill-server) and deploy again"
        )
    text = answer.errors if answer.code else answer.output
    return answer.code, text.decode("utf-8", "replace").strip()


def find_servers(account: accounts.Account) -> List[str]:
    """The sockets of the account's tmux servers, wherever its TMUX_TMPDIR is; an empty one, the default, where none is told."""
    found = set()
    try:
        with open("/proc/net/unix", "rb") as stream:
            for line in stream:
                fields = line.rstrip(b"\n").split(None, 7)
                # The flag is that of a socket that listens.
                if len(fields) == 8 and fields[3] == b"00010000" and fields[7].startswith(b"/"):
                    path = os.fsdecode(fields[7])
                    if os.path.basename(os.path.dirname(path)) == f"tmux-{account.uid}" and _is_own(path, account):
                        found.add(path)
    except OSError:
        return [""]
    return sorted(found) or [""]


def _is_own(path: str, account: accounts.Account) -> bool:
    """Whether nobody else can have put this path there: a server tells its client what to do."""
    while path != "/":
        path = os.path.dirname(path)
        try:
            info = os.lstat(path)
        except OSError:
            return False
        others = stat.S_IWOTH | (0 if info.st_gid == account.gid else stat.S_IWGRP)
        if info.st_uid not in (0, account.uid) or (info.st_mode & others and not info.st_mode & stat.S_ISVTX):
            return False
    return True


def find_session(account: accounts.Account, name: str) -> Session:
    """The session of that very name, on any server of the account; without tmux on the host there is none."""
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
    """One process, or None where there is none (any more)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            line = stat.read().decode("utf-8", "replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold any character, ')' too.
    head, _paren, tail = line.rpartition(")")
    name = head.partition("(")[2]
    fields = tail.split()
    if len(fields) < 20:
        return None
    return Process(pid, int(fields[1]), int(fields[19]), fields[0], name)


def all_processes() -> Dict[int, Process]:
    """Every process of this host that we may see."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = read_process(int(name))
            if process:
                found[process.pid] = process
    return found


def below(processes: Dict[int, Process], roots: Iterable[int]) -> List[Process]:
    """The live processes that are the roots or descend from them, parents first."""
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
    """Return the value of an environment variable of each of the account's processes that has it, by pid."""
    found = {}
    for pid, process in processes.items():
        with contextlib.suppress(OSError):
            if process.alive and os.stat(f"/proc/{pid}").st_uid == account.uid:
                with open(f"/proc/{pid}/environ", "rb") as stream:
                    for entry in stream.read().split(b"\0"):
                        if entry.startswith(os.fsencode(name) + b"="):
                            found[pid] = os.fsdecode(entry.partition(b"=")[2])
    return found


def rights(pid: str) -> Dict[str, str]:
    """Return what a process may read beyond its user: groups, capabilities, and the file systems that it sees; nothing if it is gone."""
    found: Dict[str, str] = {}
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
            fields = dict(line.split(":", 1) for line in stream if ":" in line)
        gid = fields["Gid"].split()[1]
        found = {"groups": " ".join(sorted({gid, *fields["Groups"].split()}, key=int)), "capabilities": fields.get("CapEff", "").strip()}
        for name in ("mnt", "user"):
            found[name] = os.readlink(f"/proc/{pid}/ns/{name}")
        found["root"] = os.readlink(f"/proc/{pid}/root")
    return found


def is_same(process: Optional[Process], started: int) -> bool:
    """Whether the process found under a pid is the one that was recorded there."""
    return process is not None and process.started == started and process.alive


def age_of(process: Process) -> float:
    """Return the seconds since a process was started."""
    with open("/proc/uptime", encoding="ascii") as stream:
        return max(0.0, float(stream.read().split()[0]) - process.started / os.sysconf("SC_CLK_TCK"))


def boot_id() -> str:
    """What is new with each start of the host; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
