# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a full look asks of Arrow's footer: the schema's types, as Arrow has them, and where the batches lie."""

from __future__ import annotations

import base64
import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import DAMAGED, FEATURE, OTHER
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_footers as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_footers import Items, Number, Slots

INT, FLOAT, DECIMAL, DATE, TIME, STAMP, INTERVAL, LIST, STRUCT, UNION, FIXED, FIXED_LIST, MAP, DURATION = (
    2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # fmt: skip
ENDS, FIXED_TEXT = 22, 24


def short(value):
    return None if value is None else Number(-2, value)


def number(value):
    return None if value is None else Number(-4, value)


def flag(value):
    return None if value is None else Number(1, value)


def pairs(*items):
    return [Slots(item) for item in items]


def field(kind=INT, details=None, children=None, dictionary=None, nullable=1, more=None, name="x"):
    details = Slots([Number(-4, 32), Number(1, 1)]) if details is None else Slots(details)
    return Slots([name, flag(nullable), flag(kind), details, dictionary, children, more])


def schema(*fields, endianness=0, more=None):
    return Slots([short(endianness), list(fields), more, Items(1, struct.pack("<q", 0))])


def footer(fields=None, version=4, dictionaries=(), batches=((8, 16, 24),), **keys):
    whole = schema(*([field()] if fields is None else fields), **keys)
    blocks = [Items(len(found), b"".join(struct.pack("<qi4xq", *one) for one in found)) for found in (dictionaries, batches)]
    return Slots([short(version), whole, *blocks, pairs(("key", "value"))])


def verdict(look, *arguments, **keys):
    return look(made.arrow(footer(*arguments, **keys)), ANY, True, "x.arrow")


def is_known(look, *fields, **keys):
    found = verdict(look, list(fields), **keys)
    assert found.kind in (FEATURE, DAMAGED)
    assert found.kind == FEATURE or "broken footer" in found.reason
    return found.kind == FEATURE


def test_an_intact_footer(look):
    assert verdict(look)[:2] == (FEATURE, "")
    assert is_known(look)
    assert is_known(look, field(), field(FLOAT, [short(1)]))
    assert is_known(look, *(field() for _turn in range(9)))


# Type, its details, whether Arrow knows it.
DETAILS = [
    *((INT, [number(width), flag(1)], width in (8, 16, 32, 64)) for width in (0, 7, 8, 9, 16, 17, 32, 33, 64, 65)),
    (INT, [None, None], False),
    *((FLOAT, [short(precision)], 0 <= precision <= 2) for precision in (-1, 0, 1, 2, 3)),
    (FLOAT, [None], True),
    *((DECIMAL, [number(digits), number(2), number(width)], right) for digits, width, right in (
        (1, 32, True), (9, 32, True), (10, 32, False), (18, 64, True), (19, 64, False), (38, 128, True), (39, 128, False),
        (76, 256, True), (77, 256, False), (0, 128, False), (1, 16, False), (1, 512, False), (38, None, True), (39, None, False),
        (None, 128, False))),
    *((DATE, [short(unit)], right) for unit, right in ((-1, False), (0, True), (1, True), (2, False), (None, True))),
    *((TIME, [short(unit), number(width)], right) for unit, width, right in (
        (0, 32, True), (1, 32, True), (2, 32, False), (3, 32, False), (0, 64, False), (1, 64, False), (2, 64, True), (3, 64, True),
        (None, None, True), (None, 64, False), (2, None, False), (1, 33, False), (4, 64, False))),
    *((STAMP, [short(unit), zone], right) for unit, zone, right in (
        (-1, None, False), (0, None, True), (3, "UTC", True), (4, None, False), (None, None, True))),
    *((DURATION, [short(unit)], right) for unit, right in ((-1, False), (0, True), (1, True), (3, True), (4, False), (None, True))),
    *((INTERVAL, [short(unit)], right) for unit, right in ((-1, False), (0, True), (1, True), (2, True), (3, False), (None, True))),
    *((FIXED, [number(width)], right) for width, right in ((-1, False), (0, True), (9, True), (None, True))),
    *((kind, [], True) for kind in (1, 4, 5, 6, 19, 20, 23, 24)),
    *((kind, [], False) for kind in (0, 27, 28)),
    *((kind, [], False) for kind in (12, 16, 17, 21, 22, 25, 26)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "details", "right"), DETAILS)
def test_types(look, kind, details, right):
    assert is_known(look, field(kind, details)) is right


ONE = field()
TWO = [field(), field(FLOAT, [short(1)])]


def entries(keys=None, kind=STRUCT, nullable=0, count=2):
    """What a map is a list of."""
    return field(kind, [], ([keys or field(nullable=0), ONE, ONE])[:count], nullable=nullable)


def ends(width=32, kind=INT, nullable=0):
    details = [number(width), flag(1)] if kind == INT else [short(1)]
    return field(kind, details, nullable=nullable)


# Type, details, children, whether Arrow knows it.
NESTED = [
    *((kind, [], [ONE] * count, count == 1) for kind in (12, 21, 25) for count in (0, 1, 2)),
    *((kind, [], [ONE] * count, False) for kind in (26,) for count in (0, 2)),
    (26, [], [ONE], True),
    (FIXED_LIST, [number(3)], [ONE], True),
    (FIXED_LIST, [number(-1)], [ONE], False),
    (FIXED_LIST, [number(3)], TWO, False),
    (STRUCT, [], [], True),
    (STRUCT, [], [ONE], True),
    (STRUCT, [], TWO, True),
    (STRUCT, [], [field(FLOAT, [short(3)])], False),
    (UNION, [short(0), None], TWO, True),
    (UNION, [short(1), None], TWO, True),
    (UNION, [short(2), None], TWO, False),
    (UNION, [short(-1), None], TWO, False),
    (UNION, [short(0), Items(2, struct.pack("<ll", 5, 6), 4)], TWO, True),
    (UNION, [short(0), Items(1, struct.pack("<l", 5), 4)], TWO, False),
    (UNION, [short(0), Items(0, b"", 4)], TWO, True),
    (MAP, [flag(0)], [entries()], True),
    (MAP, [flag(0)], [entries(nullable=1)], False),
    (MAP, [flag(0)], [entries(kind=UNION)], False),
    (MAP, [flag(0)], [entries(count=1)], False),
    (MAP, [flag(0)], [entries(count=3)], False),
    (MAP, [flag(0)], [entries(count=0)], False),
    (MAP, [flag(0)], [entries(keys=field(nullable=1))], False),
    (MAP, [flag(0)], [entries(), entries()], False),
    (ENDS, [], [ends(), ONE], True),
    (ENDS, [], [ends(16), ONE], True),
    (ENDS, [], [ends(64), ONE], True),
    (ENDS, [], [ends(8), ONE], False),
    (ENDS, [], [ends(nullable=1), ONE], False),
    (ENDS, [], [ends(kind=FLOAT), ONE], False),
    (ENDS, [], [ends()], False),
    (ENDS, [], [ends(), ONE, ONE], False),
    (INT, None, [ONE], False),
    (FLOAT, [short(1)], [], True),
    (FIXED, [number(3)], [ONE], False),
]


@pytest.mark.parametrize(("kind", "details", "children", "right"), NESTED)
def test_nested_types(look, kind, details, children, right):
    assert is_known(look, field(kind, details, children)) is right
    assert is_known(look, field(STRUCT, [], [field(kind, details, children)])) is right


@pytest.mark.parametrize(("index", "kind", "right"), [
    (None, None, True), (Slots([Number(-4, 8), Number(1, 0)]), None, True), (Slots([Number(-4, 9), Number(1, 0)]), None, False),
    (None, 0, True), (None, 1, False),
])  # fmt: skip
def test_dictionaries(look, index, kind, right):
    assert is_known(look, field(dictionary=Slots([Number(-8, 7), index, flag(0), short(kind)]))) is right


def test_pairs_need_both_parts_wherever_they_stand(look):
    for found, right in ((pairs(("a", "b")), True), (pairs(("a", None)), False), (pairs((None, "b")), False), ([], True)):
        assert is_known(look, field(more=found)) is right
        assert is_known(look, field(), more=found) is right
        # Those of the footer itself are looked at for their form alone.
        whole = footer()
        whole[4] = found
        assert look(made.arrow(whole), ANY, True, "x.arrow").kind == FEATURE


@pytest.mark.parametrize(("version", "endianness", "right"), [
    (0, 0, True), (4, 1, True), (5, 0, False), (-1, 0, False), (None, None, True), (4, 2, False), (4, -1, False),
])  # fmt: skip
def test_versions(look, version, endianness, right):
    assert (verdict(look, version=version, endianness=endianness).kind == FEATURE) is right


def test_a_footer_without_a_schema_and_a_schema_without_fields(look):
    whole = footer()
    whole[1] = None
    assert look(made.arrow(whole), ANY, True, "x.arrow").reason == "has a broken footer (no schema)"
    whole = footer()
    whole[1][1] = None
    assert look(made.arrow(whole), ANY, True, "x.arrow").reason == "has a broken footer (its schema)"
    assert is_known(look)
    assert is_known(look, field(name=None))
    for at in (2, 3):
        one = field()
        one[at] = None
        assert not is_known(look, one)


SIZE = len(made.arrow(footer(), 64))


@pytest.mark.parametrize(("block", "right"), [
    ((8, 8, 0), True), ((7, 8, 0), False), ((0, 8, 0), False), ((12, 8, 0), False), ((16, 8, 8), True), ((8, 7, 0), False),
    ((8, 8, -1), False), ((8, 16, SIZE - 24), True), ((8, 16, SIZE), False), ((8, 17, SIZE - 24), False), ((-8, 8, 0), False),
])  # fmt: skip
def test_where_batches_lie(look, block, right):
    assert (verdict(look, batches=[block]).kind == FEATURE) is right
    if block[2] < SIZE - 24:
        assert (verdict(look, batches=[(8, 8, 0), block]).kind == FEATURE) is right
        assert (verdict(look, batches=[], dictionaries=[block]).kind == FEATURE) is right


def test_a_footer_that_leaves_out_all_but_the_schema(look):
    assert look(made.arrow(Slots([None, schema()])), ANY, True, "x.arrow").kind == FEATURE
    assert look(made.arrow(Slots([None, schema(), None, None, None, Number(8, 1)])), ANY, True, "x.arrow").kind == FEATURE


# Flatbuffers


def test_no_byte_of_a_footer_can_be_cut_off(look):
    raw = made.flatbuffer(footer())
    last = raw.rindex(b"value\0") + 6
    for length in range(4, last):
        assert look(made.arrow(raw[:length]), ANY, True, "x.arrow").kind == DAMAGED, length
    assert look(made.arrow(raw[:last]), ANY, True, "x.arrow").kind == FEATURE


@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
def test_numbers_that_lead_anywhere_end_in_a_verdict(look, value):
    raw = made.flatbuffer(footer([field(MAP, [flag(0)], [entries()], more=pairs(("a", "b")))]))
    for at in range(0, len(raw) - 4, 2):
        changed = raw[:at] + value + raw[at + 4 :]
        assert look(made.arrow(changed), ANY, True, "x.arrow").kind in (FEATURE, DAMAGED), at


def root(raw):
    """Where the root table of a buffer is, and its vtable."""
    at = struct.unpack_from("<L", raw)[0]
    return at, at - struct.unpack_from("<l", raw, at)[0]


@pytest.mark.parametrize(("change", "right"), [
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable, 2), False),  # no room for the sizes
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable, 13), False),  # half a slot
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable, 0xFFFE), False),  # beyond the end
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable, 12), True),  # the last slot is not there
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable + 2, 5), False),  # the table ends within a number
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable + 4, 0), True),  # left out
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable + 4, 5), False),  # not aligned
    (lambda raw, table, vtable: struct.pack_into("<H", raw, vtable + 4, 0x4000), False),  # outside the table
    (lambda raw, table, vtable: struct.pack_into("<l", raw, table, 1 << 20), False),
    (lambda raw, table, vtable: struct.pack_into("<l", raw, table, table + 4), False),
    (lambda raw, table, vtable: struct.pack_into("<L", raw, 0, 0), False),
    (lambda raw, table, vtable: struct.pack_into("<L", raw, 0, len(raw)), False),
    (lambda raw, table, vtable: struct.pack_into("<L", raw, 0, 1 << 31), False),
])  # fmt: skip
def test_tables(look, change, right):
    raw = bytearray(made.flatbuffer(footer()))
    change(raw, *root(raw))
    assert (look(made.arrow(bytes(raw)), ANY, True, "x.arrow").kind == FEATURE) is right


