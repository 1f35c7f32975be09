# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parquet: a magic at both ends, and a footer of announced length.

In full the footer is read as far as the library does to open the file: the schema, and where the columns lie. The
data are not looked at.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, Dict, Sequence, Tuple

from . import arrow, damage, interface, thrift
from . import zip_central_directory as central
from .thrift import BINARY, I8, I16, I32, I64, LIST, STRUCT, TRUE, Fields

KIND = interface.Kind("parquet", "a Parquet file", (".parquet", ".pq"), False)

MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_END = struct.Struct("<L4s")
_MAX_FOOTER = 16 << 20
_MAX_DEPTH = 48

# The structures of a footer. By number of a field: its type, whether it may not be left out, and of structures and lists what
# is in them.
Spec = Dict[int, Tuple[Any, ...]]
_EMPTY: Spec = {}
_PAIR: Spec = {1: (BINARY, True), 2: (BINARY, False)}
_UNIT: Spec = {1: (STRUCT, False), 2: (STRUCT, False), 3: (STRUCT, False)}
_LOGICAL_TYPES: Dict[int, Spec] = {
    5: {1: (I32, True), 2: (I32, True)},
    7: {1: (TRUE, True), 2: (STRUCT, True, _UNIT)},
    8: {1: (TRUE, True), 2: (STRUCT, True, _UNIT)},
    10: {1: (I8, True), 2: (TRUE, True)},
}
_LOGICAL_TYPE: Spec = {number: (STRUCT, False, _LOGICAL_TYPES.get(number, _EMPTY)) for number in range(1, 19)}
_ELEMENT: Spec = {
    1: (I32, False), 2: (I32, False), 3: (I32, False), 4: (BINARY, True), 5: (I32, False), 6: (I32, False), 7: (I32, False),
    8: (I32, False), 9: (I32, False), 10: (STRUCT, False, _LOGICAL_TYPE),
}  # fmt: skip
_STATISTICS: Spec = {
    1: (BINARY, False), 2: (BINARY, False), 3: (I64, False), 4: (I64, False), 5: (BINARY, False), 6: (BINARY, False),
    7: (TRUE, False), 8: (TRUE, False),
}  # fmt: skip
_COLUMN_DATA: Spec = {
    1: (I32, True), 2: (LIST, True, I32), 3: (LIST, True, BINARY), 4: (I32, True), 5: (I64, True), 6: (I64, True),
    7: (I64, True), 8: (LIST, False, _PAIR), 9: (I64, True), 10: (I64, False), 11: (I64, False),
    12: (STRUCT, False, _STATISTICS), 13: (LIST, False, {1: (I32, True), 2: (I32, True), 3: (I32, True)}), 14: (I64, False),
    15: (I32, False), 16: (STRUCT, False, {1: (I64, False), 2: (LIST, False, I64), 3: (LIST, False, I64)}),
}  # fmt: skip
_COLUMN: Spec = {
    1: (BINARY, False), 2: (I64, True), 3: (STRUCT, True, _COLUMN_DATA), 4: (I64, False), 5: (I32, False), 6: (I64, False),
    7: (I32, False),
}  # fmt: skip
_SORTING: Spec = {1: (I32, True), 2: (TRUE, True), 3: (TRUE, True)}
_GROUP: Spec = {
    1: (LIST, True, _COLUMN), 2: (I64, True), 3: (I64, True), 4: (LIST, False, _SORTING), 5: (I64, False), 6: (I64, False),
    7: (I16, False),
}  # fmt: skip
_FOOTER: Spec = {
    1: (I32, True), 2: (LIST, True, _ELEMENT), 3: (I64, True), 4: (LIST, True, _GROUP), 5: (LIST, False, _PAIR),
    6: (BINARY, False), 7: (LIST, False, {1: (STRUCT, False)}),
}  # fmt: skip

_TYPES = range(8)
_INT32, _INT64, _INT96, _BYTES, _FIXED = 1, 2, 3, 6, 7
# Types that a converted type may stand on, and the same for logical types.
_CONVERTED: Dict[int, Tuple[int, ...]] = {
    0: (_BYTES,), 4: (_BYTES,), 5: (_INT32, _INT64, _BYTES, _FIXED), 6: (_INT32,), 7: (_INT32,), 8: (_INT64,), 9: (_INT64,),
    10: (_INT64,), 11: (_INT32,), 12: (_INT32,), 13: (_INT32,), 14: (_INT64,), 15: (_INT32,), 16: (_INT32,), 17: (_INT32,),
    18: (_INT64,), 19: (_BYTES,), 20: (_BYTES,), 21: (_FIXED,),
}  # fmt: skip
_DECIMAL = 5
# Of a UUID and of a half float.
_LENGTHS = {14: 16, 15: 2}
_ON_GROUPS = (1, 2, 3)
_LOGICAL: Dict[int, Tuple[int, ...]] = {
    1: (_BYTES,), 4: (_BYTES,), 5: (_INT32, _INT64, _BYTES, _FIXED), 6: (_INT32,), 7: (_INT32, _INT64), 8: (_INT64,),
    10: (_INT32, _INT64), 11: tuple(_TYPES), 12: (_BYTES,), 13: (_BYTES,), 14: (_FIXED,), 15: (_FIXED,),
}  # fmt: skip


