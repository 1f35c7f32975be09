# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pickle

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.dtypes import parse_dtype
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import ArrayHeader
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError


def header(descr, shape):
    return ArrayHeader(parse_dtype(descr), shape, 128, 0, True)


@pytest.mark.parametrize(
    ("wanted", "descr", "shape", "accepted"),
    [
        ({"dtype": "float32", "shape": [None, 768]}, "<f4", (5, 768), True),
        ({"dtype": "float32", "shape": [None, 768]}, "<f4", (0, 768), True),
        ({"dtype": "float32", "shape": [None, 768]}, "<f4", (5, 767), False),
        ({"dtype": "float32", "shape": [None, 768]}, "<f4", (768,), False),
        ({"dtype": "float32", "shape": [None, 768]}, ">f4", (5, 768), False),
        ({"dtype": "float32", "shape": [None, 768]}, "<i4", (5, 768), False),
        ({"dtype": "<f4"}, "<f4", (1, 2, 3), True),
        ({"dtype": ">f4"}, ">f4", (), True),
        ({"dtype": "float"}, "<f8", (), True),
        ({"dtype": "int64"}, "<i8", (), True),
        ({"dtype": "uint8"}, "|u1", (), True),
        ({"dtype": "bool"}, "|b1", (), True),
        ({"dtype": "str"}, "<U7", (), True),
        ({"dtype": "str"}, "|S7", (), False),
        ({"dtype": "<U7"}, "<U8", (), False),
        ({"dtype": "bytes"}, "|S3", (), True),
        ({"dtype": "datetime64"}, "<M8[ns]", (), True),
        ({"dtype": "datetime64[ns]"}, "<M8[ns]", (), True),
        ({"dtype": "datetime64[ns]"}, "<M8[us]", (), False),
        ({"shape": ["2", None]}, "<f8", (2, 9), True),
        ({"shape": []}, "<f8", (), True),
        ({"shape": []}, "<f8", (1,), False),
        ({"dtype": None, "shape": None}, "<f8", (9,), True),
        ({}, "<c8", (1,), True),
        (None, "<c8", (1,), True),
    ],
)
def test_what_is_accepted(wanted, descr, shape, accepted):
    spec = parse_arrays({"x": wanted})
    assert (spec.mismatch({"x": header(descr, shape), "y": header("<f4", ())}) == "") is accepted


def test_no_arrays_accept_anything():
    for raw in (None, {}):
        assert parse_arrays(raw).mismatch({"x": header("<f4", ())}) == ""


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"wav": {"dtype": "flot32"}}, "arrays: wav: dtype 'flot32' is unknown; use a numpy name such as float32"),
        ({"wav": {"dtype": 32}}, "arrays: wav: dtype 32 is unknown; use a numpy name such as float32"),
        (
            {"wav": {"dtype": "object"}},
            "arrays: wav: dtype 'object' needs a pickle, which is never loaded; use another array",
        ),
        (
            {"wav": {"shape": [-1, 768]}},
            "arrays: wav: shape has the length -1; use whole numbers, and null for any length",
        ),
        (
            {"wav": {"shape": [True]}},
            "arrays: wav: shape has the length True; use whole numbers, and null for any length",
        ),
        (
            {"wav": {"shape": [1.5]}},
            "arrays: wav: shape has the length 1.5; use whole numbers, and null for any length",
        ),
        ({"wav": {"shape": 768}}, "arrays: wav: shape 768 is not a list; write it as [null, 768], null for any length"),
        ({"wav": {"shape": [1] * 65}}, "arrays: wav: shape has 65 dimensions; numpy reads at most 64"),
        ({"wav": {"dype": "float32"}}, "arrays: wav: the key 'dype' is unknown; the keys are dtype and shape"),
        ({"wav": "float32"}, "arrays: wav: must be a dictionary with dtype and shape, not 'float32'"),
        ({"": {}}, "arrays: '' is not a name of an array; use the name that numpy.load shows"),
        ({True: {}}, "arrays: True is not a name of an array; use the name that numpy.load shows"),
        (["wav"], "arrays: must be a dictionary of array names, each with dtype and shape"),
    ],
)
def test_errors_name_the_key(raw, message):
    with pytest.raises(FeatureError) as caught:
        parse_arrays(raw)
    assert str(caught.value) == message


def test_equal_questions_are_equal_also_in_another_process():
    one = parse_arrays({"a": {"dtype": "float32"}, "b": {"shape": [None, 2]}})
    other = parse_arrays({"b": {"shape": (None, 2)}, "a": {"dtype": "<f4"}})
    assert one == other == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(other)
    assert one != parse_arrays({"a": {"dtype": "float32"}})


def test_long_lists_of_names_are_cut():
    arrays = {f"array_{number}": header("<f4", ()) for number in range(9)}
    reason = parse_arrays({"wav": {}}).mismatch(arrays)
    assert reason == "has arrays array_0, array_1, array_2, array_3, array_4 and 4 more instead of wav"