def test_a_text_ends_in_a_nul(look):
    raw = made.flatbuffer(footer())
    for word in (b"key", b"value", b"x"):
        at = raw.index(word + b"\0") + len(word)
        assert look(made.arrow(raw[:at] + b"!" + raw[at + 1 :]), ANY, True, "x.arrow").kind == DAMAGED


@pytest.mark.parametrize(("depth", "right"), [(20, True), (45, True), (46, False), (60, False)])
def test_depth(look, depth, right):
    inner = field()
    for _turn in range(depth):
        inner = field(STRUCT, [], [inner])
    found = verdict(look, [inner])
    assert (found.kind == FEATURE) is right
    assert right or found.reason == "has a broken footer (it nests too deep)"


# The frame


def test_too_long_a_footer(look):
    raw = bytes((16 << 20) + 1)
    assert look(made.arrow(raw), ANY, False, "x.arrow").kind == FEATURE
    assert look(made.arrow(raw), ANY, True, "x.arrow")[:2] == (OTHER, f"has a footer of {len(raw)} bytes, more than is read here")
    assert "more than is read" not in look(made.arrow(raw[1:]), ANY, True, "x.arrow").reason


@pytest.mark.parametrize(("length", "right"), [(-1, False), (0, False), (1, True), (40, True), (41, False)])
def test_a_footer_fits_between_the_magics(look, length, right):
    content = b"ARROW1\0\0" + bytes(40) + struct.pack("<l", length) + b"ARROW1"
    assert (look(content, ANY, name="x.arrow").kind == FEATURE) is right


