# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a full look asks of Parquet's footer: the structures, and the types that its specification knows."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import DAMAGED, FEATURE, OTHER
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_footers as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_footers import (
    i8,
    i16,
    i32,
    i64,
    text,
    truth,
)

BOOLEAN, INT32, INT64, INT96, FLOAT, REAL, BYTES, FIXED = range(8)

# A column of decimals with all that can be said of it, and its place in the file.
LEAF = {
    1: i32(FIXED), 2: i32(4), 3: i32(0), 4: text("x"), 5: i32(0), 6: i32(5), 7: i32(2), 8: i32(9), 9: i32(1),
    10: {5: {1: i32(2), 2: i32(9)}},
}  # fmt: skip
DATA = {
    1: i32(FIXED), 2: [i32(0)], 3: [text("x")], 4: i32(0), 5: i64(1), 6: i64(4), 7: i64(4), 8: [{1: text("a"), 2: text("b")}],
    9: i64(4), 10: i64(8), 11: i64(4),
    12: {1: text("a"), 2: text("b"), 3: i64(0), 4: i64(1), 5: text("a"), 6: text("b"), 7: truth(True), 8: truth(True)},
    13: [{1: i32(0), 2: i32(0), 3: i32(1)}], 14: i64(0), 15: i32(0), 16: {1: i64(0), 2: [i64(0)], 3: [i64(0)]},
}  # fmt: skip
FOOTER = {
    1: i32(2), 2: [{4: text("schema"), 5: i32(1)}, LEAF], 3: i64(1),
    4: [{
        1: [{1: text("x"), 2: i64(0), 3: DATA, 4: i64(0), 5: i32(0), 6: i64(0), 7: i32(0)}], 2: i64(4), 3: i64(1),
        4: [{1: i32(0), 2: truth(False), 3: truth(True)}], 5: i64(0), 6: i64(4), 7: i16(0),
    }],
    5: [{1: text("key"), 2: text("value")}], 6: text("by hand"), 7: [{1: {1: {}}}],
}  # fmt: skip

# What cannot be left out, by numbers of fields.
_COLUMN = (4, 0, 1, 0)
NEEDED = {
    (1,), (2,), (3,), (4,), (5, 0, 1), (2, 0, 4), (2, 0, 5), (4, 0, 1), (4, 0, 2), (4, 0, 3),
    *((4, 0, 4, 0, number) for number in (1, 2, 3)),
    (*_COLUMN, 2), (*_COLUMN, 3), *((*_COLUMN, 3, number) for number in (1, 2, 3, 4, 5, 6, 7, 9)), (*_COLUMN, 3, 8, 0, 1),
    *((*_COLUMN, 3, 13, 0, number) for number in (1, 2, 3)),
}  # fmt: skip


def verdict(look, footer, data=64):
    return look(made.parquet(footer, data), ANY, True, "x.parquet")


def with_leaf(**changes):
    """The footer with another column; numbers of fields are written as words, None leaves one out."""
    leaf = dict(LEAF)
    for word, value in changes.items():
        number = int(word[1:])
        leaf[number] = value
        if value is None:
            del leaf[number]
    leaf = dict(sorted(leaf.items()))
    footer = made.with_(FOOTER, (2, 1), leaf)
    return made.with_(footer, (*_COLUMN, 3, 1), leaf[1]) if 1 in leaf else footer


def plain(kind, **changes):
    """A column of one type, of which nothing more is said."""
    return with_leaf(**{"f1": i32(kind), "f2": None, "f6": None, "f7": None, "f8": None, "f10": None, **changes})


def test_all_that_a_footer_can_say(look):
    assert verdict(look, FOOTER)[:2] == (FEATURE, "")


@pytest.mark.parametrize("path", made.paths(FOOTER), ids=str)
def test_what_is_left_out(look, path):
    found = verdict(look, made.without(FOOTER, path))
    assert (found.kind == DAMAGED) is (path in NEEDED), found
    assert found.kind == FEATURE or "broken footer" in found.reason


@pytest.mark.parametrize("path", [path for path in made.paths(FOOTER) if path[:-1] != (7, 0, 1)], ids=str)
def test_what_is_of_another_type(look, path):
    assert verdict(look, made.with_(FOOTER, path, made.NUMBER))[:2] == (DAMAGED, "has a broken footer (a field of another type)")


