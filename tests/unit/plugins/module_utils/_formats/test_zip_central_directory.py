# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zip archive's directory, field by field: what it may say, and where it has to agree with the rest of the file."""

from __future__ import annotations

import struct
import tempfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import Damaged, NotUnderstood
from ansible_collections.trainprep.features.plugins.module_utils._formats.reader import open_reader
from ansible_collections.trainprep.features.plugins.module_utils._formats.zip_members import Archive
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY, patched

FULL4, FULL2 = 0xFFFFFFFF, 0xFFFF


class Part:
    """A member, of which the header before it and its entry can say different things. here: what the header says instead."""

    def __init__(self, name=b"a", content=b"data", here=None, after=b"", **said):
        self.content, self.after = content, after
        self.said = {
            "name": name,
            "flags": 0,
            "method": 0,
            "crc": zlib.crc32(content),
            "packed": len(content),
            "size": len(content),
            "extra": b"",
            "version": 20,
            "disk": 0,
            "external": 0,
            "comment": b"",
            "offset": None,
            **said,
        }
        self.here = {**self.said, "extra": b"", **(here or {})}

    def header(self):
        one = self.here
        return (
            struct.pack(
                "<4s5H3L2H",
                b"PK\3\4",
                one["version"],
                one["flags"],
                one["method"],
                0,
                0,
                one["crc"],
                one["packed"],
                one["size"],
                len(one["name"]),
                len(one["extra"]),
            )
            + one["name"]
            + one["extra"]
            + self.content
            + self.after
        )

    def entry(self, offset):
        one = self.said
        return (
            struct.pack(
                "<4s6H3L5H2L",
                b"PK\1\2",
                20,
                one["version"],
                one["flags"],
                one["method"],
                0,
                0,
                one["crc"],
                one["packed"],
                one["size"],
                len(one["name"]),
                len(one["extra"]),
                len(one["comment"]),
                one["disk"],
                0,
                one["external"],
                offset if one["offset"] is None else one["offset"],
            )
            + one["name"]
            + one["extra"]
            + one["comment"]
        )


def end(count, size, start, comment=b"", disk=0, start_disk=0, here=None, length=None):
    return (
        struct.pack(
            "<4s4H2LH",
            b"PK\5\6",
            disk,
            start_disk,
            count if here is None else here,
            count,
            size,
            start,
            len(comment) if length is None else length,
        )
        + comment
    )


def archive(*parts, tail=b"", gap=b"", number=0, **keys):
    """The archive of these members. tail: what follows; gap: what stands before the directory; number: so many entries more are said."""
    raw, directory = b"", b""
    for part in parts:
        directory += part.entry(len(raw))
        raw += part.header()
    raw += gap
    return raw + directory + end(len(parts) + number, len(directory), len(raw), **keys) + tail


def verdict(look, content, name="x.zip"):
    return look(content, ANY, True, name)


def refusal(content):
    """Why the strict reader refuses an archive; zipfile may accept it all the same. Empty: it does not."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            with open_reader(file.fileno(), len(content)) as reader:
                found = Archive(reader)
                for member in found.members:
                    found.compare(member, member.size)
        except (Damaged, NotUnderstood) as error:
            return str(error)
    return ""


def is_read(look, content):
    """True if the strict reader accepts the archive; if it does not, zipfile's answer stands, and nothing is raised."""
    accepted = not refusal(content)
    assert not accepted or verdict(look, content).kind == FEATURE
    return accepted


def wide(*sizes, kind=1):
    return struct.pack(f"<HH{len(sizes)}Q", kind, 8 * len(sizes), *sizes)


DATA = b"data"
LATE = {"flags": 8, "here": {"crc": 0, "packed": 0, "size": 0}}
SUM = zlib.crc32(DATA)

