# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.tar) by its frame: files in a row, each behind a header with a checksum and the file's length.

A full inspection goes along all headers, and so does a quick one if the lengths in the first hundred do not lead to the end: an archive
of more files whose last one is cut among zeros is taken for whole.
"""

from __future__ import annotations

import re
import zlib
from typing import Optional

from . import damage, interface
from .reader import Reader

KIND = interface.Kind("tar", "a tar archive", (".tar",), False)

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_EXTENDED = 1 << 20
_QUICK_HEADERS = 100
_RECORD = re.compile(rb"(\d{1,7}) ([^=]+)=")
# Types of headers that describe the next file (pax, GNU's long names), of all following ones, and of files without data.
_EXTENDED, _DESCRIBING, _EMPTY = b"xX", b"xgLKX", b"123456"
_SPARSE = b"S"
# Types whose length says nothing of the blocks that follow, or not all.
_UNLIKE = _EMPTY + _SPARSE
# Mode, owner, group, time, and the numbers of a device: where a header has others, its fields are not where they should be.
_NUMBERS = (slice(100, 108), slice(108, 116), slice(116, 124), slice(136, 148), slice(329, 337), slice(337, 345))


def _begins(reader: Reader) -> bool:
    head = reader.head[:_BLOCK]
    return head[257:262] == b"ustar" or (head[:1] != b"\0" and _has_checksum(head))


def is_empty(reader: Reader) -> bool:
    """True if the file is an archive of no files: only blocks of zeros."""
    return len(reader.head) >= _BLOCK and not reader.head.strip(b"\0") and not reader.tail.strip(b"\0")


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    if criteria.full or not _has_checksum(reader.head[:_BLOCK]) or not _leads_to_end(reader):
        _walk(reader)
    return interface.frame_only(KIND, reader, criteria)


def _leads_to_end(reader: Reader) -> bool:
    """True if the lengths in the first hundred headers lead to the blocks at the end, without a look at what else they say."""
    position = 0
    for _turn in range(_QUICK_HEADERS):
        if position + _BLOCK > reader.size:
            return False
        header = reader.read(position, _BLOCK)
        if header == _ZEROS:
            return True
        length = _octal(header[124:136])
        if length is None or length < 0 or (length and header[156:157] in _UNLIKE):
            return False
        position += _BLOCK + length + -length % _BLOCK
    return reader.tail.endswith(_ZEROS)


def _walk(reader: Reader) -> None:
    position, size, described = 0, None, False
    while position < reader.size:
        reader.step()
        header = reader.read(position, min(_BLOCK, reader.size - position))
        if header == _ZEROS and not described:
            return
        if not _has_checksum(header):
            raise _no_header(position, described)
        if not all(_is_number(header[place]) for place in _NUMBERS):
            raise damage.NotUnderstood(f"has a header at byte {position} whose numbers are none")
        position += _BLOCK
        kind, length = header[156:157], _number(header[124:136])
        described = kind in _DESCRIBING
        if kind in _EXTENDED:
            size = _pax_size(reader, position, length, size)
        elif not described:
            length, size = 0 if _is_empty(header) else length if size is None else size, None
            if kind == _SPARSE:
                position += _map_blocks(reader, header, position)
        position += length + -length % _BLOCK
    if position > reader.size or described:
        raise damage.Damaged("is truncated (a file in it goes on behind its end)")


def _no_header(position: int, described: bool) -> damage.NotAFeature:
    if not position:
        return damage.Damaged("is truncated, or its first header has a wrong checksum")
    if described:
        return damage.Damaged(f"is truncated, or has a wrong checksum, at byte {position} where a header should be")
    # Python's reader takes this for the end.
    return damage.NotUnderstood(f"is truncated, or has other bytes, at byte {position} where a header should be")


def _map_blocks(reader: Reader, header: bytes, position: int) -> int:
    """Bytes of further maps of a sparse file in GNU's old form."""
    more, length = header[482], 0
    while more:
        reader.step()
        more = reader.read(position + length, _BLOCK)[504]
        length += _BLOCK
    return length


def _is_empty(header: bytes) -> bool:
    """True if no data follow a header: links, devices and folders, which old writers tell by a slash."""
    kind = header[156:157]
    return kind in _EMPTY or (kind == b"\0" and header[:100].rstrip(b"\0").endswith(b"/"))


def _has_checksum(header: bytes) -> bool:
    said = _octal(header[148:156])
    if not said or len(header) < _BLOCK:
        return False
    # Of all bytes, the checksum itself as eight spaces. The low half of Adler-32 is their sum and one, modulo 65521.
    # Old writers sum signed bytes.
    rest = header[:148] + b" " * 8 + header[156:]
    return zlib.adler32(rest) & 0xFFFF == (said + 1) % 65521 or said == sum(rest) - 256 * sum(byte > 127 for byte in rest)


def _octal(field: bytes) -> Optional[int]:
    """Return a number as tarfile reads it."""
    try:
        return int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return None


def _is_number(field: bytes) -> bool:
    return field[:1] in (b"\x80", b"\xff") or _octal(field) is not None


def _number(field: bytes) -> int:
    """Return a header's length: octal digits or, if these are too few, binary."""
    found = int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else _octal(field)
    if found is None or found < 0:
        raise damage.NotUnderstood("has a header whose length is not a number")
    return found


def _pax_size(reader: Reader, position: int, length: int, size: Optional[int]) -> Optional[int]:
    """Return the next file's length if an extended header gives it."""
    if length > _MAX_EXTENDED:
        raise damage.NotUnderstood(f"has an extended header of {length} bytes")
    if position + length > reader.size:
        # Some versions of Python's reader take this for the end.
        raise damage.NotUnderstood("is truncated in an extended header")
    records, at = reader.read(position, length), 0
    while at < length and records[at]:  # zeros: padding
        reader.step()
        match = _RECORD.match(records, at)
        end = at + int(match.group(1)) if match else 0
        if match is None or not match.end() < end <= length or records[end - 1] != 10:
            raise damage.NotUnderstood("has a broken extended header")
        value = records[match.end() : end - 1]
        if match.group(2) == b"size" and value.isdigit() and len(value) < 19:
            size = int(value)
        at = end
    return size


FORMAT = interface.Format((KIND,), _begins, _read)
