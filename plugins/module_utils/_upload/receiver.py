# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that starts the host's rsyncs on behalf of the connecting user, so that no rsync has to become anybody.

It is the account that owns the staging directory, holds that directory's descriptor and lock, and listens on an abstract Unix
socket. The connecting user's side of rsync (the connector, see plugin_utils) passes its own standard streams to it. Several
receivers of one upload share a pulse: while one of them works, the others do not become idle.
"""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import re
import secrets
import select
import signal
import socket
import struct
import time
from typing import Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

# Seconds without a transfer in any receiver of the upload, after which they end.
IDLE = 30.0
# How a refusal begins on the transfer's stderr.
REFUSED = "feature_upload: refuses"

_TICK_MS = 1000
_HELLO_SECONDS = 5.0
_MOST_BYTES = 65536
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}

# The options of a receiving rsync, as the controller's passes them on. Whoever may connect must not get more from this
# process than files in the staging directory: no sender, no links, devices, owners or modes, no other directory.
_ALLOWED = re.compile(
    r"-[ILORSWcqtvyz]*(e[0-9]*\.?[A-Za-z]*)?|-B[0-9]+|--partial-dir=\.rsync-partial|"
    r"--(bwlimit|checksum-choice|checksum-seed|compress-choice|compress-level|contimeout|debug|info|log-format|max-alloc|"
    r"modify-window|stop-after|stop-at|timeout)=[\w.,:%/+-]*|"
    r"--(stats|fsync|preallocate|new-compress|old-compress|size-only|no-inc-recursive|no-implied-dirs|no-whole-file|no-W)"
)

# And of one that sends all of its directory, with the files to which its links lead.
_ALLOWED_SENDER = re.compile(r"-[Lrtvyz]*(e[0-9]*\.?[A-Za-z]*)?|--timeout=[0-9]+")


class Terms(NamedTuple):
    """What a receiver is started with. C(uid): who may connect; C(streams): how many transfers it serves; C(sends): from its
    directory, instead of into it."""

    uid: int
    streams: int
    rsync: str
    pulse: mmap.mmap
    sends: bool = False


class Address(NamedTuple):
    """Where a receiver listens, and the uid that it runs as, by which the connector knows it."""

    name: str
    uid: int


def make_pulse() -> mmap.mmap:
    """Memory that the receivers of one upload share."""
    return mmap.mmap(-1, struct.calcsize("d"))


def stop(pulse: mmap.mmap) -> None:
    """Have the receivers that share a pulse end soon, unless a transfer is running."""
    struct.pack_into("d", pulse, 0, time.monotonic() - 2 * IDLE)


def refused_option(arguments: Sequence[str], sends: bool = False) -> Optional[str]:
    """The first argument that a receiving rsync (or a sending one) must not get; None if it may run. Pure."""
    if sends:
        if list(arguments[:2]) != ["--server", "--sender"] or list(arguments[-2:]) != [".", "./"]:
            return " ".join(arguments)[:80] or "an empty command"
        return next((one for one in arguments[2:-2] if not _ALLOWED_SENDER.fullmatch(one)), None)
    if arguments[:1] != ["--server"]:
        return arguments[0] if arguments else "an empty command"
    if list(arguments[-2:]) != [".", "./"]:
        return arguments[-1]
    options = list(arguments[1:-2])
    while options:
        one = options.pop(0)
        if one == "--partial-dir" and options:
            one += "=" + options.pop(0)
        if not _ALLOWED.fullmatch(one):
            return one
    return None


def start_receiver(staging: int, terms: Terms) -> Address:
    """Start a receiver for an open, locked staging directory, as this process's account. It outlives this process."""
    name = secrets.token_hex(16)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind("\0" + name)
        listener.listen(64)
        _beat(terms.pulse)
        child = os.fork()
        if child == 0:
            _detach(staging, listener, terms)
        os.waitpid(child, 0)
    finally:
        listener.close()
    return Address(name, os.geteuid())


def _detach(staging: int, listener: socket.socket, terms: Terms) -> NoReturn:
    """The life of the receiver: it holds nothing of the process that started it, and runs none of its handlers."""
    try:
        os.setsid()
        if os.fork() == 0:
            _keep_only((staging, listener.fileno()))
            _Receiver(staging, listener, terms).serve()
    finally:
        os._exit(0)


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


class _Receiver:
    def __init__(self, staging: int, listener: socket.socket, terms: Terms) -> None:
        self.staging = staging
        self.listener = listener
        self.terms = terms
        self.left = terms.streams
        self.running: Dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Serves transfers until all have ended, or none has come for a while."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(reader, select.POLLIN)
        while self.running or (self.left > 0 and _age(self.terms.pulse) < IDLE):
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
        refused = refused_option(arguments, self.terms.sends)
        if refused is not None or self.left <= 0:
            os.write(descriptors[2], f"{REFUSED} {refused or 'more streams than were agreed on'}\n".encode("utf-8", "replace"))
            return None
        pid = os.fork()
        if pid == 0:
            self._run_rsync(arguments, descriptors)
        return pid

    def _run_rsync(self, arguments: List[str], descriptors: List[int]) -> NoReturn:
        """In the staging directory by its descriptor, wherever its name leads; rsync inherits that descriptor with the lock."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            for standard, descriptor in enumerate(descriptors):
                os.dup2(descriptor, standard)
            os.fchdir(self.staging)
            os.umask(0o022)
            os.set_inheritable(self.staging, True)
            os.execve(self.terms.rsync, ["rsync", *arguments], _ENVIRONMENT)
        except OSError as error:
            os.write(2, f"rsync: cannot execute {self.terms.rsync}: {error.strerror}\n".encode())
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
                os.close(self.staging)
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
