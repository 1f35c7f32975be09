# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as other programs write them, and broken ones: zipfile decides which is which, and a quick inspection sees contradictions."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import (
    ANY,
    patched,
    wav2vec,
)

FULL4 = 0xFFFFFFFF
DATA = wav2vec(20)
SIZE, CRC = len(DATA), zlib.crc32(DATA)
PACKED = zlib.compress(DATA, 9)[2:-4]
LATER = {"flags": 8, "crc": 0, "packed": 0, "size": 0}


def wide(*sizes):
    return struct.pack(f"<HH{len(sizes)}Q", 1, 8 * len(sizes), *sizes)


WIDE = {"size": FULL4, "packed": FULL4, "extra": wide(SIZE, SIZE)}


class Member:
    """A member. both: what its header and its entry in the directory say; here, there: what only the one or the other says."""

    def __init__(self, content=DATA, packed=None, after=b"", here=(), there=(), **both):
        self.after, self.packed = after, content if packed is None else packed
        said = {"flags": 0, "method": 0, "crc": zlib.crc32(content), "packed": len(self.packed), "size": len(content), "version": 20,
                "name": b"wav2vec_features.npy", "extra": b"", **both}  # fmt: skip
        self.here, self.there = {**said, **dict(here)}, {"comment": b"", "offset": None, **said, **dict(there)}

    def header(self):
        one = self.here
        numbers = [one[key] for key in ("version", "flags", "method")], [one[key] for key in ("crc", "packed", "size")]
        raw = struct.pack("<4s5H3L2H", b"PK\3\4", *numbers[0], 0, 0, *numbers[1], len(one["name"]), len(one["extra"]))
        return raw + one["name"] + one["extra"] + self.packed + self.after

    def entry(self, offset):
        one = self.there
        numbers = [one[key] for key in ("version", "flags", "method")], [one[key] for key in ("crc", "packed", "size")]
        texts = [one[key] for key in ("name", "extra", "comment")]
        offset = offset if one["offset"] is None else one["offset"]
        raw = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *numbers[0], 0, 0, *numbers[1], *map(len, texts), 0, 0, 0, offset)
        return raw + b"".join(texts)


MORE = Member(wav2vec(3), name=b"more.npy")


def archive(*members, before=b"", gap=b"", comment=b"", after=b"", number=0):
    raw, directory = before, b""
    for one in members:
        directory += one.entry(len(raw))
        raw += one.header()
    raw += gap
    count = len(members) + number
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(raw), len(comment))
    return raw + directory + end + comment + after


def record(form, mark=b"PK\7\x08", packed=SIZE):
    return mark + struct.pack(form, CRC, packed, SIZE)


READ = {
    "a comment": archive(Member(), comment=b"made here"),
    "a comment of an entry": archive(Member(there={"comment": b"one"})),
    "bytes after the end": archive(Member(), after=b"x" * 9),
    "zeros after the end, as programs leave that write in blocks": archive(Member(), after=bytes(700)),
    "bytes before the directory": archive(Member(), gap=b"x" * 7),
    "a gap": archive(Member(after=b"xyz"), MORE),
    "padding in the header, by zipalign": archive(Member(here={"extra": bytes(3)}), MORE),
    "padding in the directory": archive(Member(there={"extra": bytes(3)}), MORE),
    "fields of Info-ZIP": archive(Member(extra=b"UT\4\0abcdux\0\0"), MORE),
    "a field of Java's jar": archive(Member(extra=struct.pack("<HH", 0xCAFE, 0)), MORE),
    "wide sizes in the header": archive(Member(here=WIDE)),
    "wide sizes in both": archive(Member(here=WIDE, there=WIDE)),
    "a wide offset": archive(MORE, Member(there={"offset": FULL4, "extra": wide(len(MORE.header()))})),
    "sizes after the data": archive(Member(after=record("<LLL"), flags=8, here=LATER), MORE),
    "without a mark": archive(Member(after=record("<LLL", b""), flags=8, here=LATER), MORE),
    "wide sizes after the data": archive(Member(after=record("<LQQ"), flags=8, here=LATER), MORE),
    "packed, and sizes after the data": archive(
        Member(packed=PACKED, method=8, flags=8, here=LATER, after=record("<LLL", packed=len(PACKED))), MORE
    ),
    "how well it is packed": archive(Member(packed=PACKED, method=8, flags=6)),
    "a name in UTF-8": archive(Member(), Member(name="ä.npy".encode(), flags=0x800)),
    "a header with another checksum": archive(Member(here={"crc": 1})),
    "a header with other sizes": archive(Member(here={"size": 5, "packed": 5})),
    "an entry less than there are": archive(Member(), MORE, number=-1),
    "an entry more than there are": archive(Member(), MORE, number=1),
    "another member that is encrypted": archive(Member(), Member(wav2vec(3), name=b"more.npy", flags=1)),
    "other bytes after the packed ones": archive(Member(packed=PACKED + b"xy", method=8)),
}