def _begins(reader: central.Reader) -> bool:
    return reader.head[:4] in (MAGIC, _ENCRYPTED)


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    if reader.head[:4] == _ENCRYPTED:
        raise damage.Foreign("is an encrypted Parquet file, which is not read here")
    if reader.size < 4 + _END.size:
        raise damage.Damaged("is truncated")
    length, magic = _END.unpack(reader.read(reader.size - _END.size, _END.size))
    if magic != MAGIC:
        raise damage.Damaged("is truncated (its end is missing)")
    if not 0 < length <= reader.size - _END.size - 4:
        raise damage.Damaged("has a footer that does not fit")
    if criteria.full:
        if length > _MAX_FOOTER:
            raise damage.Foreign(f"has a footer of {length} bytes, more than is read here")
        _check_footer(thrift.read(reader.read(reader.size - _END.size - length, length)), reader.size)
    if criteria.arrays.asked:
        raise interface.refuse_arrays(KIND)
    return interface.Content(KIND)


def _check_footer(footer: Fields, size: int) -> None:
    _check(footer, _FOOTER)
    elements, groups = footer[2].value, footer[4].value
    if not elements or _walk(elements, 0, 0) != len(elements):
        raise _broken("its schema is not a tree")
    leaves = [element for element in elements[1:] if not _is_group(element)]
    if footer[3].value < 0:
        raise _broken("its number of rows")
    for group in groups:
        columns = group[1].value
        if len(columns) != len(leaves):
            raise _broken("another number of columns than in its schema")
        for column, leaf in zip(columns, leaves):
            _check_column(column[3].value, leaf, size)
    for pair in footer[5].value if 5 in footer else ():
        if pair[1].value == b"ARROW:schema" and 2 in pair:
            try:
                arrow.schema_of_message(base64.b64decode(pair[2].value, validate=True))
            except binascii.Error:
                raise _broken("its Arrow schema") from None


def _check_column(data: Fields, leaf: Fields, size: int) -> None:
    if data[1].value != leaf[1].value or data[4].value not in range(8):
        raise _broken("a column")
    if min(data[5].value, data[7].value, data[9].value) < 0 or data[9].value + data[7].value > size:
        raise _broken("a column lies outside the file")


def _check(fields: Fields, spec: Spec) -> None:
    for number, (kind, required, *inner) in spec.items():
        if number not in fields:
            if required:
                raise _broken("a field is missing")
            continue
        field = fields[number]
        if field.type != kind:
            raise _broken("a field of another type")
        if kind == STRUCT and inner:
            _check(field.value, inner[0])
        elif kind == LIST and inner and field.value:
            if field.items != (inner[0] if isinstance(inner[0], int) else STRUCT):
                raise _broken("a field of another type")
            for item in field.value if field.items == STRUCT else ():
                _check(item, inner[0])


def _is_group(element: Fields) -> bool:
    return 1 not in element


def _children(element: Fields) -> int:
    return int(element[5].value) if 5 in element else 0


def _walk(elements: Sequence[Fields], index: int, depth: int) -> int:
    """The index after the element and all below it."""
    if depth > _MAX_DEPTH or index >= len(elements):
        raise _broken("its schema is not a tree")
    element = elements[index]
    children = _children(element)
    try:
        element[4].value.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken("a name is not text") from None
    if index and (3 not in element or element[3].value not in (0, 1, 2)):
        raise _broken("its schema")
    if not _is_group(element):
        if not index or children:
            raise _broken("its schema is not a tree")
        _check_leaf(element)
        return index + 1
    if children < 0 or (6 in element and element[6].value not in _ON_GROUPS) or any(
        number not in _ON_GROUPS for number in (element[10].value if 10 in element else ())
    ):
        raise _broken("its schema")
    after = index + 1
    for _turn in range(children):
        after = _walk(elements, after, depth + 1)
    return after


def _check_leaf(element: Fields) -> None:
    kind = element[1].value
    length = element[2].value if 2 in element else 0
    if kind not in _TYPES or (kind == _FIXED and length <= 0):
        raise _broken("a type")
    if 6 in element:
        converted = element[6].value
        if kind not in _CONVERTED.get(converted, ()):
            raise _broken("a converted type")
        if converted == _DECIMAL:
            _check_decimal(element.get(7), element.get(8), kind, length)
    logical = list(element[10].value.items()) if 10 in element else []
    if len(logical) > 1 or any(kind not in _LOGICAL.get(number, ()) for number, _field in logical):
        raise _broken("a logical type")
    for number, field in logical:
        if number == _DECIMAL:
            _check_decimal(field.value[1], field.value[2], kind, length)
        elif number in (7, 8):
            _check_time(field.value[2].value, number, kind)
        elif number == 10:
            _expect(field.value[1].value in ((8, 16, 32) if kind == _INT32 else (64,)), "an integer type")
        elif number in _LENGTHS:
            _expect(length == _LENGTHS[number], "a length")


def _expect(right: bool, what: str) -> None:
    if not right:
        raise _broken(what)


def _check_decimal(scale: Any, precision: Any, kind: int, length: int) -> None:
    digits = {_INT32: 9, _INT64: 18}.get(kind, 76)
    if kind == _FIXED:
        digits = min(76, int((8 * length - 1) * 0.30103)) if length < 40 else 76
    after = scale.value if scale else 0
    if not precision or not max(1, after) <= precision.value <= digits or after < 0:
        raise _broken("a decimal type")


def _check_time(unit: Fields, number: int, kind: int) -> None:
    if len(unit) != 1 or next(iter(unit)) not in (1, 2, 3):
        raise _broken("a unit of time")
    if number == 7 and (kind == _INT32) != (1 in unit):
        raise _broken("a unit of time")


def _broken(what: str) -> damage.Damaged:
    return damage.Damaged(f"has a broken footer ({what})")


FORMAT = interface.Format((KIND,), _begins, _read)
