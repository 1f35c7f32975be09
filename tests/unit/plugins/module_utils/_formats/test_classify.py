# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zipfile

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
    file_digest,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.registry import KINDS, promised
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import (
    ANY,
    ASKED,
    FEATURE_MEMBERS,
    FEATURES,
    LABEL,
    NARROW,
    PLAIN,
    archive,
    central,
    flipped,
    members,
    npy,
    one,
    patched,
    wav2vec,
)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("full", [False, True])
def test_features(look, name, full):
    classification = look(FEATURES[name], full=full)
    assert (classification.kind, classification.reason) == (FEATURE, "")
    assert len(classification.identity) == 16
    assert look(FEATURES[name], ANY, full).kind == FEATURE


OTHERS = {
    "has arrays timestamps, video_features instead of wav2vec_features": archive(
        members(video_features=npy(shape=(57, 512)), timestamps=npy("<f8", (57,), size=8))
    ),
    "has wav2vec_features as float64 (57, 512), not float32 (any, 768)": one(npy("<f8", (57, 512), size=8)),
    "has wav2vec_features as big-endian float32 (2, 768), not float32 (any, 768)": one(npy(">f4")),
    "has wav2vec_features as float32 (768,), not float32 (any, 768)": one(npy(shape=(768,))),
    "has wav2vec_features as float32 (1, 2, 768), not float32 (any, 768)": one(npy(shape=(1, 2, 768))),
    "holds Python objects, which only a pickle can load (wav2vec_features)": one(npy("|O", data=b"\x80\x04N.")),
    "is an archive without arrays": archive({"README": b"nothing"}),
    "is a .npy array, and its name promises a .npz archive": npy(),
    "lacks the array label": archive(members(wav2vec_features=wav2vec(), label=b"text")),
}
UNCLEAR = {
    "is packed by method 12, which is not read here in wav2vec_features.npy": archive(method=zipfile.ZIP_BZIP2),
    "has an array header with the unknown dtype <f5 in wav2vec_features.npy": one(
        npy(text="{'descr': '<f5', 'fortran_order': False, 'shape': (2, 768), }")
    ),
    "has an array header of version 4.0 in wav2vec_features.npy": one(npy(version=4)),
    "has an array header with an unusual shape in wav2vec_features.npy": one(
        npy(text="{'descr': '<f4', 'fortran_order': False, 'shape': (True, 768), }")
    ),
    "has an array header that is not read here in wav2vec_features.npy": one(npy(text="(" * 5000)),
    "is a zip archive behind other bytes": b"#!/bin/sh\n" + PLAIN,
}


@pytest.mark.parametrize("reason", UNCLEAR)
@pytest.mark.parametrize("full", [False, True])
def test_what_is_not_understood(look, reason, full):
    assert look(UNCLEAR[reason], full=full) == (NOT_UNDERSTOOD, reason, None)


@pytest.mark.parametrize("reason", OTHERS)
def test_other_kinds(look, reason):
    asked = parse_arrays({"wav2vec_features": {}, "label": {}}) if "label" in reason else ASKED
    classification = look(OTHERS[reason], asked)
    assert (classification.kind, classification.reason) == (OTHER, reason)


def test_an_empty_archive_has_no_arrays(look):
    assert look(archive({}))[:2] == (OTHER, "is an archive without arrays")
    assert look(archive({}), ANY)[:2] == (OTHER, "is a zip archive, and its name promises a .npz archive")


def test_missing_array_among_several(look):
    asked = parse_arrays({"wav2vec_features": {}, "speaker": {}})
    assert look(PLAIN, asked)[:2] == (OTHER, "lacks the array speaker")


def header(text):
    return one(npy(text=text))


DAMAGES = {
    "is empty": b"",
    "is not a .npz archive, which its name promises": b"text, or a page with an error message",
    "is truncated (no directory at its end)": PLAIN[:20],
    "is refused as a zip archive": PLAIN[:500] + PLAIN[600:],
    "is refused as a zip archive (Truncated file header)": patched(NARROW, central(NARROW) + 42, b"\xff\xff\xff\x7f"),
    "is refused as a zip archive (Bad magic number for central directory)": patched(NARROW, central(NARROW, 1), b"PK\1\3"),
    "has 6144 bytes of data where its header announces 9216 in wav2vec_features.npy": one(
        npy(shape=(3, 768), data=bytes(6144))
    ),
    "ends in an array's header in wav2vec_features.npy": one(npy()[:40]),
    "has an array header with an absurd size in wav2vec_features.npy": header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807), }"
    ),
    "has a broken array header (its keys are not descr, fortran_order and shape) in wav2vec_features.npy": header("{}"),
    "has a broken array header (fortran_order is neither True nor False) in wav2vec_features.npy": header(
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 768), }"
    ),
}


