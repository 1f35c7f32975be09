# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

import os
import random
import zipfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
    classify,
    classify_file,
    file_digest,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._formats.zip_archive import crc_of_zeros
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_formats as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import (
    ANY,
    ASKED,
    CLASS,
    FEATURE_MEMBERS,
    LABEL,
    PLAIN,
    archive,
    members,
    npy,
    one,
    wav2vec,
)

FLOATS = parse_arrays({"wav2vec_features": {"dtype": "float32", "shape": [None, 3]}})
DOUBLES = parse_arrays({"wav2vec_features": {"dtype": "float64"}})

# By name of the file: an intact one, and whether arrays can be asked for in it.
KINDS = {
    "x.npz": (archive(members(wav2vec_features=npy(shape=(2, 3)))), True),
    "x.npy": (npy(shape=(2, 3)), True),
    "x.safetensors": (made.safetensors(), True),
    "x.pt": (made.torch(), True),
    "x.pth": (made.torch(b"\x80\x02" + made.tensor() + b"."), True),
    "x.zip": (made.zip_of({"a.wav": b"RIFF"}), False),
    "x.h5": (made.hdf5(), False),
    "x.hdf5": (made.hdf5(user_block=512), False),
    "x.parquet": (made.parquet(), False),
    "x.arrow": (made.arrow(), False),
    "x.feather": (made.arrow(), False),
    "x.tar": (made.tar(), False),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_are_told_by_content_whatever_the_name_is(look, name):
    content, tells_arrays = KINDS[name]
    for shown in (name, "feature", "FEATURE" + name[1:].upper(), "x.bin"):
        assert look(content, ANY, name=shown)[:2] == (FEATURE, ""), shown
    verdict = look(content, FLOATS, name=name)
    assert verdict.kind == (FEATURE if tells_arrays else OTHER)
    if tells_arrays:
        assert "float32 (2, 3), not float64" in look(content, DOUBLES, name=name).reason
    elif name != "x.zip":
        assert "whose arrays are not read here: leave out 'arrays'" in verdict.reason


@pytest.mark.parametrize("name", KINDS)
def test_a_name_that_promises_another_kind(look, name):
    for other, (content, _tells) in KINDS.items():
        verdict = look(content, ANY, name=name)
        if {name, other} == {"x.npz", "x.zip"} and other == "x.npz":
            assert verdict.kind == FEATURE  # an archive of arrays is a zip archive too
        elif {name, other} in ({"x.pt", "x.zip"}, {"x.pth", "x.zip"}) and other != "x.zip":
            assert verdict.kind == FEATURE
        elif verdict.kind != FEATURE:
            assert verdict.kind == OTHER
            assert "and its name promises a" in verdict.reason, (name, other)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("x.npz", "x.npy")])
def test_a_cut_file_is_damaged(look, name, full):
    content = KINDS[name][0]
    length = len(content.rstrip(b"\0")) if name == "x.tar" else len(content)
    for at in (1, 9, length // 3, length // 2, length - 20, length - 1):
        if name == "x.tar" and at < length - 20:
            continue  # Python's reader takes a cut header for the end
        verdict = look(content[:at], ANY, full, name)
        assert verdict.kind == DAMAGED, (at, verdict)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer, not the file itself"),
        (b"/annex/objects/MD5-s9--0\n", "is a git-annex pointer, not the file itself"),
        (b"\x80\x04\x95\0", "is a pickle, which is never loaded"),
        (b"<!DOCTYPE html><title>404", "is a web page"),
        (b"\x1f\x8b\x08\0", "is packed by gzip"),
    ],
)
def test_what_is_none_of_them_is_not_damaged(look, content, reason):
    for name in ("x.bin", "x", "x.wav"):
        verdict = look(content, name=name)
        assert verdict.kind == OTHER
        assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("content", [b"RIFF\0\0\0\0WAVE", b"\0" * 5000, b"text\n"])
def test_what_no_reader_here_knows_is_not_understood(look, content):
    for name in ("x.bin", "x", "x.wav"):
        assert look(content, name=name)[:2] == (NOT_UNDERSTOOD, "is of a kind that is not known here")
    assert look(content, name="x.npz")[:2] == (DAMAGED, "is not a .npz archive, which its name promises")


def test_a_pointer_is_named_as_one_whatever_its_name_promises(look):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    assert look(pointer, name="x.npz").reason.startswith("is a Git LFS pointer")
    assert look(pointer, name="x.npz").kind == OTHER