@pytest.mark.parametrize("number", sorted(LEAF))
def test_what_a_column_cannot_leave_out(look, number):
    assert (verdict(look, with_leaf(**{f"f{number}": None})).kind == DAMAGED) is (number in (1, 2, 3, 4, 8))
    assert verdict(look, with_leaf(**{f"f{number}": made.NUMBER})).kind == DAMAGED


@pytest.mark.parametrize("number", [1, 2])
def test_what_a_decimal_cannot_leave_out(look, number):
    assert verdict(look, made.without(FOOTER, (2, 1, 10, 5, number))).kind == DAMAGED
    assert verdict(look, made.with_(FOOTER, (2, 1, 10, 5, number), made.NUMBER)).kind == DAMAGED


LISTS = [(4, 0, 1, 0, 3, 2), (4, 0, 1, 0, 3, 3), (4, 0, 1, 0, 3, 8), (4, 0, 1, 0, 3, 16, 2), (4, 0, 1, 0, 3, 16, 3), (5,), (7,)]


@pytest.mark.parametrize("path", LISTS, ids=str)
def test_lists_of_something_else_and_of_nothing(look, path):
    assert verdict(look, made.with_(FOOTER, path, [made.NUMBER])).kind == DAMAGED
    assert verdict(look, made.with_(FOOTER, path, [])).kind == FEATURE


# Types that stand on others, as the specification has them.

CONVERTED = {
    0: (BYTES,), 4: (BYTES,), 6: (INT32,), 7: (INT32,), 8: (INT64,), 9: (INT64,), 10: (INT64,), 11: (INT32,), 12: (INT32,),
    13: (INT32,), 14: (INT64,), 15: (INT32,), 16: (INT32,), 17: (INT32,), 18: (INT64,), 19: (BYTES,), 20: (BYTES,), 21: (FIXED,),
}  # fmt: skip
LOGICAL = {1: (BYTES,), 4: (BYTES,), 6: (INT32,), 11: tuple(range(8)), 12: (BYTES,), 13: (BYTES,)}


def length_of(kind, length=4):
    return i32(length) if kind == FIXED else None


@pytest.mark.parametrize("kind", range(-1, 10))
def test_types(look, kind):
    assert (verdict(look, plain(kind, f2=length_of(kind))).kind == FEATURE) is (0 <= kind <= 7)
    for converted in (*range(5), *range(6, 23)):
        found = verdict(look, plain(kind, f2=length_of(kind), f6=i32(converted)))
        assert (found.kind == FEATURE) is (kind in CONVERTED.get(converted, ())), converted
    for logical in (1, 2, 3, 4, 6, 9, 11, 12, 13, 16, 17, 18):
        found = verdict(look, plain(kind, f2=length_of(kind), f10={logical: {}}))
        assert (found.kind == FEATURE) is (kind in LOGICAL.get(logical, ())), logical


def test_only_one_logical_type(look):
    assert verdict(look, plain(BYTES, f10={1: {}, 4: {}})).kind == DAMAGED
    assert verdict(look, plain(BYTES, f10={})).kind == FEATURE


@pytest.mark.parametrize(("logical", "length"), [(14, 16), (15, 2)])
def test_types_of_a_fixed_length(look, logical, length):
    for other in (length - 1, length, length + 1):
        assert (verdict(look, plain(FIXED, f2=i32(other), f10={logical: {}})).kind == FEATURE) is (other == length)
    assert verdict(look, plain(BYTES, f10={logical: {}})).kind == DAMAGED
    for length in (-1, 0):
        assert verdict(look, plain(FIXED, f2=i32(length))).kind == DAMAGED
    assert verdict(look, plain(FIXED, f2=i32(1))).kind == FEATURE


# Type, its length, the most digits that it holds.
DIGITS = [(INT32, 0, 9), (INT64, 0, 18), (FIXED, 1, 2), (FIXED, 4, 9), (FIXED, 16, 38), (FIXED, 31, 74), (FIXED, 32, 76), (FIXED, 33, 76),
          (FIXED, 39, 76), (FIXED, 40, 76), (FIXED, 99, 76), (BYTES, 0, 76)]  # fmt: skip


