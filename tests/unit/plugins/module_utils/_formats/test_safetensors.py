# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of safetensors files: their types, and what does not describe an array."""

from __future__ import annotations

import json
import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_formats as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY

# Type, its name elsewhere, bytes.
TYPES = [
    ("BOOL", "bool", 1),
    ("U8", "uint8", 1),
    ("I8", "int8", 1),
    ("U16", "uint16", 2),
    ("I16", "int16", 2),
    ("F16", "float16", 2),
    ("BF16", "bfloat16", 2),
    ("U32", "uint32", 4),
    ("I32", "int32", 4),
    ("F32", "float32", 4),
    ("C64", "complex64", 8),
    ("U64", "uint64", 8),
    ("I64", "int64", 8),
    ("F64", "float64", 8),
    ("F8_E4M3", "float8_e4m3fn", 1),
    ("F8_E5M2", "float8_e5m2", 1),
    ("F8_E8M0", "float8_e8m0fnu", 1),
]


def one(dtype="F32", shape=(2, 3), offsets=(0, 24), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def verdict(look, header, data=24, arrays=ANY):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode("ascii")
    return look(made.safetensors(raw, bytes(data)), arrays, name="x.safetensors")


@pytest.mark.parametrize(("dtype", "name", "size"), TYPES)
def test_types(look, dtype, name, size):
    header = {"x": one(dtype, offsets=(0, 6 * size))}
    asked = parse_arrays({"x": {"dtype": name, "shape": [2, 3]}})
    assert verdict(look, header, 6 * size, asked)[:2] == (FEATURE, "")
    assert verdict(look, {"x": one(dtype, offsets=(0, 6 * size + 1))}, 6 * size + 1).kind == DAMAGED


DESCRIPTIONS = [
    (one(), True),
    (one(shape=(6,)), True),
    (one(shape=(24,), dtype="U8"), True),
    (one(shape=(2, 3, 1)), True),
    (1, False),
    ({}, False),
    (one(more=1.5, other={"a": [None, -1]}), True),
    ({"dtype": "F32", "shape": [6]}, False),
    ({**one(), "dtype": 1}, False),
    ({**one(), "shape": 6}, False),
    ({**one(), "shape": [True, 6]}, False),
    ({**one(), "shape": ["6"]}, False),
    ({**one(), "data_offsets": 24}, False),
    ({**one(), "data_offsets": [0]}, False),
    ({**one(), "data_offsets": [0, 24, 24]}, False),
    ({**one(), "data_offsets": [False, 24]}, False),
    (one(shape=(7,)), False),
    (one(offsets=(24, 0)), False),
    (one(shape=(1 << 32, 1 << 32)), False),
]


@pytest.mark.parametrize(("description", "right"), DESCRIPTIONS)
def test_descriptions(look, description, right):
    found = verdict(look, {"x": description})
    assert found.kind == (FEATURE if right else DAMAGED)
    assert right or found.reason.startswith("has a broken header (x ")


@pytest.mark.parametrize("description", [["F32", [6], [0, 24]], one("X"), one(more=json.loads("[" * 12 + "]" * 12))])
def test_descriptions_that_are_not_understood(look, description):
    assert verdict(look, {"x": description}).kind == NOT_UNDERSTOOD


@pytest.mark.parametrize("begin", [16, 25])
def test_arrays_fill_the_file(look, begin):
    found = verdict(look, {"x": one(), "y": one("F64", (1,), (begin, begin + 8))}, begin + 8)
    assert found[:2] == (DAMAGED, "has a header whose arrays overlap, or leave a gap")


def test_arrays_without_data(look):
    assert verdict(look, {"x": one(shape=(0, 3), offsets=(0, 0))}, 0).kind == FEATURE
    assert verdict(look, {"x": one(), "y": one(shape=(), offsets=(24, 28))}, 28).kind == FEATURE
    assert verdict(look, {"x": one(shape=(1 << 60, 0), offsets=(0, 0))}, 0).kind == FEATURE


@pytest.mark.parametrize(("dtype", "bits"), [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F8_E4M3FNUZ", 8), ("I128", 128)])
def test_types_of_a_width_that_their_names_say(look, dtype, bits):
    assert verdict(look, {"x": one(dtype, (8, 3), (0, 3 * bits))}, 3 * bits).kind == FEATURE
    assert verdict(look, {"x": one(dtype, (8, 3), (0, 3 * bits + 1))}, 3 * bits + 1).kind == DAMAGED
    assert verdict(look, {"x": one("QUANTISED", (8, 3), (0, 3 * bits))}, 3 * bits).kind == NOT_UNDERSTOOD


def test_blanks_before_the_header(look):
    raw = json.dumps({"x": one()}).encode("ascii")
    for blanks in (b" ", b"\n\t  "):
        assert verdict(look, blanks + raw).kind == FEATURE


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"[]", None),
        (b'{"a": 1.5}', "is not described as an array"),
        (b'{"a": -1}', "is not described as an array"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "is not described as an array"),
        (b'{"a": 18446744073709551616}', "is not described as an array"),
        (b'{"a": 18446744073709551615}', "is not described as an array"),
        (b'{"a": 000}', "no JSON"),
        (b'{"\\ud800": {}}', "no JSON"),
        (b'{"a": {"b": "\\ud800"}}', "no JSON"),
        (b'{"__metadata__": []}', "its metadata are not texts"),
        (b'{"__metadata__": {"a": 1}}', "its metadata are not texts"),
        (b'{"a": Infinity}', "no JSON"),
        (b'{"a": -1e999}', "no JSON"),
        (b'{"a": "\xff"}', "no JSON"),
    ],
)
def test_what_is_no_header(look, header, reason):
    found = verdict(look, header, 0)
    assert found.kind == DAMAGED
    assert reason is None or reason in found.reason


def test_metadata(look):
    assert verdict(look, {"__metadata__": {"a": "b"}, "x": one()}).kind == FEATURE
    assert verdict(look, {"__metadata__": {}, "x": one()}).kind == FEATURE
    assert verdict(look, b'{"__metadata__": null, "x": ' + json.dumps(one()).encode() + b"}").kind == FEATURE
    assert verdict(look, {"__metadata__": {"a": "b"}}, 0)[:2] == (OTHER, "is a safetensors file without arrays")


def test_how_long_a_header_may_be(look):
    raw = json.dumps({"x": one()}).encode("ascii")
    for length, kind in (((4 << 20), FEATURE), ((4 << 20) + 1, NOT_UNDERSTOOD)):
        assert verdict(look, raw.ljust(length)).kind == kind
    for length, kind in ((100000000, DAMAGED), (100000001, NOT_UNDERSTOOD)):
        assert look(struct.pack("<Q", length) + b"{" + bytes(99), ANY, name="x.bin").kind == kind
    assert look(made.safetensors()[:8], ANY, name="x.safetensors").kind == DAMAGED


def test_a_file_that_ends_with_its_header(look):
    content = made.safetensors(b'{"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}', b"")
    assert look(content, ANY, name="x.safetensors").kind == FEATURE
    assert look(content[:-1], ANY, name="x.safetensors")[:2] == (DAMAGED, "is truncated (its header does not fit)")


def test_headers_are_remembered_by_all_of_their_bytes(look):
    for shape in ((2, 3), (3, 2)):
        for _turn in range(2):
            asked = parse_arrays({"x": {"shape": list(shape)}})
            assert verdict(look, {"x": one(shape=shape)}, arrays=asked).kind == FEATURE
            assert verdict(look, {"x": one(shape=shape)}, 25).kind == DAMAGED