def test_opaque_files(tmp_path):
    path = tmp_path / "x.ark"
    for content, kind in ((b"anything", FEATURE), (b"PK\3\4 broken", FEATURE), (b"", DAMAGED)):
        path.write_bytes(content)
        with open(path, "rb") as file:
            info = os.fstat(file.fileno())
            assert classify_file(file.fileno(), info, "x.ark", Criteria(ANY, False, True))[::2] == (kind, None)
    path.write_bytes(b"x" * (3 << 20))
    with open(path, "rb") as file:
        assert len(file_digest(file.fileno())) == 32


# Only the arrays that are asked for count


OBJECTS = npy("|O", (1,), b"\x80\x04N.")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "beside",
    [
        OBJECTS,
        npy([("a", "|O")], (1,), size=8),
        npy(text="{'descr': '<x9', 'fortran_order': False, 'shape': (2,), }"),
        npy(text="import os"),
        npy()[:40],
        npy(shape=(3, 768), data=bytes(6144)),
        npy(version=9),
        b"text",
    ],
)
def test_an_array_that_nobody_asked_for_does_not_count(look, beside, full):
    content = archive({**FEATURE_MEMBERS, **members(meta=beside)})
    assert look(content, ASKED, full)[:2] == (FEATURE, "")
    assert look(content, ASKED, full).identity == look(content, ASKED).identity
    assert look(content, parse_arrays({"wav2vec_features": {}, "meta": {}}), full).kind != FEATURE
    assert (look(content, ANY, full).kind == FEATURE) is (beside == b"text")  # which numpy returns as bytes


def test_packed_in_a_way_that_is_not_read_here(look, tmp_path):
    path = tmp_path / "x"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("wav2vec_features.npy"), wav2vec())
        zipped.writestr("meta.npy", LABEL, zipfile.ZIP_BZIP2)
    assert look(path.read_bytes()).kind == FEATURE
    assert look(path.read_bytes(), ANY)[:2] == (NOT_UNDERSTOOD, "is packed by method 12, which is not read here in meta.npy")


def test_damage_beside_what_is_asked_for(look):
    at = PLAIN.index(LABEL) + len(LABEL) - 1
    changed = PLAIN[:at] + b"\x01" + PLAIN[at + 1 :]
    assert look(changed, ANY)[:2] == (DAMAGED, "has a wrong checksum (label.npy)")
    assert look(changed)[:2] == (FEATURE, "")  # as numpy, which reads label.npy only if it is asked to


# No stricter than numpy


@pytest.mark.parametrize(
    "descr",
    [
        [("c", ("<f8", (5,)), (2,))],
        [("a", "<f4", (2, 3)), ("b", [("x", "<i2"), ("y", ("|S3", (4,)))])],
        [(("title", "name"), "<i4"), ("", "|V4")],
    ],
)
def test_nested_types(look, descr):
    size = {1: 80, 2: 24 + 14, 3: 8}[len(descr) if descr[0][0] != ("title", "name") else 3]
    content = archive({**FEATURE_MEMBERS, **members(meta=npy(descr, (2,), size=size))})
    assert look(content, ANY)[:2] == (FEATURE, "")


def test_a_type_by_its_name(look):
    assert look(one(npy(text="{'descr': 'float32', 'fortran_order': False, 'shape': (2, 768), }"))).kind == FEATURE


def test_zeros_that_fill_up_the_last_block(look):
    assert look(PLAIN + bytes(10240 - len(PLAIN))).kind == FEATURE


@pytest.mark.parametrize("full", [False, True])
def test_bytes_behind_the_data(look, full):
    """numpy reads as many as the header announces; the checksum tells that they were written so."""
    content = one(npy(shape=(2, 768), data=bytes(6144 + 100)))
    assert look(content, full=full).kind == FEATURE
    changed = bytearray(content)
    changed[content.index(b"(2, 768)") + 1] = ord("1")
    # Whether numpy compares the checksum of a smaller array depends on how much it reads at once.
    assert look(bytes(changed), full=full).kind == NOT_UNDERSTOOD


# Files with holes


