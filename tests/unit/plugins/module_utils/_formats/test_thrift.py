# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thrift's compact protocol: each type on the wire, alone, in lists and in structures, and the bounds of all of them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats import thrift
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import Damaged
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_footers as made

# A value as it is written, its type and what is read.
VALUES = [
    (made.i8(200), made.I8, 200), (made.i16(-3), made.I16, -3), (made.i16(32767), made.I16, 32767), (made.i16(-32768), made.I16, -32768),
    (made.i32(2**31 - 1), made.I32, 2**31 - 1), (made.i32(-(2**31)), made.I32, -(2**31)), (made.i64(2**63 - 1), made.I64, 2**63 - 1),
    (made.i64(-(2**63)), made.I64, -(2**63)), (made.text("ab"), made.BINARY, b"ab"), (made.text(b""), made.BINARY, b""),
    (made.text(b"x" * 300), made.BINARY, b"x" * 300), ((made.DOUBLE, struct.pack("<d", 0.5)), made.DOUBLE, 0.5),
    ([made.i32(1), made.i32(-1)], made.LIST, [1, -1]), ([made.i32(number) for number in range(20)], made.LIST, list(range(20))),
    ([made.i32(number) for number in range(14)], made.LIST, list(range(14))),
    ([made.i32(number) for number in range(15)], made.LIST, list(range(15))),
    ([(made.TRUE, b"\1"), (made.TRUE, b"\2")], made.LIST, [True, False]), ([], made.LIST, []),
    ([[made.i8(1)], [made.i8(2)]], made.LIST, [[1], [2]]),
    ((made.SET, made.typed([made.i8(7)])[1]), made.SET, [7]), ({}, made.STRUCT, {}),
    ({1: made.i8(1)}, made.STRUCT, {1: (made.I8, 1, 0)}),
]  # fmt: skip


@pytest.mark.parametrize(("written", "kind", "value"), VALUES)
def test_values(written, kind, value):
    found = thrift.read(made.thrift({1: written, 3: made.i32(5), 40: written, 7: made.truth(True), 8: made.truth(False)}))
    assert found[1][:2] == found[40][:2] == (kind, value)
    assert (found[3], found[7], found[8]) == ((made.I32, 5, 0), (made.TRUE, True, 0), (made.TRUE, False, 0))


@pytest.mark.parametrize("written", [written for written, _kind, _value in VALUES if written != {}])
def test_no_byte_can_be_cut_off(written):
    raw = made.thrift({1: written})
    for length in range(len(raw)):
        with pytest.raises(Damaged, match="not what Parquet writes"):
            thrift.read(raw[:length])


@pytest.mark.parametrize("raw", [
    bytes((made.I16,)) + made.varint(1 << 16), b"\x14" + made.varint(1 << 16) + b"\0", b"\x15" + made.varint(1 << 32) + b"\0",
    b"\x15" + b"\x80" * 5 + b"\0\0", b"\x16" + b"\x80" * 10 + b"\0\0", b"\x16" + made.varint(1 << 64) + b"\0", b"\x1b\0\0", b"\x1d\0\0",
    b"\x1e\0\0",
    b"\x19\x10\0\0", b"\x19\x1d\0\0", b"\x19\xf5\xff\x7f\0", b"\x18\x80\x80\x80\x80\x80\0\0", b"",
])  # fmt: skip
def test_what_is_not_written_so(raw):
    with pytest.raises(Damaged, match="not what Parquet writes"):
        thrift.read(raw)


@pytest.mark.parametrize("raw", [b"\x15\x80\x80\x80\x80\0\0", b"\x16" + b"\x80" * 9 + b"\0\0", bytes((made.I32,)) + b"\2\0\0"])
def test_numbers_in_more_bytes_than_they_need(raw):
    assert thrift.read(raw) == {1: (raw[0] & 15, 0, 0)}


@pytest.mark.parametrize(("depth", "right"), [(32, True), (33, False)])
def test_how_deep_structures_nest(depth, right):
    raw = b"\x1c" * depth + b"\0" * (depth + 1)
    if right:
        assert thrift.read(raw)
    else:
        with pytest.raises(Damaged, match="it nests too deep"):
            thrift.read(raw)


@pytest.mark.parametrize(("depth", "right"), [(32, True), (33, True), (34, False), (40, False)])
def test_how_deep_lists_nest(depth, right):
    raw = b"\x19" * (depth - 1) + b"\x13\x07\0"
    if right:
        assert thrift.read(raw)
    else:
        with pytest.raises(Damaged, match="it nests too deep"):
            thrift.read(raw)
