# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HDF5's superblocks, and what its library reads to open the root group, in the older form and in the one with checksums."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import DAMAGED, FEATURE, OTHER
from ansible_collections.trainprep.features.plugins.module_utils._formats.hdf5 import checksum
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY, patched

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOWHERE = b"\xff" * 8
SIZE = 2048


def verdict(look, content, full=True):
    return look(content, ANY, full, "x.h5")


# The published values of lookup3's hashlittle, and our own for each length of the rest.


def test_the_checksum_is_that_of_the_format():
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551
    assert len({checksum(bytes(length)) for length in range(40)}) == 40
    assert checksum(b"Four score and seven years ago"[:24]) != checksum(b"Four score and seven years ago"[:12])


# Superblocks 0 and 1, and a group with a tree and a heap


def message(kind, body, flags=0):
    body += bytes(-len(body) % 8)
    return struct.pack("<HHB3x", kind, len(body), flags) + body


SYMBOLS = message(0x11, struct.pack("<QQ", 700, 800))


def old(
    version=0,
    base=0,
    *,
    end=None,
    root=600,
    messages=SYMBOLS,
    count=1,
    header=None,
    tree=None,
    heap=None,
    widths=(8, 8),
    ranks=(4, 16),
    versions=(0, 0, 0),
    flags=0,
    extension=NOWHERE,
    driver=NOWHERE,
    cached=0,
    tail=b"",
):
    """A file of the older form; each part can be another."""
    raw = (
        SIGNATURE
        + bytes((version, versions[0], versions[1], 0, versions[2], *widths, 0))
        + struct.pack("<HHI", *ranks, flags)
    )
    raw += struct.pack("<HH", 1, 0) if version else b""
    raw += struct.pack("<Q", base) + extension + struct.pack("<Q", SIZE if end is None else end) + driver
    raw += struct.pack("<QQII16x", 0, root, cached, 0)
    content = bytearray((bytes(base) + raw).ljust(SIZE, b"\0"))
    head = struct.pack("<BBHLL4x", 1, 0, count, 1, len(messages)) if header is None else header
    content[base + 600 : base + 600 + len(head + messages)] = head + messages
    content[base + 700 : base + 708] = struct.pack("<4sBBH", b"TREE", 0, 0, 1) if tree is None else tree
    heap = struct.pack("<4sB3xQQQ", b"HEAP", 0, 88, 1, 900) if heap is None else heap
    content[base + 800 : base + 800 + len(heap)] = heap
    content[base + 1000 : base + 1000 + len(tail)] = tail
    return bytes(content)


def heap(size=88, free=1, data=900, begin=b"HEAP\0"):
    return begin + struct.pack("<3xQQQ", size, free, data)


def two_parts(where=1000, length=None, body=SYMBOLS, count=2):
    """A header that goes on elsewhere."""
    more = message(0x10, struct.pack("<QQ", where, len(body) if length is None else length))
    return old(messages=more, count=count, tail=body)


