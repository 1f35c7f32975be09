# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.signatures import (
    DAMAGED,
    FEATURE,
    OTHER,
    content_digest,
    judge,
    parse_arrays,
)
from ansible_collections.trainprep.features.plugins.module_utils.zip_directory import open_reader
from ansible_collections.trainprep.features.plugins.module_utils.zip_layout import Layouts

ASKED = parse_arrays({"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}})
ANY = parse_arrays({})


def npy(descr="<f4", shape=(2, 768), data=None, version=1, text=None, size=4):
    """An array as numpy writes it; zeros where no data are given."""
    if text is None:
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    form, start = ("<H", 10) if version == 1 else ("<I", 12)
    raw = text.encode("utf-8")
    raw += b" " * (-(start + len(raw) + 1) % 64) + b"\n"
    count = size
    for length in shape:
        count *= length
    return (
        b"\x93NUMPY"
        + bytes((version, 0))
        + struct.pack(form, len(raw))
        + raw
        + (bytes(count) if data is None else data)
    )


LABEL = npy("<f8", (6,), size=8)
EMOTION = npy("<U3", (), "sad".encode("utf-32-le"))
CLASS = npy("<i8", (), size=8)


def wav2vec(rows=2, seed=b"\x01"):
    return npy(shape=(rows, 768), data=(seed * 3072 * rows)[: 3072 * rows])


def members(**arrays):
    return {name + ".npy": content for name, content in arrays.items()}


FEATURE_MEMBERS = members(wav2vec_features=wav2vec(), label=LABEL, emotion=EMOTION, emotion_class=CLASS)


def archive(files=None, method=zipfile.ZIP_STORED, wide=True, stream=None, comment=b""):
    """An archive as numpy.savez writes it."""
    buffer = stream or io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as zipped:
        zipped.comment = comment
        for name, content in (FEATURE_MEMBERS if files is None else files).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with zipped.open(info, "w", force_zip64=wide) as member:
                member.write(content)
    return buffer.getvalue()


class Pipe(io.BytesIO):
    """What cannot be rewound, so that sizes follow the data."""

    def seekable(self):
        return False

    def seek(self, *args):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


@pytest.fixture
def look(tmp_path):
    """The verdict on a file with this content."""

    def look_at(content, arrays=ASKED, full=False, name="x.npz", size=None):
        path = tmp_path / name
        path.write_bytes(content)
        fd = os.open(str(path), os.O_RDONLY)
        try:
            return judge(fd, len(content) if size is None else size, name, arrays, full)
        finally:
            os.close(fd)

    return look_at


def patched(content, at, value):
    return content[:at] + value + content[at + len(value) :]


def central(content, number=0):
    """Where an entry of the directory begins."""
    at = -1
    for _turn in range(number + 1):
        at = content.index(b"PK\1\2", at + 1)
    return at


PLAIN = archive()
NARROW = archive(wide=False)

FEATURES = {
    "as numpy.savez writes it": PLAIN,
    "without zip64 local headers": NARROW,
    "compressed": archive(method=zipfile.ZIP_DEFLATED),
    "another order": archive(dict(reversed(list(FEATURE_MEMBERS.items())))),
    "one array more": archive({**FEATURE_MEMBERS, **members(speaker=CLASS)}),
    "large array more": archive({**FEATURE_MEMBERS, **members(more=wav2vec(3))}),
    "older extractor": archive(members(wav2vec_features=wav2vec(), label=LABEL, emotion=EMOTION)),
    "no other array": archive(members(wav2vec_features=wav2vec())),
    "no rows": archive(members(wav2vec_features=wav2vec(0))),
    "many rows": archive(members(wav2vec_features=wav2vec(300))),
    "written to a pipe": archive(stream=Pipe()),
    "written to a pipe without zip64": archive(stream=Pipe(), wide=False),
    "with a comment": archive(comment=b"PK\5\6 in a comment is no end"[2:]),
    "text beside the arrays": archive({**FEATURE_MEMBERS, "README": b"see the paper"}),
    "header version 2": archive(members(wav2vec_features=npy(version=2))),
    "header version 3": archive(members(wav2vec_features=npy(version=3))),
    "Fortran order": archive(
        members(wav2vec_features=npy(text="{'descr': '<f4', 'fortran_order': True, 'shape': (2, 768), }"))
    ),
    "header by another writer": archive(
        members(wav2vec_features=npy(text='{"shape":(2,768),"fortran_order":False,"descr":"<f4"}'))
    ),
    "header by Python 2": archive(
        members(wav2vec_features=npy(text="{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 768L), }"))
    ),
    "structured array beside it": archive(
        {**FEATURE_MEMBERS, **members(meta=npy([("a", "<i4"), ("b", "<U2")], (3,), size=12))}
    ),
}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("full", [False, True])
def test_features(look, name, full):
    verdict = look(FEATURES[name], full=full)
    assert (verdict.kind, verdict.reason) == (FEATURE, "")
    assert len(verdict.identity) == 16
    assert look(FEATURES[name], ANY, full).kind == FEATURE


def one(content):
    return archive(members(wav2vec_features=content))


OTHERS = {
    "has arrays timestamps, video_features instead of wav2vec_features": archive(
        members(video_features=npy(shape=(57, 512)), timestamps=npy("<f8", (57,), size=8))
    ),
    "has wav2vec_features as float64 (57, 512), not float32 (any, 768)": one(npy("<f8", (57, 512), size=8)),
    "has wav2vec_features as big-endian float32 (2, 768), not float32 (any, 768)": one(npy(">f4")),
    "has wav2vec_features as float32 (768,), not float32 (any, 768)": one(npy(shape=(768,))),
    "has wav2vec_features as float32 (1, 2, 768), not float32 (any, 768)": one(npy(shape=(1, 2, 768))),
    "holds Python objects, which only a pickle can load (wav2vec_features)": one(npy("|O", data=b"\x80\x04N.")),
    "holds Python objects, which only a pickle can load (meta)": archive(
        {**FEATURE_MEMBERS, **members(meta=npy([("a", "|O")], (1,), size=8))}
    ),
    "is an archive without arrays": archive({"README": b"nothing"}),
    "is packed by bzip2, which is not read here (wav2vec_features.npy)": archive(method=zipfile.ZIP_BZIP2),
    "is a single array, not the archive that its name promises": npy(),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_other_kinds(look, reason):
    verdict = look(OTHERS[reason])
    assert (verdict.kind, verdict.reason) == (OTHER, reason)


def test_an_empty_archive_has_no_arrays(look):
    assert look(archive({}), ANY)[:2] == (OTHER, "is an archive without arrays")


def test_missing_array_among_several(look):
    asked = parse_arrays({"wav2vec_features": {}, "speaker": {}})
    assert look(PLAIN, asked)[:2] == (OTHER, "lacks the array speaker")


def header(text):
    return one(npy(text=text))


SMALL_NARROW = archive(members(a=CLASS), wide=False)
BIG_SIZE = struct.pack("<LL", 2**31, 2**31)

DAMAGES = {
    "is empty": b"",
    "is not an archive": b"text, or a page with an error message",
    "is truncated": PLAIN[:20],
    "is truncated (no directory at its end)": PLAIN[:-30],
    "has bytes after its end, or lacks some": PLAIN + b"\0",
    "has a directory that is not where it is announced": PLAIN[:500] + PLAIN[600:],
    "has a directory entry that points outside the file (wav2vec_features.npy)": patched(
        NARROW, central(NARROW) + 42, b"\xff\xff\xff\x7f"
    ),
    "has a directory entry that points outside the file (label.npy)": patched(NARROW, central(NARROW, 1) + 20, BIG_SIZE),
    "has a directory entry with an absurd size (label.npy: 2147483648 bytes out of 176)": patched(
        NARROW, central(NARROW, 1) + 24, BIG_SIZE[:4]
    ),
    "has a directory that disagrees with the header of label.npy": patched(NARROW, central(NARROW, 1) + 16, b"\0\0\0\0"),
    "has a broken directory (an entry does not begin as one)": patched(NARROW, central(NARROW, 1), b"PK\1\3"),
    "has a broken directory (3 entries where 4 are announced)": patched(
        NARROW.replace(NARROW[central(NARROW, 3) : -22], b""), len(NARROW) - len(NARROW[central(NARROW, 3) : -22]) - 10,
        struct.pack("<L", central(NARROW, 3) - central(NARROW)),
    ),
    "has a broken directory (it claims to span several files)": patched(NARROW, len(NARROW) - 14, b"\x05"),
    "is encrypted (wav2vec_features.npy)": patched(NARROW, central(NARROW) + 8, b"\1"),
    "has a directory entry that numpy cannot read (wav2vec_features.npy)": patched(NARROW, central(NARROW) + 8, b"\x20"),
    "is packed by a method that numpy cannot read (wav2vec_features.npy: 97)": patched(
        patched(NARROW, central(NARROW) + 10, b"\x61"), 8, b"\x61"
    ),
    "has 6144 bytes of data in wav2vec_features.npy where its header announces 9216": one(npy(shape=(3, 768), data=bytes(6144))),
    "has an array that does not begin as one (wav2vec_features.npy)": one(b"PK"),
    "has an array header of unknown version 4.0 in wav2vec_features.npy": one(npy(version=4)),
    "ends in an array's header in wav2vec_features.npy": one(npy()[:40]),
    "has an array header with an absurd size in wav2vec_features.npy": header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807), }"
    ),
    "has a broken array header (not a Python literal) in wav2vec_features.npy": header("__import__('os').system('true')"),
    "has a broken array header (its keys are not descr, fortran_order and shape) in wav2vec_features.npy": header("{}"),
    "has a broken array header (its shape is no tuple of lengths) in wav2vec_features.npy": header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 768), }"
    ),
    "has a broken array header (unknown dtype <f5) in wav2vec_features.npy": header(
        "{'descr': '<f5', 'fortran_order': False, 'shape': (2, 768), }"
    ),
    "has a broken array header (fortran_order is neither True nor False) in wav2vec_features.npy": header(
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 768), }"
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", DAMAGES)
@pytest.mark.parametrize("full", [False, True])
def test_damages(look, reason, full):
    verdict = look(DAMAGES[reason], full=full)
    assert verdict == (DAMAGED, reason, None)


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "[" * 5000, "-" * 9000 + "1", "{'a':" * 1000, "'" * 9999, "9" * 9999, "{'descr': '\\x", "\x00" * 50],
)
def test_hostile_headers_end_in_a_verdict(look, text):
    assert look(header(text)).kind == DAMAGED


