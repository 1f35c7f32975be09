# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a zip archive, read strictly.

zipfile looks for any reading that makes sense; this reader asks that everything the archive says twice agrees, and that its
entries fill the file without gap or overlap, so that what the directory says is true of the file. What it refuses
with Damaged is not damaged yet: zipfile decides (zip_lenient).
"""

from __future__ import annotations

import codecs
import struct
from typing import Iterator, List, NamedTuple, Tuple

from . import damage, dtypes
from .reader import Reader

STORED, DEFLATED = 0, 8
MAX_DIRECTORY = 4 << 20

END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\5\6"
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
CENTRAL = struct.Struct("<4s6H3L5H2L")
_CENTRAL_SIGNATURE = b"PK\1\2"
LOCAL = struct.Struct("<4s5H3L2H")
LOCAL_SIGNATURE = b"PK\3\4"
_DESCRIPTOR_SIGNATURE = b"PK\7\x08"

_ENCRYPTED = 0x0001
_LATER = 0x0008  # checksum and sizes follow the data
_PATCHED = 0x0020
_STRONG = 0x0040
_UTF8 = 0x0800
_HIDDEN = 0x2000
_MAX_VERSION = 63
FOLDER = 0x10
_FULL4 = 0xFFFFFFFF
_FULL2 = 0xFFFF
# Loaded now: a process that has become another user may not be able to read Python's own files any more.
codecs.lookup("cp437")
# The most that deflate can make of one byte, with room for its headers.
_MAX_RATIO = 1040
# And the most that packing can add, generously: blocks without content could fill the file.
_MAX_OVERHEAD = 1 << 16


class Member(NamedTuple):
    """An entry of the archive's directory; sizes and offsets in bytes; C(called_folder): by its attributes, as DOS
    has them."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    called_folder: bool


def read_directory(reader: Reader) -> Tuple[List[Member], int]:
    """The archive's entries in the order of its directory, and where the directory begins."""
    count, size, start = _find_directory(reader)
    if size > MAX_DIRECTORY:
        raise damage.NotUnderstood(f"has a directory of {size} bytes, more than is read here")
    reader.claim(size)
    reader.step(5 * count)
    raw = reader.read(start, size)
    members: List[Member] = []
    position = 0
    while position < size:
        member, position = _entry(raw, position, start)
        members.append(member)
    if len(members) != count:
        raise damage.Damaged(f"has a broken directory ({len(members)} entries where {count} are announced)")
    if len({member.raw_name for member in members}) != count:
        raise damage.Damaged("has a broken directory (two entries have one name)")
    return members, start


def _find_directory(reader: Reader) -> Tuple[int, int, int]:
    """Number of entries, size and start of the directory."""
    end, tail = reader.size - END.size, reader.tail
    if end < 0:
        raise damage.Damaged("is truncated")
    if tail[len(tail) - END.size :][:4] != END_SIGNATURE or tail[-2:] != b"\0\0":
        # A comment may follow, of at most 64 KiB.
        span = min(reader.size, END.size + _FULL2)
        found = reader.read(reader.size - span, span).rfind(END_SIGNATURE)
        end = reader.size - span + found
        if found < 0 or end + END.size > reader.size:
            raise damage.Damaged("is truncated (no directory at its end)")
    fields = END.unpack(reader.read(end, END.size))
    disk, start_disk, count_here, count, size, start, comment = fields[1:]
    rest = reader.size - (end + END.size + comment)
    # Programs that write in blocks fill up the last one with zeros.
    if rest < 0 or reader.read(reader.size - rest, rest).strip(b"\0"):
        raise damage.Damaged("has bytes after its end, or lacks some")
    locator_at = end - _END64_LOCATOR.size
    if locator_at >= 0:
        locator = _END64_LOCATOR.unpack(reader.read(locator_at, _END64_LOCATOR.size))
        if locator[0] == b"PK\6\7":
            record_at = locator_at - _END64.size
            if record_at < 0 or locator[1:] != (0, record_at, 1):
                raise damage.Damaged("has a broken directory (its zip64 record is not where it is announced)")
            record = _END64.unpack(reader.read(record_at, _END64.size))
            if record[0] != b"PK\6\6" or record[1] != _END64.size - 12:
                raise damage.Damaged("has a broken directory (its zip64 record is broken)")
            wide = record[4:]
            for narrow, value, full in zip(
                (disk, start_disk, count_here, count, size, start), wide, (_FULL2,) * 4 + (_FULL4,) * 2
            ):
                if narrow not in (full, value):
                    raise damage.Damaged("has a broken directory (its two end records disagree)")
            disk, start_disk, count_here, count, size, start = wide
            end = record_at
    if disk or start_disk or count != count_here:
        raise damage.Damaged("has a broken directory (it claims to span several files)")
    if start + size != end:
        raise damage.Damaged("has a directory that is not where it is announced")
    return count, size, start