@pytest.mark.parametrize("reason", DAMAGES)
@pytest.mark.parametrize("full", [False, True])
def test_damages(look, reason, full):
    classification = look(DAMAGES[reason], full=full)
    assert classification.kind == DAMAGED and classification.reason.startswith(reason)


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "[" * 5000, "-" * 9000 + "1", "{'a':" * 1000, "'" * 9999, "9" * 9999, "{'descr': '\\x", "\x00" * 50],
)
def test_hostile_headers_end_in_a_verdict(look, text):
    assert look(header(text)).kind in (NOT_UNDERSTOOD, DAMAGED)


# No stricter than zipfile and numpy


def twice():
    """The first entry of a name is another array; numpy takes the last."""
    buffer = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("wav2vec_features.npy", LABEL)
        zipped.writestr("wav2vec_features.npy", wav2vec())
    return buffer.getvalue()


def appended():
    """zipfile in mode "a" leaves the old directory behind as a gap, if it was interrupted."""
    content = archive(members(label=LABEL), wide=False)
    start = central(content)
    grown = archive(members(label=LABEL, wav2vec_features=wav2vec()), wide=False)
    gap = b"x" * 50
    moved = grown[:start] + gap + grown[start:]
    at = central(grown) + 50
    moved = patched(moved, at + 46 + len("label.npy") + 42, struct.pack("<L", start + 50))
    return patched(moved, len(moved) - 6, struct.pack("<L", at))


UNUSUAL = {
    "a name twice": twice,
    "bytes after the end": lambda: PLAIN + b"\1\2",
    "a gap": appended,
    "one directory entry less than announced": lambda: patched(NARROW, len(NARROW) - 14, b"\3\0\3\0"),
    "a checksum that only the header has otherwise": lambda: patched(NARROW, NARROW.index(b"label.npy") - 16, b"\0\0\0\0"),
    "two arrays in one member": lambda: one(wav2vec() + wav2vec(3)),
    "an array that was not asked for and is cut": lambda: archive({**FEATURE_MEMBERS, **members(more=npy()[:40])}),
}


@pytest.mark.parametrize("name", UNUSUAL)
@pytest.mark.parametrize("full", [False, True])
def test_unusual_archives_that_numpy_loads(look, name, full):
    content = UNUSUAL[name]()
    found = look(content, full=full)
    assert found[:2] == (FEATURE, "")
    assert found.identity == look(content).identity
    at = content.index(b"\x01" * 100) + 50
    assert look(patched(content, at, b"\7"), full=True).kind == (NOT_UNDERSTOOD if "two arrays" in name else DAMAGED)


def test_of_two_members_numpy_takes_the_one_without_a_suffix(look):
    asked = parse_arrays({"a": {"shape": [2]}})
    content = archive({"a": npy(shape=(2,)), "a.npy": npy(shape=(3,))})
    assert look(content, asked).kind == FEATURE
    assert look(archive({"a": npy(shape=(3,)), "a.npy": npy(shape=(2,))}), asked).kind == OTHER


def test_an_encrypted_archive_is_not_damaged(look):
    content = patched(patched(NARROW, central(NARROW) + 8, b"\1"), 6, b"\1")
    assert look(content).kind == NOT_UNDERSTOOD


def test_zip64_directory(look):
    content = archive(wide=False)
    start, count = central(content), 4
    directory = content[start:-22]
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert look(content[:-22] + record + locator + end).kind == FEATURE
    # Sizes in an extra field of the entry itself.
    first = directory[: directory.index(b"PK\1\2", 1)]
    sizes = struct.pack("<HHQQQ", 1, 24, *struct.unpack_from("<L", first, 24), *struct.unpack_from("<L", first, 20), 0)
    wide = patched(patched(patched(first, 20, b"\xff" * 8), 42, b"\xff" * 4), 30, struct.pack("<H", 28)) + sizes
    changed = wide + directory[len(first) :]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 4, 4, len(changed), start, 0)
    assert look(content[:start] + changed + end).kind == FEATURE
    cut = patched(changed, 30, struct.pack("<H", 20))
    assert look(content[:start] + cut + end).kind == DAMAGED