@pytest.mark.parametrize("size", [8, 17, 18, 19])
def test_the_shortest_file(look, size):
    content = (b"ARROW1" + bytes(99))[: size - 6] + b"ARROW1"
    assert look(content, ANY, name="x.arrow").kind == DAMAGED


# The schema that stands in a file of Parquet


def message(*fields, kind=1, more=None, mark=b"\xff\xff\xff\xff"):
    body = made.flatbuffer(Slots([short(4), Number(1, kind), schema(*fields), Number(-8, 0), more]))
    return mark + struct.pack("<L", len(body)) + body


@pytest.mark.parametrize(("content", "right"), [
    (message(field()), True),
    (message(field(), mark=b""), True),
    (message(field(INT, [number(9), flag(1)])), False),
    (message(field(), kind=2), False),
    (message(field(), more=pairs(("a", "b"))), True),
    (message(field(), more=pairs(("a", None))), False),
    (message(field())[:60], False),
    (b"\xff\xff\xff\xff" + struct.pack("<L", 0) + made.flatbuffer(Slots([short(4)])), False),
])  # fmt: skip
def test_a_schema_in_parquet(look, content, right):
    pair = {1: made.text("ARROW:schema"), 2: made.text(base64.b64encode(content))}
    whole = made.parquet({1: made.i32(1), 2: [{4: made.text("schema")}], 3: made.i64(0), 4: [], 5: [pair]})
    assert (look(whole, ANY, True, "x.parquet").kind == FEATURE) is right
