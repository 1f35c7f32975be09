# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of tar, block by block: headers, their checksums and numbers, and what speaks of the next file."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import DAMAGED, FEATURE, OTHER
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY

BLOCK = 512
END = bytes(2 * BLOCK)


def header(
    kind=b"0",
    size=b"00000000000\0",
    name=b"a.npy",
    magic=b"ustar\00000",
    mode=b"0000644\0",
    owner=b"0000000\0",
    time=b"00000000000\0",
    checksum=None,
):
    """A header; its checksum is right where none is given."""
    raw = name.ljust(100, b"\0") + mode + owner + owner + size + time + b" " * 8 + kind + bytes(100) + magic
    raw = raw.ljust(BLOCK, b"\0")
    said = b"%06o\0 " % sum(raw) if checksum is None else checksum
    return raw[:148] + said + raw[156:]


def octal(number):
    return b"%011o\0" % number


def blocks(content):
    return content + bytes(-len(content) % BLOCK)


def pax(*records, kind=b"x", size=None):
    content = b"".join(records)
    return header(kind, octal(len(content) if size is None else size)) + blocks(content)


def record(name, value):
    body = b" " + name + b"=" + value + b"\n"
    length = next(number for number in range(len(body), len(body) + 9) if len(b"%d" % number) + len(body) == number)
    return b"%d" % length + body


FILE = header(size=octal(700)) + bytes(2 * BLOCK)


def verdict(look, *parts, full=True, end=END):
    return look(b"".join(parts) + end, ANY, full, "x.tar")


def broken(said=b"9"):
    return header(checksum=said.ljust(8, b"\0"))


RIGHT = {
    "one file": (FILE,),
    "an empty one": (header(),),
    "of one byte": (header(size=octal(1)), bytes(BLOCK)),
    "of one block": (header(size=octal(BLOCK)), bytes(BLOCK)),
    "of a byte more": (header(size=octal(BLOCK + 1)), bytes(2 * BLOCK)),
    "old, without a magic": (header(magic=b""),),
    "old, of a kind that is zero": (header(b"\0", magic=b""),),
    "a size in binary": (header(size=b"\x80" + (700).to_bytes(11, "big")), bytes(2 * BLOCK)),
    "a size with spaces": (header(size=b"       1274 "), bytes(2 * BLOCK)),
    "a mode of nothing": (header(mode=bytes(8)),),
    "a mode of spaces": (header(mode=b" " * 8),),
    "a checksum with spaces": (header(checksum=b"%6o\0 " % sum(header(checksum=b" " * 8))),),
    "a checksum of signed bytes": (
        header(
            name=b"\xe4\xe4.npy", checksum=b"%06o\0 " % (sum(header(name=b"\xe4\xe4.npy", checksum=b" " * 8)) - 512)
        ),
    ),
    **{f"a {kind!r} has no data": (header(kind, octal(700)), FILE) for kind in (b"1", b"2", b"3", b"4", b"5", b"6")},
    "a kind of its own with data": (header(b"7", octal(700)), bytes(2 * BLOCK), FILE),
    "a long name": (header(b"L", octal(200)), blocks(b"x" * 200), FILE),
    "a long link": (header(b"K", octal(200)), blocks(b"x" * 200), header(b"2")),
    "an extended header": (pax(record(b"path", b"a" * 200)), FILE),
    "that says a size": (pax(record(b"size", b"513")), header(), bytes(2 * BLOCK)),
    "that says it for the next file only": (pax(record(b"size", b"513")), header(), bytes(2 * BLOCK), header()),
    "that says it for a folder": (pax(record(b"size", b"513")), header(b"5"), header()),
    "a global one that says none": (pax(record(b"comment", b"x"), kind=b"g"), FILE),
    "a global one with a size means nothing": (pax(record(b"size", b"513"), kind=b"g"), header()),
    "a size and then another header": (
        pax(record(b"size", b"513")),
        pax(record(b"path", b"a")),
        header(),
        bytes(2 * BLOCK),
    ),
    "the later size": (pax(record(b"size", b"9999"), record(b"size", b"513")), header(), bytes(2 * BLOCK)),
    "records that end in zeros": (pax(record(b"path", b"a") + bytes(9)), FILE),
    "more zeros at the end": (FILE, END),
}


