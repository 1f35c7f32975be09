# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One open file, read under one budget of bytes, steps and memory, whatever the file says.

Beyond its budget a file is "not understood", so that one file cannot hold up the inspection of a host.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import Iterator, Tuple

from . import damage

# Every file's start and end are read: they hold a feature's small arrays and its directory.
HEAD_SIZE = 1024
TAIL_SIZE = 4096

# Bytes of one read, and bytes per file of a quick inspection. A full one may read all of the file and unpack some more of it.
PIECE = 4 << 20
QUICK_BYTES = 192 << 20
_FULL_BYTES, _FULL_RATIO = 1 << 30, 16
# Items per file: entries of a directory, opcodes of a pickle, headers, and elements that are copied.
STEPS = 1 << 19
# Structures larger than this are parsed one at a time per process, so that threads do not multiply their memory. With the number of
# processes (parallel.PROCESSES) that bounds what a host's files take together while they are classified.
_LARGE = 64 << 10
_CHUNK = 1 << 20

_turn = threading.Lock()


def _renew_turn() -> None:
    """No thread holds it in a process that was just forked."""
    global _turn
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_renew_turn)


class Reader:
    """Reads parts of an open file, serving its head and tail from memory. At its end, it gives back a claimed turn."""

    def __init__(self, fd: int, size: int, head: bytes, tail: bytes) -> None:
        self.fd = fd
        self.size = size
        self.head = head
        self.tail = tail
        self.tail_start = size - len(tail)
        self.bytes_left = QUICK_BYTES
        self.steps_left = STEPS
        self._claimed = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._claimed:
            self._claimed = False
            _turn.release()

    def allow_full(self, stored: int) -> None:
        """Raise the budget to that of a full inspection. stored: bytes that the file takes up on disk."""
        self.bytes_left = max(self.bytes_left, _FULL_BYTES + _FULL_RATIO * stored)

    def spend(self, length: int) -> None:
        """Count bytes that were read or unpacked."""
        self.bytes_left -= length
        if self.bytes_left < 0:
            raise damage.NotUnderstood("takes more reading than one file is given here")

    def step(self, count: int = 1) -> None:
        """Count items that are handled one by one."""
        self.steps_left -= count
        if self.steps_left < 0:
            raise damage.NotUnderstood("takes more steps than one file is given here")

    def claim(self, length: int) -> None:
        """Wait for this process's turn to hold a structure of so many bytes in memory, however long the others take."""
        if length > _LARGE and not self._claimed:
            self._claimed = _turn.acquire()

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes; Damaged if the file does not hold them."""
        if length > PIECE:
            raise damage.NotUnderstood(f"has a part of {length} bytes, more than is read here at once")
        self.spend(length)
        if offset >= self.tail_start:
            start = offset - self.tail_start
            found = self.tail[start : start + length]
        elif offset + length <= len(self.head):
            found = self.head[offset : offset + length]
        else:
            found = os.pread(self.fd, length, offset)
            if len(found) != length:
                found = read_on(self.fd, found, length, offset)
        if len(found) != length:
            raise damage.Damaged("is truncated")
        return found

    def read_everything(self) -> None:
        """Read all of the file but its holes, to see that the storage returns it."""
        for _hole, _piece in self.pieces(0, self.size):
            pass

    def pieces(self, position: int, end: int) -> Iterator[Tuple[int, bytes]]:
        """Yield a part of the file in bounded pieces, each after the length of the hole before it, which is not read."""
        while position < end:
            self.step()
            data = _seek(self.fd, position, os.SEEK_DATA, end)
            yield data - position, b""
            hole = _seek(self.fd, data, os.SEEK_HOLE, end) if data < end else end
            for position in range(data, hole, _CHUNK):
                yield 0, self.read(position, min(_CHUNK, hole - position))
            position = hole


def open_reader(fd: int, size: int) -> Reader:
    """Return a reader of a file of C(size) bytes."""
    return Reader(fd, size, *read_ends(fd, size))


def read_ends(fd: int, size: int) -> Tuple[bytes, bytes]:
    """Return the head and the tail of a file of C(size) bytes."""
    tail = read_on(fd, b"", min(size, TAIL_SIZE), max(0, size - TAIL_SIZE))
    if len(tail) != min(size, TAIL_SIZE):
        raise damage.Damaged("became shorter while it was read")
    return tail[:HEAD_SIZE] if size <= TAIL_SIZE else read_on(fd, b"", HEAD_SIZE, 0), tail


def read_on(fd: int, found: bytes, length: int, offset: int) -> bytes:
    """Return what was found at an offset, and the rest: some file systems return less than was asked for."""
    while len(found) < length:
        more = os.pread(fd, length - len(found), offset + len(found))
        if not more:
            break
        found += more
    return found


def _seek(fd: int, position: int, what: int, end: int) -> int:
    """Return where data (os.SEEK_DATA) or a hole (os.SEEK_HOLE) begins from a position on, at most C(end).

    On file systems that do not report holes everything is data.
    """
    try:
        return min(os.lseek(fd, position, what), end)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end  # no more data
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return position if what == os.SEEK_DATA else end
        raise