MEMBERS = {
    "a plain one": (Part(), True),
    "a comment": (Part(comment=b"hello"), True),
    "an encrypted one": (Part(flags=1), False),
    "a strongly encrypted one": (Part(flags=0x40), False),
    "one of a hidden directory": (Part(flags=0x2000), False),
    "a patch": (Part(flags=0x20), False),
    "flags that mean nothing here": (Part(flags=0x6), True),
    "the last version": (Part(version=63), True),
    "a later one": (Part(version=64), False),
    "of another system": (Part(version=0x114), False),
    "on another disk": (Part(disk=1), False),
    "a name that is UTF-8": (Part("ä".encode(), flags=0x800), True),
    "a name that is not": (Part(b"\xe4", flags=0x800), False),
    "a name of DOS": (Part(b"\xe4"), True),
    "no name": (Part(b""), False),
    "a NUL in a name": (Part(b"a\0b"), False),
    "another extra field": (Part(extra=b"UT\4\0abcd"), True),
    "one that is cut": (Part(extra=b"UT\5\0abcd"), False),
    "padding of three bytes": (Part(extra=b"UT\0"), True),
    "padding in the header": (Part(here={"extra": bytes(3)}), True),
    "an empty one": (Part(extra=b"UT\0\0"), True),
    "two of them": (Part(extra=b"UT\4\0abcdux\0\0"), True),
    "a second name": (Part(extra=struct.pack("<HH", 0x7075, 4) + b"abcd"), False),
    "sizes twice": (Part(extra=wide(4) + wide(4)), False),
    "sizes that nobody needs": (Part(extra=wide(9, 9)), True),
    "wide sizes": (Part(size=FULL4, packed=FULL4, extra=wide(4, 4), here={"size": 4, "packed": 4}), True),
    "a wide size": (Part(size=FULL4, extra=wide(4), here={"size": 4}), True),
    "a wide packed size": (Part(packed=FULL4, extra=wide(4), here={"packed": 4}), True),
    "a wide offset": (Part(offset=FULL4, extra=wide(0)), True),
    "all of them": (
        Part(size=FULL4, packed=FULL4, offset=FULL4, extra=wide(4, 4, 0), here={"size": 4, "packed": 4}),
        True,
    ),
    "behind another field": (Part(size=FULL4, extra=b"UT\0\0" + wide(4), here={"size": 4}), True),
    "too few": (Part(size=FULL4, packed=FULL4, extra=wide(4), here={"size": 4, "packed": 4}), False),
    "in another field": (Part(size=FULL4, extra=wide(4, kind=2), here={"size": 4}), False),
    "none": (Part(size=FULL4, here={"size": 4}), False),
    "an offset that is none": (Part(offset=FULL4), False),
    "wide sizes in the header": (Part(here={"size": FULL4, "packed": FULL4, "extra": wide(4, 4)}), True),
    "other wide sizes there": (Part(here={"size": FULL4, "packed": FULL4, "extra": wide(4, 5)}), False),
    "another size in the header": (Part(here={"size": 5}), False),
    "another packed size": (Part(here={"packed": 5}), False),
    "another checksum": (Part(here={"crc": 1}), False),
    "other flags": (Part(here={"flags": 2}), False),
    "another method": (Part(here={"method": 8}), False),
    "another name": (Part(here={"name": b"b"}), False),
    "a longer name": (Part(here={"name": b"ab"}), False),
    "a size that is not the packed one": (Part(size=5, here={"size": 5}), False),
    "a wrong checksum in both": (Part(crc=1), False),
    "an offset within": (Part(offset=1), False),
    "sizes after the data": (Part(after=struct.pack("<4sLLL", b"PK\7\x08", SUM, 4, 4), **LATE), True),
    "without a mark": (Part(after=struct.pack("<LLL", SUM, 4, 4), **LATE), True),
    "wide ones": (Part(after=struct.pack("<4sLQQ", b"PK\7\x08", SUM, 4, 4), **LATE), True),
    "wide ones without a mark": (Part(after=struct.pack("<LQQ", SUM, 4, 4), **LATE), True),
    "another checksum there": (Part(after=struct.pack("<LLL", 1, 4, 4), **LATE), False),
    "another size there": (Part(after=struct.pack("<LLL", SUM, 4, 5), **LATE), False),
    "nothing after the data": (Part(**LATE), False),
    "data that are deflated": (Part(content=zlib.compress(DATA, 9)[2:-4], method=8, size=4, crc=SUM), True),
    "but no longer so": (Part(content=zlib.compress(DATA, 9)[2:-5], method=8, size=4, crc=SUM), False),
    "with a byte more": (Part(content=zlib.compress(DATA, 9)[2:-4] + b"x", method=8, size=4, crc=SUM), False),
    "of another size": (Part(content=zlib.compress(DATA, 9)[2:-4], method=8, size=5, crc=SUM), False),
    "of a smaller size": (Part(content=zlib.compress(DATA, 9)[2:-4], method=8, size=3, crc=SUM), False),
    "of another checksum": (Part(content=zlib.compress(DATA, 9)[2:-4], method=8, size=4, crc=1), False),
    "no deflate at all": (Part(content=b"\xff\xff", method=8, size=4, crc=SUM), False),
}


