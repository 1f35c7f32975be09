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
# Bytes of a message that hold its table, whatever the length of what the table refers to.
_TABLE = 1 << 10


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
    first = _message(reader.head[start:]) if 0 < length < reader.size else None
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
        message = _message(reader.read(position, min(length, _TABLE)))
        if message is None:
            raise damage.NotUnderstood(f"has a message at byte {position} whose length of data is not found")
        if message.kind in _TENSORS:
            raise damage.NotUnderstood("holds a tensor, not a table")
        position += length + message.body
    if position > reader.size:
        raise damage.Damaged(f"is truncated ({reader.size} bytes where its last message ends at {position})")


def _message(raw: bytes) -> Optional[_Message]:
    """What a Flatbuffers table Message says; None if it is none, or cut."""
    try:
        (table,) = struct.unpack_from("<L", raw)
        fields = table - struct.unpack_from("<l", raw, table)[0]
        size = struct.unpack_from("<H", raw, fields)[0] if fields >= 0 else 0
        # Fields in order: version, type of the header, header, length of the body.
        places = struct.unpack_from("<4H", raw[:fields + size] + bytes(8), fields + 4) if 8 <= size <= 64 else None
        if places is None or not places[1] or table + places[1] >= len(raw):
            return None
        body = struct.unpack_from("<q", raw, table + places[3])[0] if places[3] else 0
        return _Message(raw[table + places[1]], body) if body >= 0 else None
    except struct.error:
        return None


FORMAT = interface.Format((KIND,), _begins, _read)
