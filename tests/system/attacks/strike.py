# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a host: one attack just before the k-th system call of an operation, whichever process makes it.

Also notes at which calls of the collection's source something was exchanged, and how the attacker stood to the place.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import mmap
import os
import struct
import sys
from collections.abc import Iterator
from typing import Any, Protocol

CALLS = ("mkdir", "rmdir", "rename", "replace", "unlink", "link", "symlink", "fchown", "fchmod", "chown", "chmod", "lchown", "setxattr",
         "utime", "open")  # fmt: skip
MOST = 100_000  # calls of one operation
NOTES = "/run/strikes"
PLUGINS = "/plugins/module_utils/"
# A call in one of these stands for the call that led there.
GATES = ("/module_utils/_system/at.py", "/module_utils/_apply/rename.py", "/shutil.py", "/tempfile.py", "/os.py", "<frozen os>")


class Victim(Protocol):
    """What an attack exchanges names of: pairs of a path, and what it becomes a link to."""

    def exchanges(self, kind: str) -> Iterator[tuple[str, str]]: ...


class Strike:
    """Before the k-th call one attack; it is the user's doing, not root's."""

    def __init__(self, user: Any, aside: str) -> None:
        self.user, self.aside = user, aside
        self.shared = mmap.mmap(-1, 16 + MOST)
        self.notes = os.open(NOTES, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        self.muted = False
        self.victim: Victim
        self.kind, self.at = "", -1

    def start(self, victim: Victim, kind: str, at: int) -> None:
        self.victim, self.kind, self.at = victim, kind, at
        struct.pack_into("2q", self.shared, 0, 0, 0)

    def changing(self, number: int) -> bool:
        """True if this call was not an open of what was there."""
        return self.shared[16 + number] == 1

    @property
    def calls(self) -> int:
        return int(struct.unpack_from("q", self.shared, 0)[0])

    @property
    def hits(self) -> int:
        return int(struct.unpack_from("q", self.shared, 8)[0])

    def __call__(self, name: str, makes: bool) -> None:
        if self.muted:
            return
        number = self.calls
        self.shared[16 + number] = makes
        struct.pack_into("q", self.shared, 0, number + 1)
        if number != self.at:
            return
        self.muted = True
        child = REAL["fork"]()
        if child == 0:
            os._exit(self.as_user())
        hits = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        struct.pack_into("q", self.shared, 8, self.hits + max(hits, 0))
        if makes:
            REAL["write"](self.notes, f"{self.kind}|{site(name)}\n".encode())
        self.muted = False

    def as_user(self) -> int:
        """Exchange all that the attacker can; return how much that was."""
        if os.geteuid() == 0:
            os.setgroups(self.user.groups)
            os.setresgid(self.user.gid, self.user.gid, self.user.gid)
            os.setresuid(self.user.uid, self.user.uid, self.user.uid)
        done = 0
        for path, instead in self.victim.exchanges(self.kind):
            aside = f"{self.aside}/{hashlib.md5(path.encode()).hexdigest()}"
            try:
                os.rename(path, aside)
            except OSError:
                continue
            done += 1
            with contextlib.suppress(OSError):
                if instead == f"{self.aside}/hard":
                    os.link(instead, path)
                else:
                    os.symlink(instead, path)
        return min(done, 100)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        was, self.muted = self.muted, True
        try:
            yield
        finally:
            self.muted = was

    def noted(self) -> dict[str, list[str]]:
        """By call of the source, the kinds of attack that took place just before it."""
        found: dict[str, set[str]] = {}
        with open(NOTES) as file:
            for line in file:
                kind, call = line.rstrip("\n").split("|")
                found.setdefault(call, set()).add(kind)
        return {call: sorted(kinds) for call, kinds in sorted(found.items())}


def site(name: str) -> str:
    """The call of the source that makes the system call: C(file: function name)."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        path, function = frame.f_code.co_filename, frame.f_code.co_name
        if path.endswith(GATES):
            name = function
        elif PLUGINS in path and not function.startswith(("<", "_repeat")):
            return f"{path.partition(PLUGINS)[2]}: {function} {name}"
        frame = frame.f_back
    return f"none: {name}"


REAL: dict[str, Any] = {"fork": os.fork, "write": os.write}


def wrap(strike: Strike, module: Any, name: str) -> None:
    real = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if module is builtins:
            makes = len(args) > 1 and isinstance(args[1], str) and bool(set("wax+") & set(args[1]))
            if not makes:
                return real(*args, **kwargs)
        else:
            makes = name != "open" or bool(args[1] & os.O_CREAT)
        strike(name, makes)
        return real(*args, **kwargs)

    setattr(module, name, call)


def wrap_all(strike: Strike, rename: Any) -> None:
    """Let everything that changes a directory be preceded by an attack. rename: the module with the rename that Python lacks."""
    for module, call in [*((os, call) for call in CALLS), (builtins, "open"), (rename, "rename_new")]:
        wrap(strike, module, call)
