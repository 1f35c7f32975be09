# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of torch's: the members around the pickle, and what may stand at its top."""

from __future__ import annotations

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

DATA = {"data/0": bytes(24), "version": b"3\n"}


def verdict(look, raw=made.FEATURES, arrays=ANY, **parts):
    content = {**DATA, **{name.replace("__", "/"): value for name, value in parts.items()}}
    return look(made.torch(raw, content), arrays, name="x.pt")


TENSOR = made.tensor()
TOPS = [
    (b"\x80\x02](" + TENSOR + b"e.", {"0": {"dtype": "float32", "shape": [2, 3]}}, FEATURE),
    (b"\x80\x02(" + TENSOR + TENSOR + b"t.", {"1": {"shape": [2, 3]}}, FEATURE),
    (b"\x80\x02(N" + TENSOR + b"t.", {"1": {}}, FEATURE),
    (b"\x80\x02(N" + TENSOR + b"t.", {"0": {}}, OTHER),
    (b"\x80\x02" + TENSOR + b".", {"any name": {"dtype": "float32", "shape": [2, 3]}}, FEATURE),
    (b"\x80\x02" + TENSOR + b".", {"any name": {"shape": [3, 2]}}, OTHER),
    (b"\x80\x02}K\x07" + TENSOR + b"s.", {"7": {}}, FEATURE),
    (b"\x80\x02]](" + TENSOR + b"ea.", {}, OTHER),
    (b"\x80\x02K\x01.", {}, OTHER),
    (b"\x80\x02].", {}, OTHER),
]


@pytest.mark.parametrize(("raw", "arrays", "kind"), TOPS)
def test_what_stands_at_the_top(look, raw, arrays, kind):
    assert verdict(look, raw, parse_arrays(arrays)).kind == kind


@pytest.mark.parametrize(("version", "right"), [
    (b"1\n", True), (b"3", True), (b"10\n", True), (b"003\n", True), (b"0\n", False), (b"11\n", False), (b"", False), (b"x", False),
    (b"3 x", False),
])  # fmt: skip
def test_versions(look, version, right):
    assert verdict(look, version=version).kind == (FEATURE if right else NOT_UNDERSTOOD)


@pytest.mark.parametrize(("parts", "kind"), [
    ({"byteorder": b"little"}, FEATURE), ({"byteorder": b"big"}, FEATURE), ({"byteorder": b"middle"}, NOT_UNDERSTOOD),
    ({"byteorder": b""}, NOT_UNDERSTOOD),
    ({".storage_alignment": b"64"}, FEATURE), ({".storage_alignment": b"x"}, NOT_UNDERSTOOD),
    ({"constants.pkl": b""}, OTHER), ({"code/a.py": b""}, OTHER), ({"codes/a.py": b""}, FEATURE), ({"more": b"x"}, FEATURE),
    ({"version": b"3" + b" " * 63}, FEATURE), ({"version": b"3" + b" " * 64}, NOT_UNDERSTOOD),
    ({"data/0": bytes(23)}, DAMAGED), ({"data/0": bytes(25)}, NOT_UNDERSTOOD), ({"data/1": b"x"}, FEATURE),
])  # fmt: skip
def test_members(look, parts, kind):
    found = verdict(look, **parts)
    assert found.kind == kind, found


def test_members_outside_the_folder(look):
    pickle = {"a/data.pkl": made.FEATURES, "a/data/0": bytes(24), "a/version": b"3\n"}
    assert look(made.zip_of(pickle), ANY, name="x.pt").kind == FEATURE
    for name in ("b/more", "more", "a"):
        assert look(made.zip_of({**pickle, name: b""}), ANY, name="x.pt")[:2] == (NOT_UNDERSTOOD, "has members outside its folder")
    below = {"a/" + name: content for name, content in pickle.items()}
    assert look(made.zip_of(below), ANY, name="x.pt")[:2] == (NOT_UNDERSTOOD, "lacks its pickle")


@pytest.mark.parametrize(("more", "kind"), [(0, FEATURE), (1, NOT_UNDERSTOOD)])
def test_as_long_a_pickle_as_is_read(look, more, kind):
    length = (1 << 20) - len(made.FEATURES) - 6 + more
    raw = b"\x80\x02B" + struct.pack("<I", length) + bytes(length) + b"0" + made.FEATURES[2:]
    assert len(raw) == (1 << 20) + more
    assert verdict(look, raw).kind == kind


def test_what_counts_for_the_identity(look):
    same = verdict(look).identity
    for parts in ({"byteorder": b"little"}, {".data/serialization_id": b"1"}, {".format_version": b"1"}, {".storage_alignment": b"64"},
                  {"version": b"2"}):  # fmt: skip
        assert verdict(look, **parts).identity == same
    for parts in ({"more": b"x"}, {"data/0": b"\1" * 24}):
        assert verdict(look, **parts).identity not in (same, None)


def test_a_full_look_compares_each_member(look):
    content = made.torch(made.FEATURES, {**DATA, "more": b"x" * 5000})
    changed = content.replace(b"x" * 5000, b"x" * 4999 + b"y")
    assert look(changed, ANY, name="x.pt").kind == FEATURE
    assert look(changed, ANY, True, "x.pt")[:2] == (DAMAGED, "has a wrong checksum (archive/more)")
