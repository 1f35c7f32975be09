# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thrift's compact protocol, as Parquet's footers are written in it: any structure, within bounds."""

from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple

from . import damage

# Types on the wire.
TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_MAX_DEPTH = 32
_MAX_VALUES = 1 << 22


class Field(NamedTuple):
    """A field's type on the wire and its value; of a list, a list of values, of a structure, its fields by number."""

    type: int
    value: Any
    items: int = 0


Fields = Dict[int, Field]


def read(raw: bytes) -> Fields:
    """The structure at the start of these bytes; Damaged where there is none."""
    return _Reader(raw).structure(0)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.position = 0
        self.values = 0

    def byte(self) -> int:
        if self.position >= len(self.raw):
            raise _broken()
        self.position += 1
        return self.raw[self.position - 1]

    def number(self, most: int) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift >= 7 * most:
                raise _broken()

    def signed(self, bits: int) -> int:
        value = self.number(10 if bits == 64 else 5)
        value = value >> 1 ^ -(value & 1)
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise _broken()
        return value

    def structure(self, depth: int) -> Fields:
        if depth > _MAX_DEPTH:
            raise damage.Damaged("has a broken footer (it nests too deep)")
        fields: Fields = {}
        number = 0
        while True:
            header = self.byte()
            if header == 0:
                return fields
            kind = header & 15
            number = number + (header >> 4) if header >> 4 else self.signed(16)
            if kind in (TRUE, FALSE):
                fields[number] = Field(TRUE, kind == TRUE)
            else:
                fields[number] = self.field(kind, depth)

    def field(self, kind: int, depth: int) -> Field:
        if kind in (LIST, SET):
            header = self.byte()
            count = header >> 4 if header >> 4 != 15 else self.number(5)
            if count > len(self.raw) or not TRUE <= header & 15 <= STRUCT:
                raise _broken()
            items: List[Any] = [self.value(header & 15, depth + 1) for _turn in range(count)]
            return Field(kind, items, header & 15)
        return Field(kind, self.value(kind, depth + 1))

    def value(self, kind: int, depth: int) -> Any:
        self.values += 1
        if depth > _MAX_DEPTH or self.values > _MAX_VALUES:
            raise damage.Damaged("has a broken footer (it nests too deep)")
        if kind in (TRUE, FALSE):
            return self.byte() == TRUE
        if kind == I8:
            return self.byte()
        if kind in (I16, I32, I64):
            return self.signed({I16: 16, I32: 32, I64: 64}[kind])
        if kind == DOUBLE:
            return struct.unpack("<d", self.take(8))[0]
        if kind == BINARY:
            return self.take(self.number(5))
        if kind in (LIST, SET):
            return self.field(kind, depth).value
        if kind == STRUCT:
            return self.structure(depth)
        raise _broken()  # Parquet has no maps

    def take(self, length: int) -> bytes:
        start = self.position
        self.position += length
        if self.position > len(self.raw):
            raise _broken()
        return self.raw[start : self.position]


def _broken() -> damage.Damaged:
    return damage.Damaged("has a broken footer (not what Parquet writes)")