OLD = {
    "version 0": (old(), True),
    "version 1": (old(1), True),
    "behind a block of the user's": (old(base=512), True),
    "behind the largest that is searched": (
        bytes(2048) + patched(patched(old(), 24, struct.pack("<Q", 2048)), 40, struct.pack("<Q", 4096)),
        True,
    ),
    "of an unknown version": (old(4), False),
    "other versions of its parts": (old(versions=(1, 0, 0)), False),
    "the same for entries": (old(versions=(0, 1, 0)), False),
    "the same for messages": (old(versions=(0, 0, 1)), False),
    "addresses of three bytes": (old(widths=(3, 8)), False),
    "lengths of three bytes": (old(widths=(8, 3)), False),
    "no room in nodes": (old(ranks=(0, 16)), False),
    "no room in the other nodes": (old(ranks=(4, 0)), False),
    "flags": (old(flags=1), False),
    "flags, the last of them": (old(flags=1 << 31), False),
    "an extension that this version has not": (old(extension=bytes(8)), False),
    "a root with a link that is cached": (old(cached=2), True),
    "a root with something else cached": (old(cached=3), False),
    "an end beyond the file": (old(end=SIZE + 1), False),
    "bytes behind the end": (old(end=SIZE - 1), True),
    "a root at its end": (old(root=SIZE), False),
    "a base that is not where it lies": (patched(old(), 24, b"\1"), False),
    "a header of another version": (old(header=struct.pack("<BBHLL4x", 2, 0, 1, 1, len(SYMBOLS))), False),
    "a header with something reserved": (old(header=struct.pack("<BBHLL4x", 1, 1, 1, 1, len(SYMBOLS))), False),
    "a header that nothing leads to": (old(header=struct.pack("<BBHLL4x", 1, 0, 1, 0, len(SYMBOLS))), False),
    "one message less than announced": (old(count=2), False),
    "one more than announced": (old(messages=SYMBOLS + message(0, b""), count=1), False),
    "two messages": (old(messages=message(0, b"") + SYMBOLS, count=2), True),
    "no members": (old(messages=message(0, bytes(16))), False),
    "a message that is cut": (old(messages=SYMBOLS + message(1, bytes(8))[:-8], count=2), False),
    "a few bytes behind the messages": (old(messages=SYMBOLS + bytes(4)), False),
    "a message of an odd length": (old(messages=SYMBOLS + struct.pack("<HHB3x", 1, 4, 0) + bytes(4), count=2), False),
    "a message with an unknown flag": (old(messages=message(0, b"", 0x80) + SYMBOLS, count=2), False),
    "an unknown message that need not be known": (old(messages=message(0x19, b"", 0x0F) + SYMBOLS, count=2), True),
    "an unknown message that has to be known": (old(messages=message(0x19, b"", 0x10) + SYMBOLS, count=2), False),
    "the same where it is written": (old(messages=message(0x19, b"", 0x20) + SYMBOLS, count=2), False),
    "a known message that has to be known": (old(messages=message(0x18, b"", 0x10) + SYMBOLS, count=2), True),
    "a header in two parts": (two_parts(), True),
    "a part outside the file": (two_parts(where=SIZE), False),
    "a part that reaches beyond the end": (two_parts(where=SIZE - 8, length=16), False),
    "a part of less than it holds": (two_parts(length=16), False),
    "parts that lead to themselves": (two_parts(body=message(0x10, struct.pack("<QQ", 1000, 24))), False),
    "a tree that is none": (old(tree=struct.pack("<4sBBH", b"TREF", 0, 0, 1)), False),
    "a tree of something else": (old(tree=struct.pack("<4sBBH", b"TREE", 1, 0, 1)), False),
    "a tree with as many entries as fit": (old(tree=struct.pack("<4sBBH", b"TREE", 0, 0, 32)), True),
    "a tree with more": (old(tree=struct.pack("<4sBBH", b"TREE", 0, 0, 33)), False),
    "a heap that is none": (old(heap=heap(begin=b"HEAQ\0")), False),
    "a heap of another version": (old(heap=heap(begin=b"HEAP\1")), False),
    "a heap without room": (old(heap=heap(88, (1 << 64) - 1)), True),
    "a heap with room at its end": (old(heap=heap(88, 72)), True),
    "a heap with room beyond": (old(heap=heap(88, 73)), False),
    "a heap with room at its start": (old(heap=heap(88, 0)), True),
    "names that reach to the end": (old(heap=heap(SIZE - 900)), True),
    "names that reach beyond": (old(heap=heap(SIZE - 899)), False),
    "a root near the end": (old(root=SIZE - 8), False),
}


@pytest.mark.parametrize(("content", "right"), OLD.values(), ids=OLD)
def test_the_older_form(look, content, right):
    found = verdict(look, content)
    assert (found.kind == FEATURE) is right, found
    assert right or found.kind == DAMAGED


def test_a_file_over_several_is_another_kind(look):
    assert verdict(look, old(driver=bytes(8)), False)[:2] == (
        OTHER,
        "is an HDF5 file spread over several files, which is not read here",
    )


