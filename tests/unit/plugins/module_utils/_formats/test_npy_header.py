# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of arrays: the names of types, what their text may be, and the bounds of all that is announced."""

from __future__ import annotations

import pickle

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.arrays import ArraySpec
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import (
    Damaged,
    NotAFeature,
    NotUnderstood,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.dtypes import (
    DTYPE_NAMES,
    dtype_name,
    parse_dtype,
    shorten,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.npy import header_start, parse_header
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_npy import begin, described, raw

# As it may be written, as numpy writes it, bytes.
TYPES = [
    *((text, "<f4", 4) for text in ("<f4", "=f4", "|f4", "f4")),
    *((text, text, int(text[2:])) for text in ("<f2", ">f4", "<f8", "<f16", "<i2", ">i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<c8", "<c16",
                                               "<c32")),
    *((text, "|" + text[1:], int(text[2:])) for text in ("<i1", ">u1", "|b1", "<b1", "|S5", "<S5", "|V7", "<V7", "|S0", "|S2147483647")),
    *((text, text, 4 * int(text[2:])) for text in ("<U3", ">U3", "<U0", "<U536870911")),
    *((text, text, 8) for text in ("<M8[ns]", "<M8", ">m8[25s]", "<M8[123456D]")),
    *((text, None, 0) for text in (
        "?1", "<f3", "<f32", "<f0", "<f04", "<i3", "<i16", "<u16", "<c4", "<c64", "|b2", "<M4[ns]", "<m16", "<f4[ns]", "|S5[ns]", "<U3[s]",
        "<x4", "<f4 ", " <f4", "<f", "f4\n", "<M8[0s]", "<M8[1234567s]", "<M8[x]", "|S2147483648", "<U536870912", "|V2147483648",
        "S99999999999", "", "<", "b1[s]")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "written", "size"), TYPES)
def test_types(text, written, size):
    assert parse_dtype(text) == (None if written is None else (written, size, False))


@pytest.mark.parametrize("text", ["|O", "O", "|O8", "<O", ">O"])
def test_objects(text):
    assert parse_dtype(text) == ("|O", 8, True)


def test_names_of_types():
    sizes = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64, 128), "complex": (64, 128, 256)}
    names = {f"{word}{bits}": f"{'<' if bits > 8 else '|'}{word[0]}{bits // 8}" for word, some in sizes.items() for bits in some}
    assert {"bool": "|b1", "?": "|b1", "float": "<f8", "int": "<i8", "complex": "<c16", **names} == DTYPE_NAMES
    for text, name in (
        ("<f4", "float32"), (">f4", "big-endian float32"), ("|i1", "int8"), ("|b1", "bool"), ("<c16", "complex128"), ("<U3", "<U3"),
        (">U3", ">U3"), (">M8[ns]", ">M8[ns]"), ("|S5", "|S5"), (">x", ">x"),
    ):  # fmt: skip
        assert dtype_name(text) == name


# Where the data begin


@pytest.mark.parametrize(
    ("prefix", "start"),
    [
        (begin(1, 0), 10),
        (begin(1, 1), 11),
        (begin(1, 118), 128),
        (begin(1, 256), 266),
        (begin(1, 515), 525),
        (begin(1, 118, 10), 128),
        (begin(2, 116), 128),
        (begin(3, 116), 128),
        (begin(2, 116, 12), 128),
        (begin(1, 40002), 40012),
        (begin(2, 40000), 40012),
    ],
)
def test_where_the_data_begin(prefix, start):
    assert header_start(prefix) == start


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        (b"\x93NUMPZ" + begin(1, 9)[6:], "does not begin as an array"),
        (begin(1, 9, 9), "ends in an array's header"),
        (begin(2, 9, 11), "ends in an array's header"),
        (begin(3, 9, 11), "ends in an array's header"),
        (begin(9, 9, 11), "ends in an array's header"),
        (begin(4, 9), "has an array header of version 4.0"),
        (b"\x93NUMPY\1\1" + bytes(4), "has an array header of version 1.1"),
        (begin(1, 40003), "has an array header of 40013 bytes, more than numpy reads"),
        (begin(2, 40001), "has an array header of 40013 bytes"),
    ],
)
def test_what_does_not_begin_as_an_array(prefix, reason):
    with pytest.raises(NotAFeature, match=reason):
        header_start(prefix)


# Texts


@pytest.mark.parametrize(
    ("shape", "lengths", "length"),
    [
        ("(2, 3)", (2, 3), 24),
        ("()", (), 4),
        ("(5,)", (5,), 20),
        ("(2, 0)", (2, 0), 0),
        ("(1152921504606846976,)", (1 << 60,), 1 << 62),
        ("(0, 1152921504606846976)", (0, 1 << 60), 0),
        ("(1, " + "1, " * 30 + "1)", (1,) * 32, 4),
    ],
)
def test_shapes(shape, lengths, length):
    found = parse_header(raw(described(shape=shape) + "\n"))
    assert (found.shape, found.length, found.as_written) == (lengths, length, True)