def test_two_entries_of_one_name(look):
    with pytest.warns(UserWarning):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as zipped:
            for _turn in range(2):
                zipped.writestr("wav2vec_features.npy", wav2vec())
    assert look(buffer.getvalue()).reason == "has a broken directory (two entries have one name)"


def test_two_arrays_of_one_name(look):
    content = archive({"a": CLASS, "a.npy": CLASS, **FEATURE_MEMBERS})
    assert look(content).reason == "has two arrays of one name (a)"


def test_an_entry_that_stands_for_the_data_of_another(look):
    content = archive(members(wav2vec_features=wav2vec(), label=LABEL), wide=False)
    moved = patched(content, central(content, 1) + 42, struct.pack("<L", 0))
    assert look(moved).reason == "has directory entries that overlap"


def test_bytes_that_no_entry_accounts_for(look):
    content = archive(members(a=CLASS), wide=False)
    start = central(content)
    grown = (
        content[:start] + bytes(7) + patched(content[start:], len(content) - start - 6, struct.pack("<L", start + 7))
    )
    assert look(grown, ANY).reason == "has 7 bytes that belong to no directory entry"


def test_zip64_directory(look):
    content = archive(wide=False)
    start, count = central(content), 4
    directory = content[start:-22]
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert look(content[:-22] + record + locator + end).kind == FEATURE
    for at, word in ((8, b"\1"), (24, b"\5"), (40, b"\0"), (48, b"\1")):
        assert look(content[:-22] + patched(record, at, word) + locator + end).kind == DAMAGED
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