# What a quick look does not see, and what it does


def test_changed_data_of_a_large_array_are_seen_in_full(look):
    changed = flipped(PLAIN, b"\x01" * 100, 50)
    assert look(changed).kind == FEATURE
    assert look(changed, full=True)[:2] == (DAMAGED, "has a wrong checksum (wav2vec_features.npy)")


@pytest.mark.parametrize("content", [PLAIN, archive(method=zipfile.ZIP_DEFLATED)])
def test_changed_data_of_a_small_array_are_seen_at_once(look, content):
    known = look(content)
    at = content.index(b"label.npy") + 60
    changed = patched(content, at, bytes((content[at] ^ 0x10,)))
    assert known.kind == FEATURE
    assert look(changed).kind == FEATURE  # label is not asked for
    assert look(changed, ANY).kind == DAMAGED
    if content is PLAIN:
        changed = flipped(PLAIN, "sad".encode("utf-32-le"))
        assert look(changed, ANY).reason == "has a wrong checksum (emotion.npy)"


def test_a_header_that_numpy_would_not_write_is_checked_by_its_checksum(look):
    content = one(npy(text="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 768), }" + "\t"))
    assert look(content).kind == FEATURE
    changed = content.replace(b"}\t", b"}\n")
    assert look(changed).reason == "has a wrong checksum (wav2vec_features.npy)"


def test_cut_anywhere(look):
    for at in range(0, len(PLAIN), 7):
        assert look(PLAIN[:at]).kind == DAMAGED, at


def test_a_file_that_shrinks_while_it_is_read(look):
    assert look(PLAIN[:-100], size=len(PLAIN))[:2] == (DAMAGED, "became shorter while it was read")
    assert look(PLAIN[:3], size=5000).kind == DAMAGED


def test_nothing_is_unpickled(look, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    content = one(npy("|O", (1,), pickle.dumps(Trap())))
    for full in (False, True):
        assert look(content, full=full).kind == OTHER
    assert not (tmp_path / "sprung").exists()


def test_in_which_kinds_arrays_can_be_asked_for():
    told = {kind.name for kind in KINDS if kind.tells_arrays}
    assert (told, len(KINDS)) == ({"npz", "npy", "torch", "safetensors"}, 9)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("a.npz", ["npz"]),
        ("a.b.NPZ", ["npz"]),
        ("a.zip", ["npz", "torch", "zip"]),
        ("npz", []),
        ("a.npz.bak", []),
        (".npy", ["npy"]),
        ("a.", []),
    ],
)
def test_what_a_name_promises(name, kinds):
    assert [kind.name for kind in promised(name)] == kinds


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 4095, 4096, 4097, 5121, 9000])
def test_files_of_every_size_around_what_is_read_at_once(look, size):
    """Its start and its end are read; in between a file may have a gap, or they may overlap."""
    filler = size - len(archive({"a": b""}, wide=False))
    if filler >= 0:
        content = archive({"a": bytes(filler)}, wide=False)
        assert len(content) == size
        assert look(content, ANY, name="x.zip").kind == FEATURE
        assert look(content, ANY, name="x.zip", size=size + 1).kind == DAMAGED
    assert look(b"?" * size, ANY, name="x.bin").kind == NOT_UNDERSTOOD


@pytest.mark.parametrize("most", [7, 1000, 2000])
@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_file_systems_that_give_less_than_was_asked_for(look, monkeypatch, most, rows):
    content = archive(members(wav2vec_features=wav2vec(rows), label=LABEL))
    whole = look(content)
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, min(length, most), offset))
    assert look(content) == whole and whole.kind == FEATURE
    assert look(content, full=True) == whole


@pytest.mark.parametrize("size", [0, 1, 5, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_the_digest_of_a_file_is_that_of_all_its_bytes(tmp_path, size):
    path = tmp_path / "x"
    path.write_bytes((b"0123456789" * (size // 10 + 1))[:size])
    with open(str(path), "rb") as file:
        assert file_digest(file.fileno()) == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("rows", [0, 2])
def test_a_header_that_was_changed_into_one_that_is_not_understood(look, rows):
    for needle, offset in ((b"<f4", 2), (b"'descr'", 0)):
        changed = flipped(archive(members(wav2vec_features=wav2vec(rows))), needle, offset)
        assert look(changed).kind == DAMAGED
