# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flatbuffers, read as strictly as their library verifies them: every offset, length and alignment.

A table is described by its slots, in order: an int is a number of so many bytes (negative: signed), TEXT a text,
Vector numbers or structures of a fixed size, Tables other tables, Table one, Union two slots, of which the first
says what table the second is. Slots that a description lacks are not looked at.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple, Sequence

from . import damage

TEXT = "text"
_MAX_DEPTH = 48
_MAX_TABLES = 100000


class Vector(NamedTuple):
    """Items of a fixed size, laid out at multiples of align."""

    size: int
    align: int


class Table(NamedTuple):
    """A table with these slots."""

    slots: Sequence[Any]


class Tables(NamedTuple):
    """Any number of such tables."""

    slots: Sequence[Any]


class Union(NamedTuple):
    """By the number in the first of two slots, the slots of the table in the second."""

    choices: Dict[int, Sequence[Any]]


def read(raw: bytes, slots: Sequence[Any]) -> List[Any]:
    """The root table: by slot its value, None where it is left out."""
    return _Reader(raw).root(slots)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.tables = 0

    def root(self, slots: Sequence[Any]) -> List[Any]:
        return self.table(self.follow(0), slots, 0)

    def number(self, at: int, size: int) -> int:
        width = abs(size)
        if at < 0 or at % width or at + width > len(self.raw):
            raise _broken()
        return int.from_bytes(self.raw[at : at + width], "little", signed=size < 0)

    def follow(self, at: int) -> int:
        offset = self.number(at, 4)
        if not 0 < offset < 1 << 31 or at + offset >= len(self.raw):
            raise _broken()
        return at + offset

    def table(self, at: int, slots: Sequence[Any], depth: int) -> List[Any]:
        self.tables += 1
        if depth > _MAX_DEPTH or self.tables > _MAX_TABLES:
            raise damage.Damaged("has a broken footer (it nests too deep)")
        vtable = at - self.number(at, -4)
        length = self.number(vtable, 2)
        if length % 2 or length < 4 or vtable + length > len(self.raw):
            raise _broken()
        size = self.number(vtable + 2, 2)
        places = struct.unpack_from(f"<{length // 2 - 2}H", self.raw, vtable + 4)
        values: List[Any] = []
        for slot, kind in enumerate(slots):
            place = places[slot] if slot < len(places) else 0
            if place >= max(size, 1) or (isinstance(kind, int) and place and place + abs(kind) > size):
                raise _broken()
            values.append(self.value(at + place, kind, values, depth) if place else None)
        return values

    def value(self, at: int, kind: Any, before: List[Any], depth: int) -> Any:
        if isinstance(kind, int):
            return self.number(at, kind)
        where = self.follow(at)
        if kind == TEXT:
            return self.text(where)
        if isinstance(kind, Vector):
            return self.vector(where, kind)
        if isinstance(kind, Tables):
            count = len(self.vector(where, Vector(4, 4))) // 4
            items = [self.follow(where + 4 + 4 * index) for index in range(count)]
            return [self.table(item, kind.slots, depth + 1) for item in items]
        if isinstance(kind, Table):
            return self.table(where, kind.slots, depth + 1)
        choice = kind.choices.get(before[-1] or 0)
        if choice is None:
            raise _broken()
        return self.table(where, choice, depth + 1)

    def vector(self, at: int, kind: Vector) -> bytes:
        length = self.number(at, 4) * kind.size
        start = at + 4
        if start + length > len(self.raw) or (length and start % kind.align):
            raise _broken()
        return self.raw[start : start + length]

    def text(self, at: int) -> str:
        found = self.vector(at, Vector(1, 1))
        if self.raw[at + 4 + len(found) : at + 5 + len(found)] != b"\0":
            raise _broken()
        return found.decode("utf-8", "replace")


def _broken() -> damage.Damaged:
    return damage.Damaged("has a broken footer (not what Arrow writes)")