def _entry(raw: bytes, position: int, limit: int) -> Tuple[Member, int]:
    """One directory entry and the position after it. limit: where the directory begins."""
    if position + CENTRAL.size > len(raw):
        raise damage.Damaged("has a broken directory (an entry is cut)")
    (signature, _made_by, version, flags, method, _time, _date, crc, packed, size,
     name_length, extra_length, comment_length, disk, _internal, external, offset) = CENTRAL.unpack_from(raw, position)  # fmt: skip
    if signature != _CENTRAL_SIGNATURE:
        raise damage.Damaged("has a broken directory (an entry does not begin as one)")
    name_at = position + CENTRAL.size
    extra_at = name_at + name_length
    after = extra_at + extra_length + comment_length
    if after > len(raw):
        raise damage.Damaged("has a broken directory (an entry is cut)")
    raw_name = raw[name_at:extra_at]
    name = _name(raw_name, flags)
    if flags & (_ENCRYPTED | _STRONG | _HIDDEN):
        raise damage.Damaged(f"is encrypted ({dtypes.shorten(name)})")
    if flags & _PATCHED or version & 0xFF > _MAX_VERSION or version >> 8 or disk:
        raise damage.Damaged(f"has a directory entry that numpy cannot read ({dtypes.shorten(name)})")
    if extra_length:
        size, packed, offset = _widened(raw[extra_at : extra_at + extra_length], size, packed, offset)
    if _FULL4 in (size, packed, offset):
        raise damage.Damaged("has a broken directory (an entry lacks its zip64 sizes)")
    # Without this a size could be as large as it likes: nothing else bounds the unpacked one.
    if offset + LOCAL.size + name_length + packed > limit:
        raise damage.Damaged(f"has a directory entry that points outside the file ({dtypes.shorten(name)})")
    if method == STORED:
        absurd = size != packed
    else:
        absurd = method == DEFLATED and (size > packed * _MAX_RATIO or packed > 2 * size + _MAX_OVERHEAD)
    if absurd:
        raise damage.Damaged(f"has a directory entry with an absurd size ({dtypes.shorten(name)}: {size} bytes out of {packed})")
    return Member(name, raw_name, flags, method, crc, packed, size, offset, bool(external & FOLDER)), after


def _name(raw_name: bytes, flags: int) -> str:
    try:
        name = raw_name.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise damage.Damaged("has a broken directory (a name is not text)") from None
    if not name or "\0" in name:
        raise damage.Damaged("has a broken directory (a name is empty or holds a NUL)")
    return name


def _extras(extra: bytes) -> Iterator[Tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4 + length
        if position > len(extra):
            raise damage.Damaged("has a broken directory (an extra field is cut)")
        yield kind, extra[position - length : position]


def _widened(extra: bytes, size: int, packed: int, offset: int) -> Tuple[int, int, int]:
    """Sizes and offset with what the zip64 extra field says in place of what does not fit."""
    seen = False
    for kind, value in _extras(extra):
        if kind == 0x7075:
            raise damage.Damaged("has a broken directory (a name is given twice)")
        if kind != 1:
            continue
        if seen:
            raise damage.Damaged("has a broken directory (sizes are given twice)")
        seen = True
        wide = [item[0] for item in struct.iter_unpack("<Q", value[: len(value) // 8 * 8])]
        try:
            size = wide.pop(0) if size == _FULL4 else size
            packed = wide.pop(0) if packed == _FULL4 else packed
            offset = wide.pop(0) if offset == _FULL4 else offset
        except IndexError:
            raise damage.Damaged("has a broken directory (an entry lacks its zip64 sizes)") from None
    return size, packed, offset


def check_extents(reader: Reader, members: List[Member], directory_start: int) -> List[int]:
    """Where each member's data begin, in the order given; Damaged unless the entries fill the file exactly."""
    order = sorted(range(len(members)), key=lambda index: members[index].offset)
    starts = [0] * len(members)
    end = 0
    for index in order:
        member = members[index]
        if member.offset != end:
            raise damage.Damaged(_gap(member.offset, end))
        starts[index] = _data_start(reader, member)
        end = starts[index] + member.packed
        if end > directory_start:
            raise damage.Damaged(f"has a directory entry that points outside the file ({dtypes.shorten(member.name)})")
        if member.flags & _LATER:
            end += _descriptor(reader, member, end, directory_start)
    if end != directory_start:
        raise damage.Damaged(_gap(directory_start, end))
    return starts


def _gap(begin: int, end: int) -> str:
    if begin < end:
        return "has directory entries that overlap"
    return f"has {begin - end} bytes that belong to no directory entry"


def _data_start(reader: Reader, member: Member) -> int:
    """Where the data begin, told by the header before them, which has to agree with the directory."""
    (signature, _version, flags, method, _time, _date, crc, packed, size,
     name_length, extra_length) = LOCAL.unpack(reader.read(member.offset, LOCAL.size))  # fmt: skip
    start: int = member.offset + LOCAL.size + name_length + extra_length
    if signature != LOCAL_SIGNATURE or name_length != len(member.raw_name):
        raise damage.Damaged(_disagreement(member))
    names = reader.read(member.offset + LOCAL.size, name_length + extra_length)
    if extra_length and not flags & _LATER:
        size, packed, _offset = _widened(names[name_length:], size, packed, 0)
    if (flags, method, names[:name_length]) != (member.flags, member.method, member.raw_name):
        raise damage.Damaged(_disagreement(member))
    if not flags & _LATER and (crc, packed, size) != (member.crc, member.packed, member.size):
        raise damage.Damaged(_disagreement(member))
    return start


def _disagreement(member: Member) -> str:
    return f"has a directory that disagrees with the header of {dtypes.shorten(member.name)}"


def _descriptor(reader: Reader, member: Member, position: int, limit: int) -> int:
    """Length of the record after data whose sizes were not known before; it has to agree with the directory."""
    found = reader.read(position, min(24, limit - position))
    for prefix in (_DESCRIPTOR_SIGNATURE, b""):
        for form in ("<LQQ", "<LLL"):
            try:
                record = prefix + struct.pack(form, member.crc, member.packed, member.size)
            except struct.error:
                continue
            # The record with four-byte sizes may be the start of one with eight: what follows decides.
            if found.startswith(record) and found[len(record) : len(record) + 2] in (b"PK", b""):
                return len(record)
    raise damage.Damaged(f"has a directory that disagrees with the record after {dtypes.shorten(member.name)}")
