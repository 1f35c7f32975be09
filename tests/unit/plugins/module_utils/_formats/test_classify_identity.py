# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layouts that were learned, single arrays, identities, and the bounds of one look."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    OTHER,
    classify,
    content_digest,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.reader import open_reader
from ansible_collections.trainprep.features.plugins.module_utils._formats.zip_layout import Layouts
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import (
    ANY,
    ASKED,
    CLASS,
    FEATURE_MEMBERS,
    FEATURES,
    LABEL,
    PLAIN,
    archive,
    central,
    flipped,
    members,
    npy,
    patched,
    wav2vec,
)

# Archives of one layout


def learned(content, tmp_path):
    """Layouts that know this archive, and nothing else."""
    path = tmp_path / "known.npz"
    path.write_bytes(content)
    from ansible_collections.trainprep.features.plugins.module_utils._formats import npz

    layouts, npz.layouts = npz.layouts, Layouts()
    fd = os.open(str(path), os.O_RDONLY)
    try:
        classify(fd, len(content), "known.npz", ASKED)
        return npz.layouts
    finally:
        os.close(fd)
        npz.layouts = layouts


def recognised(layouts, content, tmp_path):
    path = tmp_path / "seen.npz"
    path.write_bytes(content)
    fd = os.open(str(path), os.O_RDONLY)
    try:
        with open_reader(fd, len(content)) as reader:
            found = layouts.recognise(reader.head, reader.tail, len(content), ASKED)
        return found and found[:2]
    finally:
        os.close(fd)


def sizes_twice(content):
    """As older Pythons wrote it: the sizes in the zip64 field, and in the usual place too."""
    at = -1
    while True:
        at = content.find(b"PK\3\4", at + 1)
        if at < 0:
            return content
        extra = at + 30 + struct.unpack_from("<H", content, at + 26)[0]
        content = patched(content, at + 18, struct.pack("<LL", *struct.unpack_from("<QQ", content, extra + 4)))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", [bytes, sizes_twice])
def test_archives_of_one_extractor_are_recognised(look, tmp_path, order, form):
    def build(rows, seed, class_number):
        arrays = members(
            wav2vec_features=wav2vec(rows, seed),
            label=LABEL,
            emotion_class=npy("<i8", (), struct.pack("<q", class_number)),
        )
        return form(archive(dict(list(arrays.items())[::order])))

    layouts = learned(build(2, b"\x01", 1), tmp_path)
    for rows, seed, number in ((2, b"\x02", 3), (260, b"\x07", 5), (1, b"\x00", 0)):
        content = build(rows, seed, number)
        assert recognised(layouts, content, tmp_path) == ("", look(content, full=True).identity)
    changed = build(3, b"\x02", 3)
    data = changed.index(b"\x02" * 3072)
    for at in [*range(data), *range(data + 3 * 3072, len(changed))]:
        flipped_here = patched(changed, at, bytes((changed[at] ^ 0x40,)))
        found = recognised(layouts, flipped_here, tmp_path)
        assert found is None or found == ("", look(flipped_here, full=True).identity), at


def test_layouts_forget_rather_than_grow(tmp_path, monkeypatch):
    layouts = learned(PLAIN, tmp_path)
    for _turn in range(5000):
        layouts._make_room()
    assert recognised(layouts, PLAIN, tmp_path) is None


@pytest.mark.parametrize("name", FEATURES)
def test_only_plain_archives_are_learned(tmp_path, name):
    """Those that numpy.savez writes to a file, with one large array among small ones."""
    plain = {
        "as numpy.savez writes it",
        "without zip64 local headers",
        "another order",
        "one array more",
        "older extractor",
        "no other array",
        "many rows",
        "Fortran order",
        "structured array beside it",
    }
    assert (recognised(learned(FEATURES[name], tmp_path), FEATURES[name], tmp_path) is not None) is (name in plain)
    assert bool(learned(FEATURES[name], tmp_path)._families) is (name in plain)


# Single arrays


