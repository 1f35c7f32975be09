# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What numpy writes is recognised, and headers that anybody may write are understood as numpy does, or not at all."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    OTHER,
    classify,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import NotAFeature
from ansible_collections.trainprep.features.plugins.module_utils._formats.dtypes import parse_dtype
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import ArrayHeader
from ansible_collections.trainprep.features.plugins.module_utils._formats.npy import header_start, parse_header
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import _format_impl  # the only function that reads headers of all versions

from tests.corpus.test_numpy_agrees import numpy_loads

SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def examples(request: pytest.FixtureRequest, share: float) -> int:
    return max(100, int(request.config.getoption("--corpus") * share))


DTYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(max_len=9),
    hnp.unicode_string_dtypes(max_len=9),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.array_dtypes(max_size=3),
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=("Cs",)), min_size=1, max_size=8)


@st.composite
def arrays(draw: st.DrawFn) -> numpy.ndarray:
    dtype, shape = draw(DTYPES), draw(SHAPES)
    array = numpy.zeros(shape, dtype)
    if dtype.kind in "iuf" and array.size:
        array.flat[:] = draw(st.integers(0, 100))
    return numpy.asfortranarray(array) if draw(st.booleans()) else array


def look(path: Path, asked: Any, full: bool) -> Any:
    fd = os.open(path, os.O_RDONLY)
    try:
        return classify(fd, os.fstat(fd).st_size, path.name, asked, full)
    finally:
        os.close(fd)


def asked_for(array: numpy.ndarray) -> dict[str, Any]:
    plain = array.dtype.names is None
    return {"dtype": array.dtype.str if plain else None, "shape": list(array.shape)}


def test_what_numpy_saves_is_recognised(request: pytest.FixtureRequest, tmp_path: Path, tally: list[str]) -> None:
    tried = []

    @settings(max_examples=examples(request, 0.2), **SETTINGS)
    @given(st.dictionaries(NAMES.filter(lambda name: name != "file"), arrays(), min_size=1, max_size=5), st.booleans(), st.data())
    def compare(content: dict[str, numpy.ndarray], compressed: bool, data: st.DataObject) -> None:
        path = tmp_path / "x.npz"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (numpy.savez_compressed if compressed else numpy.savez)(path, **content)
        tried.append(compressed)
        loaded = numpy_loads(path)
        name = data.draw(st.sampled_from(sorted(content)))
        asked = parse_arrays({name: asked_for(content[name])})
        for full in (False, True):
            classification = look(path, asked, full)
            if loaded is None or len(loaded) != len(content):
                assert classification.kind != FEATURE
            else:
                assert (classification.kind, classification.reason) == (FEATURE, "")
        other = parse_arrays({name: {"shape": [*content[name].shape, 1]}})
        assert look(path, other, False).kind in (OTHER, DAMAGED)

    compare()
    tally.append(f"saved by numpy: {len(tried)} archives tried")


def test_single_arrays(request: pytest.FixtureRequest, tmp_path: Path, tally: list[str]) -> None:
    tried = []

    @settings(max_examples=examples(request, 0.05), **SETTINGS)
    @given(arrays(), st.integers(-3, 3))
    def compare(array: numpy.ndarray, more: int) -> None:
        path = tmp_path / "x.npy"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numpy.save(path, array)
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) + more] if more <= 0 else raw + bytes(more))
        tried.append(more)
        classification = look(path, parse_arrays({"any": asked_for(array)}), True)
        if classification.kind == FEATURE:
            assert numpy.load(path, allow_pickle=False).shape == array.shape
        # What follows an array is not read, as numpy does not.
        assert classification.kind == (FEATURE if numpy_single(path) else DAMAGED)

    compare()
    tally.append(f"single arrays: {len(tried)} tried")