@pytest.mark.parametrize(("kind", "length", "most"), DIGITS)
def test_decimals(look, kind, length, most):
    for scale, precision, right in ((0, most, True), (0, most + 1, False), (0, 0, False), (0, 1, True), (1, 1, True), (2, 1, False),
                                    (-1, 1, False), (most, most, True)):  # fmt: skip
        keys = {"f2": length_of(kind, length)}
        converted = plain(kind, f6=i32(5), f7=i32(scale), f8=i32(precision), **keys)
        logical = plain(kind, f10={5: {1: i32(scale), 2: i32(precision)}}, **keys)
        for footer in (converted, logical):
            assert (verdict(look, footer).kind == FEATURE) is right, (scale, precision)
    for kind_without in (BOOLEAN, INT96, FLOAT, REAL):
        assert verdict(look, plain(kind_without, f6=i32(5), f7=i32(0), f8=i32(1))).kind == DAMAGED
        assert verdict(look, plain(kind_without, f10={5: {1: i32(0), 2: i32(1)}})).kind == DAMAGED


MILLIS, MICROS, NANOS = 1, 2, 3
TIMES = [(7, INT32, (MILLIS,)), (7, INT64, (MICROS, NANOS)), (8, INT64, (MILLIS, MICROS, NANOS)), (8, INT32, ()), (7, BYTES, ())]


@pytest.mark.parametrize(("logical", "kind", "units"), TIMES)
def test_times(look, logical, kind, units):
    for unit in range(5):
        found = verdict(look, plain(kind, f10={logical: {1: truth(True), 2: {unit: {}} if unit else {}}}))
        assert (found.kind == FEATURE) is (unit in units), unit
    several = {MILLIS: {}, MICROS: {}}
    assert verdict(look, plain(kind, f10={logical: {1: truth(True), 2: several}})).kind == DAMAGED
    for number in (1, 2):
        parts = {1: truth(False), 2: {units[0] if units else MILLIS: {}}}
        del parts[number]
        assert verdict(look, plain(kind, f10={logical: parts})).kind == DAMAGED


@pytest.mark.parametrize(("kind", "widths"), [(INT32, (8, 16, 32)), (INT64, (64,)), (BYTES, ())])
def test_whole_numbers(look, kind, widths):
    for width in (0, 7, 8, 9, 16, 17, 32, 33, 64, 65):
        found = verdict(look, plain(kind, f10={10: {1: i8(width), 2: truth(True)}}))
        assert (found.kind == FEATURE) is (width in widths), width
    assert verdict(look, plain(kind, f10={10: {1: i8(32)}})).kind == DAMAGED
    assert verdict(look, plain(kind, f10={10: {2: truth(True)}})).kind == DAMAGED


# The tree of a schema


def group(name, children, **more):
    fields = {3: i32(1), 4: text(name), 5: i32(children)}
    fields.update({int(word[1:]): value for word, value in more.items()})
    return fields


def leaf(name):
    return {1: i32(INT32), 3: i32(1), 4: text(name)}


def tree(*elements):
    """A footer of a file without rows that has this schema."""
    return {1: i32(1), 2: list(elements), 3: i64(0), 4: []}


ROOT = {4: text("schema"), 5: i32(1)}


def deep(depth):
    return tree(ROOT, *(group("g", 1) for _turn in range(depth)), leaf("x"))


@pytest.mark.parametrize(
    ("footer", "right"),
    [
        (tree(ROOT, leaf("x")), True),
        (tree({4: text("schema")}), True),
        (tree(), False),
        (tree(ROOT), False),
        (tree(ROOT, leaf("x"), leaf("y")), False),
        (tree({4: text("schema"), 5: i32(2)}, group("g", 2), leaf("x"), leaf("y"), leaf("z")), True),
        (tree({4: text("schema"), 5: i32(2)}, group("g", 1), leaf("x"), leaf("y"), leaf("z")), False),
        (tree(ROOT, group("g", 0)), True),
        (tree(ROOT, group("g", -1)), False),
        (tree({4: text("schema"), 5: i32(-1)}), False),
        (tree(leaf("x")), False),
        (tree(ROOT, {**leaf("x"), 5: i32(1)}, leaf("y")), False),
        (tree(ROOT, group("g", 1, f6=i32(0)), leaf("x")), False),
        (tree(ROOT, group("g", 1, f6=i32(1)), leaf("x")), True),
        (tree(ROOT, group("g", 1, f6=i32(2)), leaf("x")), True),
        (tree(ROOT, group("g", 1, f6=i32(3)), leaf("x")), True),
        (tree(ROOT, group("g", 1, f6=i32(4)), leaf("x")), False),
        (tree(ROOT, group("g", 1, f10={1: {}}), leaf("x")), True),
        (tree(ROOT, group("g", 1, f10={3: {}}), leaf("x")), True),
        (tree(ROOT, group("g", 1, f10={4: {}}), leaf("x")), False),
        (tree(ROOT, leaf(b"\xff")), False),
        (tree(ROOT, {**leaf("x"), 3: i32(0)}), True),
        (tree(ROOT, {**leaf("x"), 3: i32(2)}), True),
        (tree(ROOT, {**leaf("x"), 3: i32(3)}), False),
        (tree(ROOT, {**leaf("x"), 3: i32(-1)}), False),
        (deep(47), True),
        (deep(48), False),
    ],
)
def test_schemas(look, footer, right):
    found = verdict(look, footer)
    assert (found.kind == FEATURE) is right, found
    assert right or found.kind == DAMAGED


