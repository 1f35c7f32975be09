# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd scopes for processes that would end with the connection: with its service, or its login session (KillUserProcesses)."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from .. import errors
from . import accounts, programs

STAY, SYSTEM, USER = "stay", "system", "user"

_SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
_PATIENCE = 30.0


@dataclass(frozen=True)
class Logind:
    """logind's settings. C(removes_ipc): a user's shared memory is removed with the last session."""

    kills: bool = False
    only: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    removes_ipc: bool = False

    def ends(self, user: str) -> bool:
        if user in (self.exclude or ("root",)):
            return False
        return user in self.only if self.only else self.kills


def parse_logind(text: str) -> Logind:
    """Parse KillUserProcesses, KillOnlyUsers, KillExcludeUsers and RemoveIPC as C(busctl get-property) prints them."""
    lines = text.splitlines()
    if len(lines) != 4:
        return Logind()
    only, exclude = (tuple(re.findall(r'"([^"]*)"', line)) for line in lines[1:3])
    return Logind(lines[0] == "b true", only, exclude, lines[3] == "b true")


def decide(cgroup: str, logind: Logind, privileged: bool, lingers: bool, owner: str) -> Optional[str]:
    """Return where a process of this cgroup must go to outlive the connection; None: it cannot. owner: of the session."""
    in_session = re.search(r"/session-[^/]*\.scope(/|$)", cgroup)
    in_service = re.search(r"\.service(/|$)", cgroup) and not re.search(r"/user@\d+\.service(/|$)", cgroup)
    if not in_session and not in_service:
        return STAY
    if in_session and not logind.ends(owner):
        return STAY
    if privileged:
        return SYSTEM
    if lingers:
        return USER
    return None if in_session else STAY


def cgroup_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as stream:
            lines = [line.rstrip("\n").split(":", 2) for line in stream]
    except OSError:
        return ""
    paths = {controllers: path for _number, controllers, path in (line for line in lines if len(line) == 3)}
    # One of the two hierarchies is systemd's, the other one empty or the same.
    return max(paths.get("", ""), paths.get("name=systemd", ""), key=len)


def read_logind() -> Optional[Logind]:
    if not os.path.isdir("/run/systemd/system") or not shutil.which("busctl"):
        return None
    return parse_logind(_busctl(["get-property", *_LOGIND, "KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers", "RemoveIPC"]))


def place_of(pid: int, logind: Logind, lingers: bool) -> Optional[str]:
    cgroup = cgroup_of(pid)
    owner = re.search(r"/user-(\d+)\.slice/", cgroup)
    return decide(cgroup, logind, os.geteuid() == 0, lingers, accounts.user_name(int(owner.group(1))) if owner else "")


def make_scope(name: str, pids: Sequence[int], bus: Sequence[str] = ()) -> bool:
    """Put processes into a scope of their own; true once they are there. bus: options of busctl."""
    before = [cgroup_of(pid) for pid in pids]
    values = [f"{name}.scope", "fail", "1", "PIDs", "au", str(len(pids)), *map(str, pids), "0"]
    deadline = time.monotonic() + _PATIENCE
    made = _busctl([*bus, "call", *_SYSTEMD, "StartTransientUnit", "ssa(sv)a(sa(sv))", *values])
    while made and any(cgroup_of(pid) == old for pid, old in zip(pids, before)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return bool(made)


class Lifetime:
    """Of a training's tmux server. Asked before a start, in check mode too (`__init__` raises), and used at the start."""

    def __init__(self, account: accounts.Account) -> None:
        self._account = account
        logind = read_logind()
        self._logind = logind or Logind()
        place = place_of(os.getpid(), logind, self._lingers()) if logind else STAY
        if place is None:
            raise errors.FeatureError(
                f"logind ends the processes of user {account.name} with the connection (KillUserProcesses=yes), so the training"
                f" would not live: have an administrator run `loginctl enable-linger {account.name}`, or deploy with"
                f" {errors.named('become')}=true"
            )
        self.place = place

    def _lingers(self) -> bool:
        return os.path.exists(f"/var/lib/systemd/linger/{self._account.name}")

    def prefix(self, session: str, server: Optional[int]) -> Tuple[str, ...]:
        """What goes before a command that starts the tmux server, where its user's own systemd is to keep it."""
        if self.place != USER:
            return ()
        if server and self._is_own(server) and place_of(server, self._logind, self._lingers()) == USER:
            raise errors.FeatureError(
                f"a tmux server of user {self._account.name} is there that logind ends with the login it came from"
                f" (KillUserProcesses=yes): end it (tmux kill-server), or deploy with {errors.named('become')}=true"
            )
        unit = f"--unit=trainprep-{session}-{os.getpid()}"
        runtime = f"XDG_RUNTIME_DIR=/run/user/{self._account.uid}"
        return ("env", runtime, "systemd-run", "--user", "--scope", "--quiet", "--collect", unit, "--")

    def protect(self, session: str, server: Optional[int]) -> List[str]:
        """As root: put this process and the tmux server that is there already into a scope; what else was changed, as text."""
        pids = [os.getpid()] if self.place == SYSTEM else []
        if server and self._is_own(server) and place_of(server, self._logind, self._lingers()) == SYSTEM:
            pids.append(server)
        if not pids:
            return []
        changed = []
        if self._logind.removes_ipc and not self._lingers() and self._account.uid >= 1000:
            # Otherwise the user has no session when the connection ends, and logind removes the training's shared memory.
            answer = programs.ask_program(["loginctl", "enable-linger", self._account.name], _PATIENCE, _environment())
            if answer and answer.code == 0:
                changed.append(f"lingering was enabled for user {self._account.name}, so that logind leaves its shared memory alone")
        if not make_scope(f"trainprep-{session}-{os.getpid()}", pids):
            raise errors.FeatureError(
                "systemd made no scope for the training, which would end with the connection: look at `systemctl status` on the host"
            )
        return changed

    def _is_own(self, pid: int) -> bool:
        try:
            return os.stat(f"/proc/{pid}").st_uid == self._account.uid
        except OSError:
            return False


def _busctl(arguments: Sequence[str]) -> str:
    answer = programs.ask_program(["busctl", *arguments], _PATIENCE, _environment())
    return answer.output.decode("utf-8", "replace") if answer and answer.code == 0 else ""


def _environment() -> Dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
