# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arrow's file format (Feather 2 too): a magic at both ends, and a footer of announced length.

In full the footer is read as far as the library does to open the file: the schema and where the batches lie. The
data have no checksum.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Optional, Sequence

from . import damage, flatbuffer, interface
from . import zip_central_directory as central

KIND = interface.Kind("arrow", "an Arrow file", (".arrow", ".feather", ".ipc"), False)

MAGIC = b"ARROW1"
_END = struct.Struct("<l6s")
_MAX_FOOTER = 16 << 20
_BLOCK = struct.Struct("<qi4xq")

# Slots of Arrow's tables, as flatbuffer.py describes them.
_PAIRS = flatbuffer.Tables((flatbuffer.TEXT, flatbuffer.TEXT))
_INT = (-4, 1)
_TYPES: Dict[int, Sequence[Any]] = {
    1: (), 2: _INT, 3: (-2,), 4: (), 5: (), 6: (), 7: (-4, -4, -4), 8: (-2,), 9: (-2, -4), 10: (-2, flatbuffer.TEXT), 11: (-2,),
    12: (), 13: (), 14: (-2, flatbuffer.Vector(4, 4)), 15: (-4,), 16: (-4,), 17: (1,), 18: (-2,), 19: (), 20: (), 21: (), 22: (),
    23: (), 24: (), 25: (), 26: (),
}  # fmt: skip
_FIELD: List[Any] = [flatbuffer.TEXT, 1, 1, flatbuffer.Union(_TYPES), flatbuffer.Table((-8, flatbuffer.Table(_INT), 1, -2))]
_FIELD += [flatbuffer.Tables(_FIELD), _PAIRS]
_SCHEMA = (-2, flatbuffer.Tables(_FIELD), _PAIRS, flatbuffer.Vector(8, 8))
_FOOTER = (-2, flatbuffer.Table(_SCHEMA), flatbuffer.Vector(24, 8), flatbuffer.Vector(24, 8), _PAIRS)
# How many children a type has, where that is fixed.
_CHILDREN = {12: 1, 16: 1, 17: 1, 21: 1, 22: 2, 25: 1, 26: 1}
_NESTED = (*_CHILDREN, 13, 14)


def _begins(reader: central.Reader) -> bool:
    return reader.head.startswith(MAGIC)


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    if reader.size < 8 + _END.size:
        raise damage.Damaged("is truncated")
    length, magic = _END.unpack(reader.read(reader.size - _END.size, _END.size))
    if magic != MAGIC:
        raise damage.Damaged("is truncated (its end is missing)")
    if not 0 < length <= reader.size - _END.size - 8:
        raise damage.Damaged("has a footer that does not fit")
    if criteria.full:
        if length > _MAX_FOOTER:
            raise damage.Foreign(f"has a footer of {length} bytes, more than is read here")
        _check_footer(reader.read(reader.size - _END.size - length, length), reader.size)
    if criteria.arrays.asked:
        raise interface.refuse_arrays(KIND)
    return interface.Content(KIND)


def _check_footer(raw: bytes, size: int) -> None:
    version, schema, dictionaries, batches, _pairs = flatbuffer.read(raw, _FOOTER)
    if schema is None or (version or 0) not in range(5):
        raise damage.Damaged("has a broken footer (no schema)")
    check_schema(schema)
    for at, header, body in _BLOCK.iter_unpack((dictionaries or b"") + (batches or b"")):
        if at < 8 or at % 8 or header < 8 or body < 0 or at + header + body > size:
            raise damage.Damaged("has a broken footer (a batch lies outside the file)")


def check_schema(schema: Sequence[Any]) -> None:
    """Damaged unless the fields are ones that Arrow knows."""
    endianness, fields, pairs, _features = schema
    if (endianness or 0) not in (0, 1) or fields is None:
        raise _unknown()
    _check_pairs(pairs)
    ids: Dict[int, Any] = {}
    for field in fields:
        _check_field(field, ids)


def schema_of_message(raw: bytes) -> None:
    """Damaged unless this is a message of Arrow's with a schema."""
    start = 8 if raw[:4] == b"\xff\xff\xff\xff" else 4
    _version, _kind, schema, _length, pairs = flatbuffer.read(raw[start:], (-2, 1, flatbuffer.Union({1: _SCHEMA}), -8, _PAIRS))
    if schema is None:
        raise _unknown()
    _check_pairs(pairs)
    check_schema(schema)


def _check_pairs(pairs: Optional[Sequence[Any]]) -> None:
    if any(key is None or value is None for key, value in pairs or ()):
        raise _unknown()


def _check_field(field: Sequence[Any], ids: Dict[int, Any]) -> None:
    _name, _nullable, kind, details, dictionary, children, pairs = field
    children = children or []
    _check_pairs(pairs)
    if details is None or not kind or not _is_known(kind, details):
        raise _unknown()
    if len(children) != _CHILDREN.get(kind, len(children)) or (children and kind not in _NESTED):
        raise _unknown()
    if kind == 17:
        pairs_type = children[0]
        if pairs_type[1] or pairs_type[2] != 13 or len(pairs_type[5] or ()) != 2 or pairs_type[5][0][1]:
            raise _unknown()
    if kind == 14 and len(details[1] or b"") // 4 not in (0, len(children)):
        raise _unknown()
    if kind == 22 and (children[0][2] != 2 or (children[0][3][0] or 0) not in (16, 32, 64) or children[0][1]):
        raise _unknown()
    if dictionary is not None:
        index = dictionary[1]
        if dictionary[3] or (index is not None and not _is_known(2, index)):
            raise _unknown()
    for child in children:
        _check_field(child, ids)


def _is_known(kind: int, details: Sequence[Any]) -> bool:
    values = [value or 0 for value in details]
    if kind == 2:
        return values[0] in (8, 16, 32, 64)
    if kind == 3:
        return values[0] in (0, 1, 2)
    if kind == 7:
        width = 128 if details[2] is None else details[2]
        return width in (32, 64, 128, 256) and 1 <= values[0] <= {32: 9, 64: 18, 128: 38, 256: 76}[width]
    if kind == 8:
        return (1 if details[0] is None else details[0]) in (0, 1)
    if kind == 9:
        unit = 1 if details[0] is None else details[0]
        return (unit, 32 if details[1] is None else details[1]) in ((0, 32), (1, 32), (2, 64), (3, 64))
    if kind in (10, 18):
        return (values[0] if kind == 10 else 1 if details[0] is None else details[0]) in (0, 1, 2, 3)
    if kind == 11:
        return values[0] in (0, 1, 2)
    if kind == 14:
        return values[0] in (0, 1)
    return kind not in (15, 16) or values[0] >= 0


def _unknown() -> damage.Damaged:
    return damage.Damaged("has a broken footer (its schema)")


FORMAT = interface.Format((KIND,), _begins, _read)