# Where columns lie


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({1: i32(INT32)}, False),
        ({4: i32(-1)}, False),
        ({4: i32(7)}, True),
        ({4: i32(8)}, False),
        ({5: i64(-1)}, False),
        ({5: i64(0), 7: i64(0), 9: i64(0)}, True),
        ({7: i64(-1)}, False),
        ({9: i64(-1)}, False),
    ],
)
def test_columns(look, changes, right):
    footer = FOOTER
    for number, value in changes.items():
        footer = made.with_(footer, (*_COLUMN, 3, number), value)
    assert (verdict(look, footer).kind == FEATURE) is right


def test_a_column_that_reaches_to_the_end_of_the_file_and_beyond(look):
    at = (*_COLUMN, 3, 7)
    size = len(made.parquet(made.with_(FOOTER, at, i64(1000)), 2000))
    for length, right in ((size - 4, True), (size - 3, False)):
        assert (verdict(look, made.with_(FOOTER, at, i64(length)), 2000).kind == FEATURE) is right


def test_rows_and_numbers_of_columns(look):
    assert verdict(look, made.with_(FOOTER, (3,), i64(-1))).kind == DAMAGED
    assert verdict(look, made.with_(FOOTER, (3,), i64(0))).kind == FEATURE
    assert verdict(look, made.with_(FOOTER, (4, 0, 1), [])).reason == "has a broken footer (another number of columns than in its schema)"
    assert verdict(look, made.with_(FOOTER, (4,), [])).kind == FEATURE


@pytest.mark.parametrize(("key", "value", "right"), [
    ("ARROW:schema", "no base64!", False), ("ARROW:schema", base64.b64encode(b"nothing"), False), ("ARROW:schemas", "no base64!", True),
    ("ARROW:schema", None, True),
])  # fmt: skip
def test_a_schema_of_arrow(look, key, value, right):
    pair = {1: text(key), **({} if value is None else {2: text(value)})}
    assert (verdict(look, made.with_(FOOTER, (5, 0), pair)).kind == FEATURE) is right


def test_encrypted_and_too_long(look):
    content = b"PARE" + made.parquet(FOOTER)[4:]
    assert look(content, ANY, True, "x.parquet")[:2] == (OTHER, "is an encrypted Parquet file, which is not read here")
    footer = bytes((16 << 20) + 1)
    assert look(made.parquet(footer), ANY, False, "x.parquet").kind == FEATURE
    assert look(made.parquet(footer), ANY, True, "x.parquet")[:2] == (
        OTHER, f"has a footer of {len(footer)} bytes, more than is read here")  # fmt: skip
    assert "more than is read" not in look(made.parquet(footer[1:]), ANY, True, "x.parquet").reason


@pytest.mark.parametrize(("length", "right"), [(0, False), (1, True), (44, True), (45, False)])
def test_a_footer_fits_between_the_magics(look, length, right):
    content = b"PAR1" + bytes(44) + length.to_bytes(4, "little") + b"PAR1"
    assert (look(content, ANY, name="x.parquet").kind == FEATURE) is right


@pytest.mark.parametrize("size", [4, 11, 12, 13])
def test_the_shortest_file(look, size):
    content = (b"PAR1" + bytes(99))[: size - 4] + b"PAR1" if size > 4 else b"PAR1"
    assert look(content, ANY, name="x.parquet").kind == DAMAGED