@pytest.mark.parametrize("parts", RIGHT.values(), ids=RIGHT)
def test_intact_archives(look, parts):
    assert verdict(look, *parts)[:2] == (FEATURE, "")


WRONG = {
    "a wrong checksum": (FILE, broken()),
    "a checksum that is none": (FILE, broken(b"x")),
    "a broken number": (header(mode=b"00x0644\0"),),
    "a broken owner": (header(owner=b"8888888\0"),),
    "a broken time": (header(time=b"x" * 12),),
    "a broken size": (header(size=b"1 2        \0"),),
    "data behind the end": (FILE, header(size=octal(9999))),
    "data where its end should be": (header(size=octal(2 * BLOCK + 1)),),
    "zeros among the files": (FILE, bytes(BLOCK), FILE),
    "a name for no file": (FILE, header(b"L", octal(200)), blocks(b"x" * 200)),
    "an extended header for no file": (FILE, pax(record(b"path", b"a"))),
    "a record without a length": (pax(b" path=a\n"), FILE),
    "a record of another length": (pax(b"8 path=a\n"), FILE),
    "a record longer than all": (pax(b"99 path=a\n"), FILE),
    "a record of no length": (pax(b"7 path=\n"), FILE),
    "a record without an end": (pax(b"10 path=a;"), FILE),
    "a size that is none": (pax(record(b"size", b"-1")), header()),
    "a size of many digits": (pax(record(b"size", b"0" * 19)), header()),
}


@pytest.mark.parametrize("parts", WRONG.values(), ids=WRONG)
def test_damages(look, parts):
    assert verdict(look, *parts).kind == DAMAGED


def test_where_a_wrong_checksum_stands(look):
    assert verdict(look, FILE, broken()).reason == f"has a header with a wrong checksum at byte {3 * BLOCK}"
    assert verdict(look, FILE, header(), broken()).reason == f"has a header with a wrong checksum at byte {4 * BLOCK}"
    assert verdict(look, broken(), full=False).kind == DAMAGED


OTHERS = {
    "a kind of member that is not read here (b'S')": (header(b"S"),),
    "sparse files or another character set": (pax(record(b"GNU.sparse.major", b"1")), FILE),
    "another character set": (pax(record(b"hdrcharset", b"BINARY")), FILE),
    "has a header of 1048577 bytes, more than is read here": (
        header(b"L", octal((1 << 20) + 1)),
        bytes((1 << 20) + BLOCK),
        FILE,
    ),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_what_is_not_read_here(look, reason):
    found = verdict(look, *OTHERS[reason])
    assert found.kind == OTHER and reason in found.reason


def test_as_long_a_header_as_is_read(look):
    assert verdict(look, header(b"L", octal(1 << 20)), bytes(1 << 20), FILE).kind == FEATURE
    assert verdict(look, pax(record(b"size", b"0" * 15 + b"513")), header(), bytes(2 * BLOCK)).kind == FEATURE


@pytest.mark.parametrize(
    ("content", "right"),
    [
        (FILE + END, True),
        (FILE + END[1:], False),
        (FILE + bytes(BLOCK), True),
        (header() + END, True),
        (header() + bytes(BLOCK), False),
        (header(), False),
        (header()[:300], False),
        (FILE + bytes(2 * BLOCK - 1) + b"x", False),
        (FILE + b"x" + bytes(2 * BLOCK - 1), False),
        (b"", False),
        (END, False),
        (bytes(3 * BLOCK), False),
    ],
)
def test_a_quick_look_at_both_ends(look, content, right):
    assert (look(content, ANY, False, "x.tar").kind == FEATURE) is right


@pytest.mark.parametrize("name", ["x.tar", "x.bin"])
def test_what_begins_as_an_archive(look, name):
    assert look(header(magic=b"") + END, ANY, False, name).kind == FEATURE
    assert look(header(name=b"", magic=b"") + END, ANY, False, name).kind == (DAMAGED if name == "x.tar" else OTHER)
    assert look(header(name=b"") + END, ANY, False, name).kind == FEATURE
    assert look(header(magic=b"", checksum=b"0000001\0") + END, ANY, False, name).kind == (
        DAMAGED if name == "x.tar" else OTHER
    )
    assert look(header(checksum=b"0000001\0") + END, ANY, False, name).kind == DAMAGED
