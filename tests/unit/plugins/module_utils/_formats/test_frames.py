# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats that are read by their frame alone: HDF5, Parquet, Arrow and tar. tests/corpus has files of their own libraries."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.hdf5 import checksum
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_formats as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY

NOWHERE = b"\xff" * 8


def modern(version=2, flags=0, base=0, end=600, header=None, before=0):
    """A superblock of version 2 or 3 and a root group, both with checksums."""
    raw = b"\x89HDF\r\n\x1a\n" + bytes([version, 8, 8, flags]) + struct.pack("<Q", base) + NOWHERE + struct.pack("<QQ", end, 48)
    raw += struct.pack("<L", checksum(raw))
    group = b"OHDR\2\0\x10" + bytes(16) if header is None else header
    group += struct.pack("<L", checksum(group))
    return bytes(before) + (raw + group).ljust(600, b"\0")


def old(version=0, consistency=0, driver=NOWHERE, end=2048, base=0, before=0, size=2048):
    raw = b"\x89HDF\r\n\x1a\n" + bytes([version, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHL", 4, 16, consistency)
    raw += b"\1\0\0\0" if version else b""
    raw += struct.pack("<Q", base) + NOWHERE + struct.pack("<Q", end) + driver + struct.pack("<QQLL16x", 0, 96, 0, 0)
    return bytes(before) + raw.ljust(size, b"\0")


HDF5 = {
    "version 0": (old(), FEATURE),
    "version 1": (old(1), FEATURE),
    "consistency flags, which old versions do not use": (old(consistency=3), FEATURE),
    "a user block": (old(before=4096, base=4096, end=4096 + 2048), FEATURE),
    "content that was put before it": (old(before=8192, base=0, end=2048), FEATURE),
    "not at a power of two": (old(before=700), DAMAGED),
    "shorter than announced": (old(end=2049), DAMAGED),
    "of several files": (old(driver=bytes(8)), NOT_UNDERSTOOD),
    "version 2": (modern(), FEATURE),
    "version 3": (modern(3), FEATURE),
    "open for writing": (modern(3, 1), NOT_UNDERSTOOD),
    "a wrong checksum": (modern().replace(b"\x08\x08\0", b"\x08\x08\2", 1), DAMAGED),
    "version 9": (old(9), NOT_UNDERSTOOD),
    "addresses of 3 bytes": (old()[:13] + b"\3" + old()[14:], NOT_UNDERSTOOD),
    "cut in the superblock": (old()[:40], DAMAGED),
}


@pytest.mark.parametrize("name", HDF5)
@pytest.mark.parametrize("full", [False, True])
def test_hdf5(look, name, full):
    content, kind = HDF5[name]
    assert look(content, ANY, full, "x.h5").kind == kind


def test_hdf5_root_group_is_compared_in_full(look):
    changed = modern().replace(b"OHDR\2\0\x10" + bytes(16), b"OHDR\2\0\x10" + bytes(15) + b"\1")
    assert look(changed, ANY, False, "x.h5").kind == FEATURE
    assert look(changed, ANY, True, "x.h5")[:2] == (DAMAGED, "has a root group with a wrong checksum")


def test_the_checksum_is_that_of_hdf5():
    """Published values of lookup3's hashlittle."""
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551
    assert len({checksum(bytes(length)) for length in range(40)}) == 40


def message(kind=1, body=0, before=0):
    """A message of an Arrow stream: a table with version, type, header and length of the body."""
    table = struct.pack("<iHBxLxxxxq", 12, 4, kind, 20, body)
    raw = struct.pack("<L", 16 + before) + bytes(before) + struct.pack("<6H", 12, 24, 4, 6, 8, 16) + table + bytes(8)
    return raw + bytes(-len(raw) % 8)


def stream(*bodies, mark=b"\xff" * 4, end=b"\xff" * 4 + bytes(4), schema=1, more=b"", before=0):
    content = b""
    for number, body in enumerate((0, *bodies)):
        raw = message(schema if number == 0 else 3, body, before) + more
        content += mark + struct.pack("<l", len(raw)) + raw + bytes(body)
    return content + end


ARROW = {
    "a file": (made.arrow(), FEATURE),
    "Feather 1": (b"FEA1" + bytes(40) + bytes(16) + struct.pack("<l", 16) + b"FEA1", FEATURE),
    "a stream": (stream(64, 8), FEATURE),
    "a stream of no batches": (stream(), FEATURE),
    "a stream with a schema of 2 MiB": (stream(64, more=bytes(2 << 20)), FEATURE),
    "one with its table at the end": (stream(64, before=2 << 20), FEATURE),
    "one that is cut": (stream(64, more=bytes(2 << 20))[: 3 << 20], DAMAGED),
    "a tensor": (stream(schema=4, end=b""), NOT_UNDERSTOOD),
    "a stream without an end mark": (stream(64, end=b""), FEATURE),
    "a stream as written before 0.15": (stream(64, mark=b"", end=bytes(4)), FEATURE),
    "a stream with bytes after its end": (stream(64) + b"more", FEATURE),
    "a cut batch": (stream(64, end=b"")[:-1], DAMAGED),
    "a cut length": (stream(64, end=b"\xff\xff\xff\xff\1"), DAMAGED),
    "a message that is none": (stream(64, end=b"\xff\xff\xff\xff\x08\0\0\0" + bytes(8)), NOT_UNDERSTOOD),
    "a length below zero": (stream(64, end=b"\xff\xff\xff\xff\xfe\xff\xff\xff"), NOT_UNDERSTOOD),
    "no end": (made.arrow()[:-1] + b"2", DAMAGED),
    "a footer that does not fit": (made.arrow()[:-10] + b"\xff\xff\0\0ARROW1", DAMAGED),
    "another beginning": (b"ARROW2" + made.arrow()[6:], NOT_UNDERSTOOD),
}


@pytest.mark.parametrize("name", ARROW)
@pytest.mark.parametrize("full", [False, True])
def test_arrow(look, name, full):
    content, kind = ARROW[name]
    assert look(content, ANY, full, "x.arrow").kind == kind


PARQUET = {
    "one": (made.parquet(), FEATURE),
    "no end": (made.parquet()[:-1] + b"2", DAMAGED),
    "a footer that does not fit": (made.parquet()[:-8] + b"\xff" * 4 + b"PAR1", DAMAGED),
    "no footer": (made.parquet(b""), DAMAGED),
    "another beginning": (b"PAR2" + made.parquet()[4:], NOT_UNDERSTOOD),
    "encrypted": (made.parquet(magic=b"PARE"), NOT_UNDERSTOOD),
    "cut": (made.parquet()[:11], DAMAGED),
}


@pytest.mark.parametrize("name", PARQUET)
@pytest.mark.parametrize("full", [False, True])
def test_parquet(look, name, full):
    content, kind = PARQUET[name]
    assert look(content, ANY, full, "x.parquet").kind == kind


BLOCK = 512
END = bytes(2 * BLOCK)


def header(kind=b"0", size=0, name=b"a.npy", magic=b"ustar\00000", time=b"00000000000\0", signed=False, field=None):
    field = b"%011o\0" % size if field is None else field
    raw = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field + time + b" " * 8 + kind + bytes(100) + magic
    raw = raw.ljust(BLOCK, b"\0")
    total = sum(raw) - (256 * sum(byte > 127 for byte in raw) if signed else 0)
    return raw[:148] + b"%06o\0 " % total + raw[156:]


def record(name, value):
    body = b" " + name + b"=" + value + b"\n"
    length = next(number for number in range(len(body), len(body) + 9) if len(b"%d" % number) + len(body) == number)
    return b"%d" % length + body


def pax(*records, kind=b"x"):
    content = b"".join(records)
    return header(kind, len(content)) + content + bytes(-len(content) % BLOCK)


FILE = header(size=700) + bytes(2 * BLOCK)
TAR = {
    "a file": (FILE + END, FEATURE),
    "without end blocks": (FILE, FEATURE),
    "with one": (FILE + bytes(BLOCK), FEATURE),
    "a negative date": (header(time=b"\xff" * 12) + END, FEATURE),
    "old, without a magic": (header(magic=b"") + END, FEATURE),
    "signed characters in the checksum": (header(name=b"\xe4", signed=True) + END, FEATURE),
    "a size in binary": (header(field=b"\x80" + (700).to_bytes(11, "big")) + bytes(2 * BLOCK) + END, FEATURE),
    "a link with a size": (header(b"2", 700) + END, FEATURE),
    "an old folder with a size": (header(b"\0", 700, b"folder/", b"") + END, FEATURE),
    "a label": (header(b"V") + FILE + END, FEATURE),
    "a size in an extended header": (pax(record(b"size", b"700")) + header() + bytes(2 * BLOCK) + FILE + END, FEATURE),
    "global records": (pax(record(b"comment", b"x"), kind=b"g") + FILE + END, FEATURE),
    "a sparse file of GNU's": (header(b"S")[:482] + b"\0" + header(b"S")[483:] + END, FEATURE),
    "a cut file": (FILE[:-1], DAMAGED),
    "one of a wrong length": (pax(b"8 size=1\n") + FILE + END, NOT_UNDERSTOOD),
    "a cut extended header": (FILE + pax(record(b"size", b"700"))[:515], NOT_UNDERSTOOD),
    "only an extended header": (pax(record(b"size", b"700")), DAMAGED),
    "zeros after an extended header": (pax(record(b"size", b"700")) + END, DAMAGED),
    "a first header that is changed": (b"b" + FILE[1:] + END, DAMAGED),
    "a later one": (FILE + b"b" + FILE[1:], NOT_UNDERSTOOD),
    "a cut header": (FILE + header()[:300], NOT_UNDERSTOOD),
    "no files": (END, OTHER),
}


@pytest.mark.parametrize("name", TAR)
def test_tar(look, name):
    content, kind = TAR[name]
    assert look(content, ANY, True, "x.tar").kind == kind
    assert look(content, ANY, False, "x.tar").kind in (kind, FEATURE)


@pytest.mark.parametrize(("before", "quick"), [(98, DAMAGED), (99, FEATURE)])
def test_quick_inspection_of_tar_follows_the_lengths_in_the_first_headers(look, before, quick):
    content = FILE * before + FILE[:512] + bytes(512)
    assert look(content, ANY, False, "x.tar").kind == quick
    assert look(content, ANY, True, "x.tar").kind == DAMAGED


def test_quick_inspection_of_tar_compares_the_first_checksum(look):
    for place, quick in ((0, DAMAGED), (len(FILE), FEATURE)):
        content = bytearray(FILE * 3 + END)
        content[place] ^= 1
        assert look(bytes(content), ANY, False, "x.tar").kind == quick
        assert look(bytes(content), ANY, True, "x.tar").kind in (DAMAGED, NOT_UNDERSTOOD)


@pytest.mark.parametrize("full", [False, True])
def test_a_tar_archive_that_is_cut_among_zeros(look, full):
    """Between two files it cannot be seen, and tarfile reads it."""
    content = made.tar(files=[f"{number}.npy" for number in range(9)])
    for at in range(512, 9 * 1536, 512):
        assert look(content[:at], ANY, full, "x.tar").kind == (DAMAGED if at % 1536 else FEATURE)


def test_a_tar_header_whose_numbers_are_none(look):
    """As fields are that were moved by zeros which were lost: the checksum stays right."""
    header = bytearray(made.tar()[:512])
    header[329:333] = b"text"
    header[148:156] = b"%06o\0 " % (sum(header[:148] + header[156:]) + 256)
    content = bytes(header) + made.tar()[512:]
    assert look(content, ANY, False, "x.tar").kind == FEATURE
    assert look(content, ANY, True, "x.tar")[:2] == (NOT_UNDERSTOOD, "has a header at byte 0 whose numbers are none")