@pytest.mark.parametrize("known", [False, True])
def test_a_file_with_holes_is_compared_with_its_checksums(look, tmp_path, known):
    content = archive(members(wav2vec_features=wav2vec(100), label=CLASS))
    # Of a layout that was met before, most is known at once.
    assert not known or look(content).kind == FEATURE
    path = tmp_path / "x.npz"
    start = content.index(b"\x01" * 3072)
    with open(path, "wb") as file:
        file.write(content[:start])
        file.seek(start + 100 * 3072)
        file.write(content[start + 100 * 3072 :])
    with open(path, "rb") as file:
        info = os.fstat(file.fileno())
        assert info.st_size == len(content) and info.st_blocks * 512 < info.st_size
        assert classify(file.fileno(), info.st_size, "x.npz", ASKED).kind == FEATURE
        verdict = classify_file(file.fileno(), info, "x.npz", Criteria(ASKED))
        assert verdict[:2] == (DAMAGED, "has a wrong checksum (wav2vec_features.npy)")
    # Holes where zeros belong are no damage.
    content = archive(members(wav2vec_features=npy(shape=(100, 768)), label=CLASS))
    start = content.index(bytes(3072))
    with open(path, "wb") as file:
        file.write(content[:start])
        file.seek(start + 100 * 3072)
        file.write(content[start + 100 * 3072 :])
    with open(path, "rb") as file:
        assert classify_file(file.fileno(), os.fstat(file.fileno()), "x.npz", Criteria(ASKED)).kind == FEATURE


def test_zeros_need_not_be_read():
    chooser = random.Random(1)
    for length in [0, 1, 2, 3, 4095, 4096, 1 << 20, *(chooser.randrange(1 << 18) for _turn in range(50))]:
        crc = chooser.getrandbits(32)
        assert crc_of_zeros(length, crc) == zlib.crc32(bytes(length), crc)


# torch


def test_torch_archives_are_the_same_under_any_folder(look):
    first, second = look(made.torch(), ANY, name="x.pt"), look(made.torch(folder="other"), ANY, name="y.pt")
    assert first.identity == second.identity and len(first.identity) == 16
    noted = made.torch(parts={"data/0": bytes(24), "version": b"3\n", ".data/serialization_id": b"12", "byteorder": b"little"})
    assert look(noted, ANY, name="x.pt").identity == first.identity
    changed = made.torch(parts={"data/0": b"\x01" * 24, "version": b"3\n"})
    assert look(changed, ANY, name="x.pt").identity != first.identity


TRAPS = [made.trap(os.mkdir, "/nonexistent/sprung", protocol=protocol) for protocol in (2, 3, 4, 5)]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_malicious_pickle_executes_nothing(look, tmp_path, protocol, full):
    sprung = tmp_path / "sprung"
    verdict = look(made.trap(os.mkdir, str(sprung), protocol=protocol), ANY, full, "x.pt")
    assert verdict.kind == OTHER
    assert verdict.reason.startswith("holds Python objects other than tensors, which only a pickle can load (")
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (made.torch(made.torch_pickle(x=made.tensor(count=9)), {"data/0": bytes(36), "version": b"3\n"}), FEATURE, ""),
        (made.torch(made.torch_pickle(x=made.tensor(count=5)), {"data/0": bytes(20), "version": b"3\n"}), DAMAGED, "larger than its data"),
        (made.torch(made.torch_pickle(x=made.tensor(count=9))), DAMAGED, "where its pickle announces 36"),
        (made.torch(made.torch_pickle(x=made.tensor(key="7"))), DAMAGED, "lacks the data of a tensor (7)"),
        (made.torch(made.torch_pickle(x=made.tensor(kind="QInt8Storage"))), NOT_UNDERSTOOD, "torch QInt8Storage"),
        (made.torch(folders=["data/0"]), NOT_UNDERSTOOD, "calls a member a folder, of which torch reads nothing (archive/data/0)"),
        (made.torch(parts={"data/0": bytes(24)}), NOT_UNDERSTOOD, "no version"),
        (made.torch(made.torch_pickle(emotion=b"N")), OTHER, "without tensors at its top"),
        (made.torch(made.FEATURES[:-1]), NOT_UNDERSTOOD, "exhausted before seeing STOP"),
        (made.torch(b"\x80\x02" + b")" + b"\x85" * 100000 + b"."), OTHER, "without tensors"),
    ],
)
def test_torch(look, content, kind, reason):
    verdict = look(content, ANY, name="x.pt")
    assert verdict.kind == kind, verdict
    assert reason in verdict.reason