@pytest.mark.parametrize(("part", "right"), MEMBERS.values(), ids=MEMBERS)
def test_members(look, part, right):
    assert is_read(look, archive(part)) is right
    assert is_read(look, archive(Part(b"first"), part)) is (
        right and part.said["offset"] is None and part.said["extra"] != wide(4, 4, 0)
    )
    assert is_read(look, archive(part, Part(b"last"))) is right


@pytest.mark.parametrize(
    ("size", "packed", "absurd"),
    [
        (1040, 1, False),
        (1041, 1, True),
        (2080, 2, False),
        (2081, 2, True),
        (0, 65536, False),
        (0, 65537, True),
        (5, 65546, False),
        (5, 65547, True),
    ],
)
def test_what_packing_can_do(look, size, packed, absurd):
    part = Part(content=b"\xff" * packed, method=8, size=size, crc=0)
    assert ("an absurd size" in refusal(archive(part))) is absurd


@pytest.mark.parametrize("method", [12, 14, 93, 97])
def test_methods_that_are_not_read_here(look, method):
    found = verdict(look, archive(Part(b"x.npy", method=method)))
    assert found[:2] == (NOT_UNDERSTOOD, f"is packed by method {method}, which is not read here (x.npy)")


ENDS = {
    "a plain one": ({}, True),
    "a comment": ({"comment": b"hello"}, True),
    "the longest": ({"comment": b"x" * FULL2}, True),
    "a comment that is longer than it says": ({"comment": b"hello", "length": 4}, False),
    "one that is shorter": ({"comment": b"hello", "length": 6}, False),
    "zeros behind": ({"tail": bytes(700)}, True),
    "zeros behind a comment": ({"comment": b"hello", "tail": bytes(7)}, True),
    "something behind": ({"tail": bytes(7) + b"x"}, False),
    "another disk": ({"disk": 1}, False),
    "a start on another": ({"start_disk": 1}, False),
    "others entries here": ({"here": 1}, False),
    "one entry more": ({"number": 1}, False),
    "one entry less": ({"number": -1}, False),
    "bytes before the directory": ({"gap": b"x"}, False),
}


@pytest.mark.parametrize(("keys", "right"), ENDS.values(), ids=ENDS)
def test_ends(look, keys, right):
    assert is_read(look, archive(Part(), Part(b"b"), **keys)) is right


def test_what_lies_between_members(look):
    assert refusal(archive(Part(after=b"xyz"), Part(b"b"))) == "has 3 bytes that belong to no directory entry"
    assert refusal(archive(Part(), Part(b"b"), gap=b"xy")) == "has 2 bytes that belong to no directory entry"
    assert refusal(archive(Part(), Part(b"b", offset=0))) == "has directory entries that overlap"
    assert is_read(look, archive(Part(content=b"", after=b""), Part(b"b", content=b"")))
    assert refusal(archive(Part(), Part())) == "has a broken directory (two entries have one name)"


def test_the_order_of_a_directory_is_free(look):
    first, second = Part(), Part(b"b")
    raw = first.header() + second.header()
    directory = second.entry(len(first.header())) + first.entry(0)
    assert is_read(look, raw + directory + end(2, len(directory), len(raw)))