@pytest.mark.parametrize("shape", ["(1152921504606846977,)", "(0, 1152921504606846977)"])
def test_an_absurd_size(shape):
    with pytest.raises(Damaged, match="has an array header with an absurd size"):
        parse_header(raw(described(shape=shape)))
    # Of a type without length the numbers count.
    for length, right in ((1 << 62, True), ((1 << 62) + 1, False)):
        if right:
            assert parse_header(raw(described("'|S0'", f"({length},)"))).length == 0
        else:
            with pytest.raises(Damaged, match="an absurd size"):
                parse_header(raw(described("'|S0'", f"({length},)")))


@pytest.mark.parametrize("shape", ["[2, 3]", "(2, '3')", "2", "(2)", "{}"])
def test_what_is_no_shape(shape):
    with pytest.raises(Damaged, match="its shape is not a tuple of lengths"):
        parse_header(raw(described(shape=shape)))


@pytest.mark.parametrize(
    ("text", "as_written"),
    [
        (described() + "\n", True),
        (described() + "     \n", True),
        (described(order="True") + "\n", True),
        (described(), False),
        (described() + "\t\n", False),
        (described("'float32'") + "\n", False),
        (described("'f4'") + "\n", False),
        (described(shape="(2,3)") + "\n", False),
        (described().replace("'descr'", '"descr"') + "\n", False),
        (described("'|S5'") + "\n", True),
    ],
)
def test_what_numpy_would_write(text, as_written):
    assert parse_header(raw(text)).as_written is as_written
    assert not parse_header(raw(text, 2)).as_written


@pytest.mark.parametrize("version", [1, 2, 3])
def test_as_long_as_numpy_reads(version):
    text = described()
    assert parse_header(raw(text.ljust(10000), version)).shape == (2, 3)
    with pytest.raises(NotUnderstood, match="has an array header of 10001 characters, more than numpy reads"):
        parse_header(raw(text.ljust(10001), version))
    with pytest.raises(Damaged, match=r"has a broken array header$"):
        parse_header(raw(text, version) + b" ")
    with pytest.raises(Damaged, match=r"has a broken array header$"):
        parse_header(raw(text, version)[:-1])


def test_texts_of_each_version():
    field = "[('ä', '<f4')]"
    assert parse_header(raw(described(field))).length == 24
    assert parse_header(raw(described(field), 3)).length == 24
    with pytest.raises(Damaged, match="not text"):
        parse_header(raw(described(field).encode("latin-1"), 3))
    longs = described(shape="(2L, 3L)")
    assert parse_header(raw(longs)).shape == parse_header(raw(longs, 2)).shape == (2, 3)
    with pytest.raises(Damaged):
        parse_header(raw(longs, 3))


@pytest.mark.parametrize(
    "text",
    [
        described("('<f4')"),
        " \t" + described(),
        described("'\\x3cf4'"),
        described('"<f4"'),
        described(shape="( 2 , 3 )"),
        described(shape="(2, 3, )"),
        described().replace(", }", "}"),
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
        "{'descr': 1, 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
    ],
)
def test_texts_that_numpy_reads_all_the_same(text):
    found = parse_header(raw(text))
    assert (found.dtype, found.shape) == (("<f4", 4, False), (2, 3))


def test_specifications_are_equal_where_the_same_is_asked():
    keys = {"x": {"dtype": "float32", "shape": [None, 3]}, "y": {}}
    one, two, other = parse_arrays(keys), parse_arrays(keys), parse_arrays({"x": {}})
    assert one == two and hash(one) == hash(two) and one != other and one != keys
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(one) == "ArraySpec(x: float32 (any, 3), y: any array)"
    assert repr(parse_arrays({"x": {"shape": [3]}})) == "ArraySpec(x: (3,))"
    assert repr(parse_arrays({"x": {"dtype": "str"}})) == "ArraySpec(x: str)" and ArraySpec() == parse_arrays({})


@pytest.mark.parametrize(
    ("dtype", "found", "right"),
    [
        ("str", "<U3", True),
        ("str", "|S3", False),
        ("bytes", "|S3", True),
        ("datetime64", "<M8[ns]", True),
        ("float32", "<f4", True),
        ("float32", "<f8", False),
        ("S", "|S9", True),
        ("U", "<U1", True),
        ("S5", "|S5", True),
        ("S5", "|S50", False),
    ],
)
def test_types_that_are_asked_for(dtype, found, right):
    header = parse_header(raw(described(f"'{found}'")))
    assert (parse_arrays({"x": {"dtype": dtype}}).mismatch({"x": header}) == "") is right


@pytest.mark.parametrize(
    ("number", "listed"),
    [(1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 and 1 more"), (8, "0, 1, 2, 3, 4 and 3 more")],
)
def test_of_many_names_five_are_listed(number, listed):
    header = parse_header(raw(described()))
    found = {str(name): header for name in range(number)}
    assert parse_arrays({"x": {}}).mismatch(found) == f"has arrays {listed} instead of x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 59 + "…"),
        ("a" * 99, "a" * 59 + "…"),
        ("a\nb", "a?b"),
        ("\0" * 61, "?" * 59 + "…"),
        ("", ""),
    ],
)
def test_texts_of_files_are_shown_short_and_printable(text, shown):
    assert shorten(text) == shown