def loads(content):
    """Whether zipfile reads the array."""
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return zipped.read("wav2vec_features.npy") == DATA


@pytest.mark.parametrize("name", READ)
def test_what_zipfile_reads_is_a_feature(look, name):
    assert loads(READ[name])
    quick, full = look(READ[name]), look(READ[name], full=True)
    assert quick == full and full.kind == FEATURE


REFUSED = {
    "a wrong checksum": (archive(Member(crc=1)), DAMAGED, "has a wrong checksum"),
    "a wrong checksum in the directory": (archive(Member(there={"crc": 1})), DAMAGED, "Bad CRC-32"),
    "a name that is not the header's": (archive(Member(here={"name": b"wav2vec_features.npz"})), DAMAGED, "File name in directory"),
    "packed data that are cut": (archive(Member(packed=PACKED[:-9], method=8)), DAMAGED, "zip archive"),
    "packed data that are none": (archive(Member(packed=b"\xff" * 90, method=8)), DAMAGED, "zip archive"),
    "data that are cut": (archive(Member(packed=DATA[:-9])), DAMAGED, "Bad CRC-32"),
    "an offset behind the end": (archive(Member(there={"offset": 1 << 30})), DAMAGED, "zip archive"),
    "an extra field that is cut": (archive(Member(there={"extra": b"\1\0\x10\0ab"})), DAMAGED, "extra field"),
    "no directory": (archive(Member())[:-25], DAMAGED, "is truncated"),
    "no header": (archive(Member())[200:], NOT_UNDERSTOOD, "behind other bytes"),
    "encrypted": (archive(Member(flags=1)), NOT_UNDERSTOOD, "encrypted"),
    "patched data": (archive(Member(flags=0x20)), NOT_UNDERSTOOD, "patched"),
    "strongly encrypted": (archive(Member(flags=0x40)), NOT_UNDERSTOOD, "strong encryption"),
    "a later version of zip": (archive(Member(there={"version": 64})), NOT_UNDERSTOOD, "version 6.4"),
    "the method of WinZip's AES": (archive(Member(method=99)), NOT_UNDERSTOOD, "method 99"),
    "Zstandard": (archive(Member(method=93)), NOT_UNDERSTOOD, "method 93"),
    "no members": (archive(), OTHER, "without arrays"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_zipfile_refuses(look, name):
    content, kind, reason = REFUSED[name]
    quick, full = look(content), look(content, full=True)
    assert full.kind == kind and reason in full.reason
    # Of large data a quick inspection reads the array's header, unless the archive contradicts itself.
    assert quick == full if name not in ("a wrong checksum", "packed data that are cut") else quick.kind == FEATURE


def test_a_contradiction_makes_a_quick_inspection_compare_the_data(look):
    at = archive(Member()).index(b"\x01" * 100) + 50
    for content in (archive(Member(here={"crc": 1})), archive(Member(after=b"xyz"), MORE), archive(Member(), gap=b"x")):
        assert look(patched(content, at, b"\7")).kind == DAMAGED
    assert look(patched(archive(Member()), at, b"\7")).kind == FEATURE


@pytest.mark.parametrize(("number", "comment", "kind"), [(66000, b"", FEATURE), (70, bytes(65535), NOT_UNDERSTOOD)])
def test_many_members(look, number, comment, kind):
    """More than 65,535 need the wide end of a directory; a directory of more than 4 MiB is not read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for one in range(number):
            info = zipfile.ZipInfo(str(one))
            info.comment = comment
            zipped.writestr(info, b"")
    assert look(buffer.getvalue(), ANY, name="x.zip").kind == kind


def test_a_folder_that_has_data(look):
    """torch reads nothing of it; what DOS calls a folder is one bit among others."""
    for external, kind in ((0x10, NOT_UNDERSTOOD), (0x20, OTHER), (0, OTHER)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as zipped:
            for name, content, attributes in (("a/data.pkl", b"\x80\x02}.", external), ("a/version", b"3\n", 0)):
                info = zipfile.ZipInfo(name)
                info.external_attr = attributes
                zipped.writestr(info, content)
        assert look(buffer.getvalue(), ANY, name="x.pt").kind == kind
