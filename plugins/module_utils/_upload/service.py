# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that starts the host's rsyncs on behalf of the connecting user, so that no rsync has to become anybody.

It is the account that owns a directory, holds that directory's descriptor (and with it a lock), and listens on an abstract Unix
socket. The connecting user's side of rsync (see connector.py) passes its own standard streams to it. Several services that share
a pulse do not become idle while one of them works.
"""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import secrets
import select
import signal
import socket
import struct
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

from . import connector

_TICK_MS = 1000
_HELLO_SECONDS = 5.0
_MOST_BYTES = 65536
_LONG_AGO = 86400.0
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}


class Terms(NamedTuple):
    """What a service is started with.

    C(uid): who may connect. C(transfers): how many it serves. C(command): what runs, before the arguments. C(arguments): called with
    what a caller asks for; returns what is refused, or an empty text and the arguments that run. C(idle): seconds without a transfer
    after which it ends. C(held): descriptors that stay open as long as it lives. C(after): called at its end.
    """

    uid: int
    transfers: int
    command: Sequence[str]
    arguments: Callable[[Sequence[str]], Tuple[str, List[str]]]
    pulse: mmap.mmap
    idle: float
    held: Tuple[int, ...] = ()
    after: Callable[[], Any] = tuple


class Address(NamedTuple):
    """Where a service listens, and the uid that it runs as, by which the connector knows it."""

    name: str
    uid: int


def make_pulse() -> mmap.mmap:
    """Memory that the services of one upload share."""
    return mmap.mmap(-1, struct.calcsize("d"))


def stop(pulse: mmap.mmap) -> None:
    """Have the services that share a pulse end soon, unless a transfer is running."""
    struct.pack_into("d", pulse, 0, time.monotonic() - _LONG_AGO)


def start(directory: int, terms: Terms) -> Address:
    """Start a service for an open directory, as this process' account. It outlives this process."""
    name = secrets.token_hex(16)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind("\0" + name)
        listener.listen(64)
        _beat(terms.pulse)
        detach((directory, listener.fileno(), *terms.held), _Service(directory, listener, terms).serve)
    finally:
        listener.close()
    return Address(name, os.geteuid())


def detach(kept: Sequence[int], work: Callable[[], Any]) -> None:
    """Run C(work) in a process that outlives this one: it keeps only these descriptors, and runs none of this process' handlers."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _keep_only(kept)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _keep_only(kept: Iterable[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _beat(pulse: mmap.mmap) -> None:
    struct.pack_into("d", pulse, 0, time.monotonic())


def _age(pulse: mmap.mmap) -> float:
    return time.monotonic() - float(struct.unpack_from("d", pulse, 0)[0])


class _Service:
    def __init__(self, directory: int, listener: socket.socket, terms: Terms) -> None:
        self.directory = directory
        self.listener = listener
        self.terms = terms
        self.left = terms.transfers
        self.running: Dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Serve transfers until all have ended, or none has come for a while."""
        try:
            self._serve()
        finally:
            self.terms.after()

    def _serve(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(reader, select.POLLIN)
        while self.running or (self.left > 0 and _age(self.terms.pulse) < self.terms.idle):
            ready = [fd for fd, _event in poll.poll(_TICK_MS)]
            if reader in ready:
                os.read(reader, _MOST_BYTES)
            if self.listener.fileno() in ready:
                self._accept()
            self._reap()
            if self.running:
                _beat(self.terms.pulse)

    def _accept(self) -> None:
        connection = self.listener.accept()[0]
        if _peer(connection) != self.terms.uid:
            connection.close()
            return
        connection.settimeout(_HELLO_SECONDS)
        descriptors: List[int] = []
        try:
            arguments, descriptors = _receive(connection)
            pid = self._start(arguments, descriptors) if len(descriptors) == 3 else None
        except OSError:
            pid = None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if pid is None:
            connection.close()
        else:
            self.left -= 1
            self.running[pid] = connection

    def _start(self, arguments: List[str], descriptors: List[int]) -> Optional[int]:
        refused, arguments = self.terms.arguments(arguments)
        if refused or self.left <= 0:
            os.write(descriptors[2], f"{connector.REFUSED} {refused or 'more streams than were agreed on'}\n".encode("utf-8", "replace"))
            return None
        pid = os.fork()
        if pid == 0:
            self._run_rsync(arguments, descriptors)
        return pid

    def _run_rsync(self, arguments: List[str], descriptors: List[int]) -> NoReturn:
        """In the directory by its descriptor, wherever its name leads; rsync inherits that descriptor with the lock."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            for standard, descriptor in enumerate(descriptors):
                os.dup2(descriptor, standard)
            os.fchdir(self.directory)
            os.umask(0o022)
            os.set_inheritable(self.directory, True)
            os.execve(self.terms.command[0], [*self.terms.command, *arguments], _ENVIRONMENT)
        except OSError as error:
            os.write(2, f"rsync: cannot execute {self.terms.command[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(126)

    def _reap(self) -> None:
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self.running.pop(pid)
            if not self.running and self.left <= 0:
                # Before the last answer: whoever publishes next finds the lock free.
                self.listener.close()
                os.close(self.directory)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            with contextlib.suppress(OSError):
                connection.sendall(bytes([code]))
            connection.close()


def _peer(connection: socket.socket) -> int:
    size = struct.calcsize("3i")
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])


def _receive(connection: socket.socket) -> Tuple[List[str], List[int]]:
    """The arguments of rsync, and the three standard streams that come with them."""
    room = socket.CMSG_SPACE(3 * array.array("i").itemsize)
    data, ancillary, _flags, _address = connection.recvmsg(_MOST_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return [os.fsdecode(part) for part in data.split(b"\0")], list(descriptors)