@pytest.mark.parametrize(
    ("content", "arrays", "kind", "reason"),
    [
        (npy(), {}, FEATURE, ""),
        (npy(), {"any name": {"dtype": "float32", "shape": [None, 768]}}, FEATURE, ""),
        (npy("<f8", size=8), {"x": {"dtype": "float32"}}, OTHER, "is float64 (2, 768), not float32"),
        (npy(), {"x": {}, "y": {}}, OTHER, "is one array without a name instead of x, y"),
        (npy("|O", data=b"N."), {}, OTHER, "holds Python objects, which only a pickle can load"),
        (npy()[:-1], {}, DAMAGED, "has 6143 bytes of data where its header announces 6144"),
        (npy() + b"\0", {}, FEATURE, ""),  # two arrays in one file: numpy reads the first
        (npy()[:9], {}, DAMAGED, "ends in an array's header"),
        (npy()[:100], {}, DAMAGED, "ends in an array's header"),
        (b"", {}, DAMAGED, "is empty"),
        (PLAIN, {}, OTHER, "is a .npz archive, and its name promises a .npy array"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_npy(look, content, arrays, kind, reason, full):
    assert look(content, parse_arrays(arrays), full, name="x.npy") == (kind, reason, None)


# Identity and bytes


def test_identity_is_that_of_the_content(look):
    same = look(PLAIN).identity
    for name in ("compressed", "another order", "without zip64 local headers", "written to a pipe", "with a comment"):
        assert look(FEATURES[name]).identity == same, name
    for content in (
        archive({**FEATURE_MEMBERS, **members(wav2vec_features=wav2vec(2, b"\2"))}),
        archive({**FEATURE_MEMBERS, **members(wav2vec_features=wav2vec(3))}),
        archive({("x.npy" if name == "label.npy" else name): value for name, value in FEATURE_MEMBERS.items()}),
        FEATURES["older extractor"],
    ):
        assert look(content).identity not in (same, None)


def digest(path, content, name="x.npz"):
    path.write_bytes(content)
    fd = os.open(str(path), os.O_RDONLY)
    try:
        return content_digest(fd, name)
    finally:
        os.close(fd)


def test_content_digest(tmp_path):
    path = tmp_path / "x"
    same = digest(path, PLAIN)
    assert len(same) == 32
    assert digest(path, FEATURES["compressed"]) == digest(path, FEATURES["another order"]) == same
    assert digest(path, FEATURES["older extractor"]) != same
    with pytest.raises(OSError, match="the file is refused as a zip archive"):
        digest(path, flipped(PLAIN, b"\x01" * 100, 50))


# Bounds


def bomb(content_size):
    """A few KiB that unpack to far more."""
    return archive(members(wav2vec_features=npy(shape=(content_size // 3072, 768))), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("full", [False, True])
def test_memory_is_bounded_whatever_is_unpacked(look, full):
    content = bomb(96 << 20)
    tracemalloc.start()
    try:
        assert look(content, full=full).kind == FEATURE
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def of_nothing(blocks, size):
    """An archive with a member of empty blocks, announced as this many bytes."""
    nothing = b"\0\0\0\xff\xff" * blocks
    content = archive(members(a=b"x"), zipfile.ZIP_DEFLATED, wide=False)
    start = central(content)
    local = patched(content[:35], 18, struct.pack("<LL", len(nothing), size))
    entry = patched(content[start:-22], 20, struct.pack("<LL", len(nothing), size))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local) + len(nothing), 0)
    return local + nothing + entry + end


def test_packed_data_that_unpack_to_nothing_are_given_up(look):
    for size in (100000, 100):
        assert look(of_nothing(40000, size), ANY)[:2] == (DAMAGED, "is refused as a zip archive (Bad CRC-32 for file 'a.npy')")


def test_a_quick_look_reads_a_bounded_part(tmp_path):
    # 256 GiB of nothing under a header that numpy did not write: to read them would take minutes.
    rows = (256 << 30) // 3072
    header = npy(text=f"{{'descr':'<f4','fortran_order':False,'shape':({rows},768)}}", data=b"")
    size, name = len(header) + rows * 3072, b"wav2vec_features.npy"
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra))
    start = len(local + name + extra) + size
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra), *[0] * 5
    )
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry + name + extra), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(entry + name + extra), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry + name + extra), 2**32 - 1, 0)
    path = tmp_path / "x.npz"
    try:
        with open(str(path), "wb") as file:
            file.write(local + name + extra + header)
            file.seek(start)
            file.write(entry + name + extra + record + locator + end)
        fd = os.open(str(path), os.O_RDONLY)
        try:
            assert classify(fd, os.fstat(fd).st_size, "x.npz", ASKED).kind == FEATURE
        finally:
            os.close(fd)
    finally:
        path.unlink()


def test_names_in_reasons_are_printable_and_short(look):
    classification = look(archive({"a\nb\x1b[0m" * 50 + ".npy": CLASS, **members(b=CLASS)}))
    assert classification.kind == OTHER
    assert classification.reason.isprintable()
    assert len(classification.reason) < 150


def test_crc_of_the_format():
    # The identity is made of zip's own checksums; zlib has to be the same function.
    assert zlib.crc32(b"123456789") == 0xCBF43926