def flipped(content, needle, offset=0):
    at = content.index(needle) + offset
    return patched(content, at, bytes((content[at] ^ 1,)))


def test_changed_data_of_a_large_array_are_seen_in_full(look):
    changed = flipped(PLAIN, b"\x01" * 100, 50)
    assert look(changed).kind == FEATURE
    assert look(changed, full=True)[:2] == (DAMAGED, "has a wrong checksum (wav2vec_features.npy)")


@pytest.mark.parametrize("content", [PLAIN, archive(method=zipfile.ZIP_DEFLATED)])
def test_changed_data_of_a_small_array_are_seen_at_once(look, content):
    known = look(content)
    at = content.index(b"label.npy") + 60
    changed = patched(content, at, bytes((content[at] ^ 0x10,)))
    verdict = look(changed)
    assert known.kind == FEATURE
    assert verdict.kind == DAMAGED
    if content is PLAIN:
        changed = flipped(PLAIN, "sad".encode("utf-32-le"))
        assert look(changed).reason == "has a wrong checksum (emotion.npy)"


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


# Archives of one layout


def learned(content, tmp_path):
    """Layouts that know this archive, and nothing else."""
    path = tmp_path / "known.npz"
    path.write_bytes(content)
    from ansible_collections.trainprep.features.plugins.module_utils import signatures

    layouts, signatures._layouts = signatures._layouts, Layouts()
    fd = os.open(str(path), os.O_RDONLY)
    try:
        judge(fd, len(content), "known.npz", ASKED)
        return signatures._layouts
    finally:
        os.close(fd)
        signatures._layouts = layouts


