# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arrow by its frame: files (Feather 1 and 2 too) with a magic at both ends, and streams of messages with announced lengths.

Of a message only its type and the length of its body are read. Neither form has checksums.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from . import damage, interface
from .reader import Reader

KIND = interface.Kind("arrow", "an Arrow file", (".arrow", ".feather", ".ipc"), False)

# The magics of files and of Feather 1, and the bytes around a footer: its length, and the magic at both ends, padded at the start.
_FILES = ((b"ARROW1", 18), (b"FEA1", 12))
_MAGICS = tuple(magic for magic, _around in _FILES)
_CONTINUED = b"\xff\xff\xff\xff"
_END_OF_STREAM = _CONTINUED + bytes(4)
_LENGTH, _OFFSET, _PLACE, _KIND, _BODY = map(struct.Struct, ("<L", "<l", "<H", "<B", "<q"))


class _Message(NamedTuple):
    """kind: of its header; body: bytes of data that follow it."""

    kind: int
    body: int


# What comes first: of a stream a schema, and of a file of its own a tensor, dense or sparse.
_SCHEMA = _Message(1, 0)
_TENSORS = (4, 5)


def _begins(reader: Reader) -> bool:
    return reader.head.startswith(_MAGICS) or reader.tail.endswith(_MAGICS) or _begins_stream(reader)


def _begins_stream(reader: Reader) -> bool:
    start = 8 if reader.head.startswith(_CONTINUED) else 4
    length = int.from_bytes(reader.head[start - 4 : start], "little", signed=True)
    first = _message(reader, start, length) if 0 < length <= reader.size - start else None
    return first is not None and (first.kind in _TENSORS or first == _SCHEMA)


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    for magic, around in _FILES:
        if reader.head.startswith(magic) or reader.tail.endswith(magic):
            _check_file(reader, magic, around)
            break
    else:
        if criteria.full or not reader.tail.endswith(_END_OF_STREAM):
            _check_stream(reader)
    return interface.frame_only(KIND, reader, criteria)


def _check_file(reader: Reader, magic: bytes, around: int) -> None:
    if reader.size < around:
        raise damage.Damaged("is truncated")
    if not reader.tail.endswith(magic):
        raise damage.Damaged("is truncated (its end is missing)")
    length = int.from_bytes(reader.tail[-4 - len(magic) : -len(magic)], "little", signed=True)
    if not 0 < length <= reader.size - around:
        raise damage.Damaged(f"has a footer of {length} bytes, which does not fit into it")
    if not reader.head.startswith(magic):
        raise damage.NotUnderstood("ends as an Arrow file and does not begin as one")


def _check_stream(reader: Reader) -> None:
    """Go along the messages: they end with a mark or, from older writers, with the file."""
    position = 0
    while position < reader.size:
        reader.step()
        prefix = reader.read(position, 4)
        if prefix == _CONTINUED:  # writers before Arrow 0.15 left it out
            position += 4
            prefix = reader.read(position, 4)
        (length,) = struct.unpack("<l", prefix)
        position += 4
        if length == 0:
            return
        if length < 0:
            raise damage.NotUnderstood(f"has a message of {length} bytes before byte {position}")
        position += length
        if position <= reader.size:
            message = _message(reader, position - length, length)
            if message is None:
                raise damage.NotUnderstood(f"has a message before byte {position} whose length of data is not found")
            if message.kind in _TENSORS:
                raise damage.NotUnderstood("holds a tensor, not a table")
            position += message.body
    if position > reader.size:
        raise damage.Damaged(f"is truncated ({reader.size} bytes where its last message ends at {position})")


def _message(reader: Reader, start: int, length: int) -> Optional[_Message]:
    """What a Flatbuffers table Message, which may be anywhere in these bytes, says; None if it is none."""

    def number(form: struct.Struct, at: int) -> int:
        if not 0 <= at <= length - form.size:
            raise IndexError
        return int(form.unpack(reader.read(start + at, form.size))[0])

    try:
        table = number(_LENGTH, 0)
        fields = table - number(_OFFSET, table)
        size = number(_PLACE, fields)
        # Fields in order: version, type of the header, header, length of the body.
        kind, body = (number(_PLACE, fields + at) if at < size else 0 for at in (6, 10))
        found = _Message(number(_KIND, table + kind), number(_BODY, table + body) if body else 0)
    except IndexError:
        return None
    return found if kind and found.body >= 0 else None


FORMAT = interface.Format((KIND,), _begins, _read)
