# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scalars of TensorBoard event files: TFRecord framing and the few protobuf fields that a scalar needs. Pure.

A record is its length (8 bytes), the masked CRC-32C of the length (4), the data, and the CRC of the data (4). The data is an Event: step
(field 2), summary (5); a Summary has values (1); a Value has a tag (1) and simple_value (2) or a tensor (8).
"""

from __future__ import annotations

import contextlib
import struct
from typing import Iterator, List, NamedTuple, Optional, Tuple, Union

_HEADER = struct.Struct("<QI")
_LONGEST = 64 << 20  # a longer record is taken for damage
_TENSORS = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}  # DataType: float, double, int32, int64
_VALUES = {5: (1, 4), 6: (2, 8)}  # float_val and double_val of a TensorProto: their type and size
_Field = Tuple[int, Union[int, bytes]]


class Scalar(NamedTuple):
    """One point of a tag."""

    tag: str
    step: int
    value: float


def _make_table() -> List[int]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of TFRecord files."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_scalars(data: bytes, at_start: bool) -> Iterator[Scalar]:
    """Yield the scalars of the whole records in these bytes. If they are not the start of the file, the first record is searched."""
    at = 0 if at_start else _first_record(data, 0)
    while at >= 0 and at + 12 <= len(data):
        length, crc = _HEADER.unpack_from(data, at)
        if length > _LONGEST or masked_crc(data[at : at + 8]) != crc:
            at = _first_record(data, at + 1)
            continue
        end = at + 12 + length
        if end > len(data):
            return
        with contextlib.suppress(ValueError, IndexError, struct.error):  # not an Event: the next record may be one
            yield from _event(data[at + 12 : end])
        at = end + 4


def _first_record(data: bytes, start: int) -> int:
    """Return the offset of the next record by its length's CRC, or -1."""
    at = data.find(b"\0\0\0\0", start + 4)
    while at >= 0:
        begin = at - 4  # the upper half of a length is zero
        if begin >= start and begin + 12 <= len(data):
            length, crc = _HEADER.unpack_from(data, begin)
            if 0 < length <= _LONGEST and masked_crc(data[begin : begin + 8]) == crc:
                return begin
        at = data.find(b"\0\0\0\0", at + 1)
    return -1


def _event(data: bytes) -> Iterator[Scalar]:
    step, summaries = 0, []
    for number, value in _fields(data):
        if number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                found = _value(value)
                if found:
                    yield Scalar(found[0], step, found[1])


def _value(data: bytes) -> Optional[Tuple[str, float]]:
    tag, number = "", None
    for field, value in _fields(data):
        if field == 1 and isinstance(value, bytes):
            tag = value.decode("utf-8", "replace")
        elif field == 2 and isinstance(value, bytes) and len(value) == 4:
            number = struct.unpack("<f", value)[0]
        elif field == 8 and isinstance(value, bytes):
            number = _tensor(value)
    return (tag, float(number)) if number is not None else None


def _tensor(data: bytes) -> Optional[float]:
    """The number in a tensor that has one; None for images, texts and histograms."""
    kind, content, numbers = 0, b"", []
    for field, value in _fields(data):
        if field == 1 and isinstance(value, int):
            kind = value
        elif field == 4 and isinstance(value, bytes):
            content = value
        elif field in _VALUES and isinstance(value, bytes):
            numbers.append((_VALUES[field], value))
    form = _TENSORS.get(kind)
    if form and len(content) == struct.calcsize(form):
        return float(struct.unpack(form, content)[0])
    if form and len(numbers) == 1 and numbers[0][0] == (kind, len(numbers[0][1])):
        return float(struct.unpack(form, numbers[0][1])[0])
    return None


def _fields(data: bytes) -> Iterator[_Field]:
    """Yield the fields of a protobuf message: numbers of varints, bytes of all others."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            if kind != 2:
                raise ValueError("a wire type that no Event has")
            size, at = _varint(data, at)
        if at + size > len(data):
            raise ValueError("a field longer than its message")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