def recognised(layouts, content, tmp_path):
    path = tmp_path / "seen.npz"
    path.write_bytes(content)
    fd = os.open(str(path), os.O_RDONLY)
    try:
        reader = open_reader(fd, len(content))
        return layouts.recognise(reader.head, reader.tail, len(content), ASKED)
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
        (npy() + b"\0", {}, DAMAGED, "has 6145 bytes of data where its header announces 6144"),
        (npy()[:9], {}, DAMAGED, "ends in an array's header"),
        (npy()[:100], {}, DAMAGED, "ends in an array's header"),
        (b"", {}, DAMAGED, "is empty"),
        (PLAIN, {}, OTHER, "is an archive, not the single array that its name promises"),
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
    assert digest(path, npy(), "x.npy") == digest(path, npy(), "x.npy") != digest(path, npy() + b"\0", "x.npy")
    with pytest.raises(OSError, match="the file has a wrong checksum"):
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
    verdict = look(of_nothing(40000, 100000), ANY)
    assert verdict[:2] == (DAMAGED, "has packed data that end early (a.npy)")
    verdict = look(of_nothing(40000, 100), ANY)
    assert verdict[:2] == (DAMAGED, "has a directory entry with an absurd size (a.npy: 100 bytes out of 200000)")


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
            assert judge(fd, os.fstat(fd).st_size, "x.npz", ASKED).kind == FEATURE
        finally:
            os.close(fd)
    finally:
        path.unlink()


def test_a_directory_of_absurd_length(look):
    content = archive({f"{number}.npy": b"" for number in range(10001)}, wide=False)
    assert "absurd directory" in look(content, ANY).reason


def test_names_in_reasons_are_printable_and_short(look):
    verdict = look(archive({"a\nb\x1b[0m" * 50 + ".npy": CLASS, **members(b=CLASS)}))
    assert verdict.kind == OTHER
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 150


def test_crc_of_the_format():
    # The identity is made of zip's own checksums; zlib has to be the same function.
    assert zlib.crc32(b"123456789") == 0xCBF43926