def test_many_members(look):
    assert is_read(look, archive(*(Part(b"%d" % one, b"") for one in range(20000))))


@pytest.mark.parametrize(("more", "right"), [(0, True), (1, False)])
def test_as_long_a_directory_as_is_read(look, more, right):
    # Entries with the longest comments, and one that fills up what is left.
    parts = [Part(b"%02d" % one, b"", comment=b"x" * 65535) for one in range(63)]
    left = (4 << 20) - sum(len(part.entry(0)) for part in parts) - len(Part(b"zz", b"").entry(0)) + more
    assert is_read(look, archive(*parts, Part(b"zz", b"", comment=b"x" * left))) is right


def zip64(locator=None, record=None, narrow=None):
    """An archive with the wide records at its end; fields of each can be others."""
    part = Part()
    raw, directory = part.header(), part.entry(0)
    fields = {
        "signature": b"PK\6\6",
        "length": 44,
        "made": 45,
        "version": 45,
        "disk": 0,
        "start_disk": 0,
        "here": 1,
        "count": 1,
        "size": len(directory),
        "start": len(raw),
        **(record or {}),
    }
    at = len(raw + directory)
    told = {"signature": b"PK\6\7", "disk": 0, "at": at, "disks": 1, **(locator or {})}
    last = {
        "disk": 0,
        "start_disk": 0,
        "here": 1,
        "count": 1,
        "size": len(directory),
        "start": len(raw),
        **(narrow or {}),
    }
    return (
        raw
        + directory
        + struct.pack("<4sQ2H2L4Q", *fields.values())
        + struct.pack("<4sLQL", *told.values())
        + struct.pack("<4s4H2LH", b"PK\5\6", *last.values(), 0)
    )


WIDE = [
    ({}, True),
    ({"narrow": {"here": FULL2, "count": FULL2, "size": FULL4, "start": FULL4}}, True),
    ({"narrow": {"disk": FULL2, "start_disk": FULL2}}, True),
    *(({"narrow": {key: 2}}, False) for key in ("disk", "start_disk", "here", "count", "size", "start")),
    *(({"record": {key: 2}}, False) for key in ("disk", "start_disk", "here", "count", "size", "start", "length")),
    *(
        ({"record": {key: 2}, "narrow": {key: FULL4 if key in ("size", "start") else FULL2}}, False)
        for key in ("disk", "start_disk", "here", "count", "size", "start")
    ),
    ({"narrow": {"size": FULL2}}, False),
    ({"record": {"signature": b"PK\6\5"}}, False),
    ({"record": {"made": 20, "version": 20}}, True),
    *(({"locator": {key: 2}}, False) for key in ("disk", "at", "disks")),
]


@pytest.mark.parametrize(("keys", "right"), WIDE)
def test_wide_records(look, keys, right):
    assert is_read(look, zip64(**keys)) is right


def test_a_directory_that_is_cut(look):
    content = archive(Part(), Part(b"bb", comment=b"cc"))
    start = content.index(b"PK\1\2")
    size = len(content) - 22 - start
    for less in range(1, 52):
        cut = content[: start + size - less] + end(2, size - less, start)
        assert refusal(cut), less
    for at in (28, 30, 32):  # lengths of the name, of the extra field and of the comment
        assert refusal(patched(content, start + at, b"\xff\xff"))


def test_a_folder_that_has_data(look):
    """torch reads nothing of it; what DOS calls a folder is one bit among others."""
    pickle = b"\x80\x02}."
    for external, kind in ((0x10, NOT_UNDERSTOOD), (0x20, OTHER), (0, OTHER)):
        content = archive(Part(b"a/data.pkl", pickle, external=external), Part(b"a/version", b"3\n"))
        assert verdict(look, content, "x.pt").kind == kind
    content = archive(Part(b"a/data.pkl", pickle), Part(b"a/version", b"3\n"), Part(b"a/", b"", external=0x10))
    assert verdict(look, content, "x.pt")[:2] == (OTHER, "is a torch archive without tensors at its top")
