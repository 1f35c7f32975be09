# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Footers of Parquet (Thrift's compact protocol) and of Arrow (a flatbuffer), written by hand, so that each part can be made wrong."""

from __future__ import annotations

import copy
import struct

# Thrift: a dictionary is a structure by number of field, a list a list, and all else a pair of a type and its bytes.

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


def varint(value):
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(raw + bytes((value,)))


def _signed(kind, value):
    return kind, varint(value << 1 if value >= 0 else (-value << 1) - 1)


def i16(value):
    return _signed(I16, value)


def i32(value):
    return _signed(I32, value)


def i64(value):
    return _signed(I64, value)


def i8(value):
    return I8, bytes((value,))


def truth(value):
    return (TRUE if value else FALSE), b""


def text(value):
    raw = value if isinstance(value, bytes) else value.encode("utf-8")
    return BINARY, varint(len(raw)) + raw


NUMBER = (DOUBLE, bytes(8))


def typed(value):
    """The type and the bytes of a value, as they stand in a list."""
    if isinstance(value, dict):
        return STRUCT, thrift(value)
    if isinstance(value, list):
        items = [typed(item) for item in value]
        kind = items[0][0] if items else STRUCT
        head = bytes((len(items) << 4 | kind,)) if len(items) < 15 else bytes((0xF0 | kind,)) + varint(len(items))
        return LIST, head + b"".join(raw for _kind, raw in items)
    return value


def thrift(fields):
    """The structure with these fields."""
    raw, last = b"", 0
    for number, value in fields.items():
        kind, content = typed(value)
        near = 0 < number - last < 16
        raw += bytes((number - last << 4 | kind,)) if near else bytes((kind,)) + i16(number)[1]
        raw, last = raw + content, number
    return raw + b"\0"


def without(value, path):
    """A copy that lacks what stands at this path."""
    return _changed(value, path, lambda holder, key: holder.pop(key))


def with_(value, path, new):
    """A copy with something else at this path."""
    return _changed(value, path, lambda holder, key: holder.__setitem__(key, new))


def _changed(value, path, change):
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return value


def paths(value, above=()):
    """The paths of all fields of structures; of a list only its first item counts."""
    found = []
    if isinstance(value, dict):
        for number, field in value.items():
            found += [(*above, number), *paths(field, (*above, number))]
    elif isinstance(value, list) and value:
        found += paths(value[0], (*above, 0))
    return found


def parquet(footer, data=64):
    """A file with this footer, behind so many bytes."""
    raw = footer if isinstance(footer, bytes) else thrift(footer)
    return b"PAR1" + bytes(data) + raw + struct.pack("<L", len(raw)) + b"PAR1"


# Flatbuffers: a table is a list of slots, each None or a number with its width (negative: signed), a text, a vector, a list of
# tables, or a table.


class Number:
    """A number of so many bytes."""

    def __init__(self, width, value):
        self.width, self.raw = abs(width), value.to_bytes(abs(width), "little", signed=width < 0)


class Items:
    """A vector of items that are laid out already, and where they are to be aligned."""

    def __init__(self, count, raw, align=8):
        self.count, self.raw, self.align = count, raw, align


class Slots(list):
    """A table."""


def flatbuffer(table):
    """The buffer around this table."""
    raw = bytearray(4)
    _point(raw, 0, _put(raw, table))
    return bytes(raw + bytes(-len(raw) % 8))


def _point(raw, at, where):
    raw[at : at + 4] = struct.pack("<L", where - at)


def _put(raw, value):
    raw += bytes(-len(raw) % 8)
    if isinstance(value, Slots):
        return _put_table(raw, value)
    if isinstance(value, Items):
        raw += bytes((-len(raw) - 4) % value.align)
        at = len(raw)
        raw += struct.pack("<L", value.count) + value.raw
    elif isinstance(value, str):
        at = len(raw)
        encoded = value.encode("utf-8")
        raw += struct.pack("<L", len(encoded)) + encoded + b"\0"
    else:
        at = len(raw)
        raw += struct.pack("<L", len(value)) + bytes(4 * len(value))
        for number, item in enumerate(value):
            _point(raw, at + 4 + 4 * number, _put(raw, item))
    return at


def _put_table(raw, slots):
    places, size = [], 4
    for slot in slots:
        if slot is None:
            places.append(0)
            continue
        width = slot.width if isinstance(slot, Number) else 4
        size += -size % width
        places.append(size)
        size += width
    vtable = len(raw)
    raw += struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), size, *places)
    raw += bytes(-len(raw) % 8)
    at = len(raw)
    raw += struct.pack("<l", at - vtable) + bytes(size - 4)
    for slot, place in zip(slots, places):
        if isinstance(slot, Number):
            raw[at + place : at + place + slot.width] = slot.raw
        elif slot is not None:
            _point(raw, at + place, _put(raw, slot))
    return at


def arrow(footer, data=64):
    """A file with this footer, behind so many bytes."""
    raw = footer if isinstance(footer, bytes) else flatbuffer(footer)
    return b"ARROW1\0\0" + bytes(data) + raw + struct.pack("<l", len(raw)) + b"ARROW1"