def numpy_single(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numpy.load(path, allow_pickle=False)
    except Exception:
        return False
    return True


def numpys_header(raw: bytes) -> tuple[tuple[int, ...], int, bool] | None:
    """Shape, bytes of an item, and whether it needs a pickle; None where numpy cannot read the header."""
    stream = io.BytesIO(raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = numpy.lib.format.read_magic(stream)
            shape, _fortran, dtype = _format_impl._read_array_header(stream, version)
    except Exception:
        return None
    return (shape, dtype.itemsize, dtype.hasobject) if stream.tell() == len(raw) else None


def framed(text: bytes, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text


def parsed(raw: bytes) -> ArrayHeader | None:
    try:
        assert header_start(raw[:12]) == len(raw)
        return parse_header(raw)
    except NotAFeature:
        return None


TOKENS = st.sampled_from(
    ["{", "}", "[", "]", "(", ")", ",", ":", " ", "\n", "'descr'", "'shape'", "'fortran_order'", "True", "False", "None", "'<f4'",
     "'|O'", "'a'", "0", "1", "768", "07", "1_0", "2L", "-", "1e3", "b'x'", "u'<f4'", "'\\x3cf4'", '"<f4"', "#", "*", "\t", "''"]
)  # fmt: skip


@st.composite
def header_texts(draw: st.DrawFn) -> str:
    """A header that is right but for some edits, or made of its tokens."""
    if draw(st.integers(0, 3)) == 0:
        return "".join(draw(st.lists(TOKENS, max_size=30)))
    descr = draw(st.one_of(st.sampled_from(["<f4", "|O", "f4", "<U3", "<M8[ns]", "<M8[25s]", "|V0", "=i2", "|i8", "<b1", "c8", "<f3"]),
                           st.from_regex(r"[<>=|]?[a-zA-Z?][0-9]{0,3}(\[[0-9]{0,2}[a-z]{1,2}\])?", fullmatch=True)))  # fmt: skip
    fields = draw(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from(["<f4", "|V4", "|O", "<U0"])), max_size=3))
    shown = draw(st.one_of(st.just(repr(descr)), st.just(repr(fields))))
    shape = draw(st.one_of(SHAPES.map(repr), st.sampled_from(["(3)", "(3,)", "(,)", "()", "[3]", "(3, )", "(3,,)", "(-3,)", "3"])))
    text = f"{{'descr': {shown}, 'fortran_order': {draw(st.booleans())}, 'shape': {shape}, }}"
    for _turn in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(TOKENS) + text[at + draw(st.integers(0, 2)) :]
    return text


def test_headers_are_understood_as_numpy_does_or_not_at_all(request: pytest.FixtureRequest, tally: list[str]) -> None:
    tried = []

    @settings(max_examples=examples(request, 0.3), **SETTINGS)
    @given(header_texts(), st.sampled_from([1, 1, 1, 2, 3]), st.integers(0, 20))
    @example("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 768), }", 1, 0)
    def compare(text: str, version: int, spaces: int) -> None:
        raw = framed((text + " " * spaces + "\n").encode("latin-1", "replace"), version)
        ours, numpys = parsed(raw), numpys_header(raw)
        tried.append(ours is not None)
        if ours is not None:
            assert numpys is not None, text
            assert (ours.shape, ours.dtype.itemsize, ours.dtype.objects) == numpys, text
        elif numpys is not None and numpys[0] and min(numpys[0]) >= 0 and text == repr_of(text):
            raise AssertionError(f"numpy writes this, and it is refused: {text}")

    compare()
    tally.append(f"headers: {len(tried)} tried, {sum(tried)} accepted")


def repr_of(text: str) -> str:
    """The text that numpy itself writes for what this text says; something else where it says nothing."""
    try:
        literal = eval(text, {"__builtins__": {}})  # the test's own text
        array = numpy.zeros(literal["shape"], numpy.dtype(literal["descr"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            descr = numpy.lib.format.dtype_to_descr(array.dtype)
        return f"{{'descr': {descr!r}, 'fortran_order': {literal['fortran_order']}, 'shape': {array.shape!r}, }}"
    except Exception:
        return ""


def test_dtypes_are_those_of_numpy(request: pytest.FixtureRequest) -> None:
    @settings(max_examples=examples(request, 0.1), **SETTINGS)
    @given(DTYPES)
    def compare(dtype: numpy.dtype) -> None:
        if dtype.names is None and dtype.shape == ():
            ours = parse_dtype(dtype.str)
            assert ours is not None
            assert (ours.text, ours.itemsize) == (dtype.str, dtype.itemsize)

    compare()


@pytest.mark.parametrize("prefix", [b"", b"PK\3\4", b"PK\5\6", b"\x93NUMPY\1\0", b"\x93NUMPY\3\0"])
def test_any_bytes_end_in_a_verdict(request: pytest.FixtureRequest, tmp_path: Path, prefix: bytes) -> None:
    @settings(max_examples=examples(request, 0.05), **SETTINGS)
    @given(st.binary(max_size=300), st.sampled_from([b"", b"PK\5\6" + bytes(18), b"PK\5\6\0\0\0\0\1\0\1\0"]), st.binary(max_size=30))
    def compare(middle: bytes, end: bytes, rest: bytes) -> None:
        path = tmp_path / "x"
        path.write_bytes(prefix + middle + end + rest)
        for full in (False, True):
            classification = look(path, parse_arrays({}), full)
            assert classification.kind != FEATURE or numpy_single(path)

    compare()