def test_narrow_addresses(look):
    raw = SIGNATURE + bytes((0, 0, 0, 0, 0, 4, 2, 0)) + struct.pack("<HHI", 4, 16, 0)
    raw += struct.pack("<LLLL", 0, 0xFFFFFFFF, SIZE, 0xFFFFFFFF) + struct.pack("<LLII16x", 0, 600, 0, 0)
    content = bytearray(raw.ljust(SIZE, b"\0"))
    symbols = message(0x11, struct.pack("<LL", 700, 800))
    content[600 : 616 + len(symbols)] = struct.pack("<BBHLL4x", 1, 0, 1, 1, len(symbols)) + symbols
    content[700:708] = struct.pack("<4sBBH", b"TREE", 0, 0, 1)
    content[800:816] = struct.pack("<4sB3xHHL", b"HEAP", 0, 88, 0xFFFF, 900)
    assert verdict(look, bytes(content)).kind == FEATURE
    for at, value in ((802, b"Q"), (808, b"\xff\xff"), (810, b"\x58\0"), (812, b"\xff\xff")):
        assert verdict(look, patched(bytes(content), at, value)).kind == DAMAGED


@pytest.mark.parametrize("size", [9, 20, 60, 95])
def test_a_file_that_ends_in_its_superblock(look, size):
    assert verdict(look, old()[:size], False).kind == DAMAGED


# Superblocks 2 and 3, and headers with checksums


def summed(raw):
    return raw + struct.pack("<L", checksum(raw))


def modern(version=2, base=0, *, flags=0, extension=NOWHERE, root=600, end=SIZE, header=None, parts=(), extra=None):
    """A file of the newer form: the header of its root, and what lies at other places."""
    raw = (
        SIGNATURE + bytes((version, 8, 8, flags)) + struct.pack("<Q", base) + extension + struct.pack("<QQ", end, root)
    )
    content = bytearray((bytes(base) + summed(raw)).ljust(SIZE, b"\0"))
    for at, part in ((600, new_header() if header is None else header), *parts, *(extra or ())):
        content[base + at : base + at + len(part)] = part
    return bytes(content)


def new_message(kind, body, order=b""):
    return struct.pack("<BHB", kind, len(body), 0) + order + body


LINK_INFO = new_message(2, b"\0\0" + NOWHERE * 2)


def new_header(messages=LINK_INFO, flags=0, size=None, width=1, times=b"", phases=b"", begin=b"OHDR\2"):
    size = len(messages) if size is None else size
    return summed(begin + bytes((flags,)) + times + phases + size.to_bytes(width, "little") + messages)


def goes_on(where=1000, length=None, part=b"OCHK" + LINK_INFO, order=b"", sums=True):
    """A header that goes on elsewhere, and where it does."""
    part = summed(part) if sums else part + bytes(4)
    length = len(part) if length is None else length
    return {
        "header": new_header(new_message(0x10, struct.pack("<QQ", where, length), order), 4 if order else 0),
        "parts": [(1000, part)],
    }


NEW = {
    "version 2": (modern(), True),
    "version 3": (modern(3), True),
    "behind a block of the user's": (modern(base=512), True),
    "a wrong checksum": (patched(modern(), 44, bytes(4)), False),
    "being written": (modern(3, flags=1), False),
    "not closed": (modern(3, flags=4), False),
    "flags that version 2 does not heed": (modern(2, flags=5), True),
    "unknown flags": (modern(2, flags=2), False),
    "unknown flags of version 3": (modern(3, flags=8), False),
    "an extension": (modern(extension=struct.pack("<Q", 1200), extra=[(1200, new_header())]), True),
    "an extension that is none": (modern(extension=struct.pack("<Q", 1200)), False),
    "an extension at the end": (modern(extension=struct.pack("<Q", SIZE)), False),
    "an end beyond the file": (modern(end=SIZE + 1), False),
    "a root at the end": (modern(root=SIZE), False),
    "a header that does not begin as one": (modern(header=new_header(begin=b"OHDS\2")), False),
    "a header of another version": (modern(header=new_header(begin=b"OHDR\3")), False),
    "a header with unknown flags": (modern(header=new_header(flags=0x40)), False),
    "a header with other unknown flags": (modern(header=new_header(flags=0x80)), False),
    "a header with times": (modern(header=new_header(flags=0x20, times=bytes(16))), True),
    "a header with phases": (modern(header=new_header(flags=0x10, phases=bytes(4))), True),
    "a header with both": (modern(header=new_header(flags=0x30, times=bytes(16), phases=bytes(4))), True),
    "a length of two bytes": (modern(header=new_header(flags=1, width=2)), True),
    "a length of four bytes": (modern(header=new_header(flags=2, width=4)), True),
    "a length of eight bytes": (modern(header=new_header(flags=3, width=8)), True),
    "messages in order": (modern(header=new_header(new_message(2, b"\0\0", b"\0\0"), 4)), True),
    "no messages": (modern(header=new_header(b"")), True),
    "room behind the messages": (modern(header=new_header(LINK_INFO + bytes(3))), True),
    "a message beyond the end": (modern(header=new_header(LINK_INFO[:-1])), False),
    "a message that ends with its head": (modern(header=new_header(LINK_INFO + new_message(0, b""))), True),
    "a header with a wrong checksum": (modern(header=new_header()[:-1] + b"\0"), False),
    "a header that reaches beyond the end": (modern(header=new_header(size=255), root=SIZE - 100), False),
    "a header of absurd length": (modern(header=new_header(flags=2, width=4, size=1 << 21)), False),
    "a header in two parts": (modern(**goes_on()), True),
    "two parts, messages in order": (
        modern(**goes_on(order=b"\0\0", part=b"OCHK" + new_message(2, b"ab", b"\0\0"))),
        True,
    ),
    "a part that does not begin as one": (modern(**goes_on(part=b"OCHL" + LINK_INFO)), False),
    "a part with a wrong checksum": (modern(**goes_on(sums=False)), False),
    "a part that is too short": (modern(**goes_on(length=7)), False),
    "a part without messages": (modern(**goes_on(part=b"OCHK")), True),
    "a part outside the file": (modern(**goes_on(where=SIZE)), False),
    "a part whose message reaches beyond": (modern(**goes_on(part=b"OCHK" + LINK_INFO[:-2])), False),
    "parts that lead to themselves": (
        modern(**goes_on(part=b"OCHK" + new_message(0x10, struct.pack("<QQ", 1000, 28)))),
        False,
    ),
}


@pytest.mark.parametrize(("content", "right"), NEW.values(), ids=NEW)
def test_the_newer_form(look, content, right):
    found = verdict(look, content)
    assert (found.kind == FEATURE) is right, found
    assert right or found.kind == DAMAGED


@pytest.mark.parametrize("at", [0, 1, 4, 5, 6, 7, 9, 20, 29])
def test_each_byte_of_a_header_is_covered_by_its_checksum(look, at):
    content = modern()
    assert verdict(look, patched(content, 600 + at, bytes((content[600 + at] ^ 0x04,)))).kind == DAMAGED


def test_a_quick_look_does_not_go_on_to_the_root(look):
    for content in (old(tree=bytes(8)), modern(header=b"none")):
        assert verdict(look, content, False).kind == FEATURE
        assert verdict(look, content).kind == DAMAGED


@pytest.mark.parametrize("version", [2, 3])
def test_a_quick_look_sees_where_an_extension_would_lie(look, version):
    assert verdict(look, modern(version, extension=struct.pack("<Q", SIZE)), False).kind == DAMAGED
    assert verdict(look, modern(version, extension=struct.pack("<Q", SIZE - 1)), False).kind == FEATURE
    assert verdict(look, modern(version, extension=bytes(8)), False).kind == FEATURE


@pytest.mark.parametrize("base", [0, 512, 1024])
def test_a_file_that_ends_soon_after_its_superblock(look, base):
    content = modern(base=base, root=50, end=base + 60)[: base + 60]
    assert verdict(look, content, False)[:2] == (FEATURE, "")
    assert verdict(look, content[:-1], False).kind == DAMAGED
