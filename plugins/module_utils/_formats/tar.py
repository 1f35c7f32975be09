# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.tar) by its frame: files in a row, each behind a header with a checksum and the file's length.

A full inspection goes along all headers, and so does a quick one if no block of zeros is at the end. Otherwise it stops after the
first hundred: an archive of more files whose last one is cut among zeros is taken for whole.
"""

from __future__ import annotations

import re
from typing import Optional

from . import damage, interface
from .reader import Reader

KIND = interface.Kind("tar", "a tar archive", (".tar",), False)

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_EXTENDED = 1 << 20
_QUICK_HEADERS = 100
_OCTAL = re.compile(rb"[0-7]+\Z")
_RECORD = re.compile(rb"(\d{1,7}) ([^=\0]{1,256})=")
# Types of headers that describe the next file (pax, GNU's long names), of all following ones, and of files without data.
_EXTENDED, _DESCRIBING, _EMPTY = b"xX", b"xgLKX", b"123456"
_SPARSE = b"S"
# Mode, owner, group, time, and the numbers of a device: where a header has others, its fields are not where they should be.
_NUMBERS = (slice(100, 108), slice(108, 116), slice(116, 124), slice(136, 148), slice(329, 337), slice(337, 345))


def _begins(reader: Reader) -> bool:
    head = reader.head[:_BLOCK]
    return head[257:262] == b"ustar" or (head[:1] not in (b"", b"\0") and len(head) == _BLOCK and _has_checksum(head))


def is_empty(reader: Reader) -> bool:
    """True if the file is an archive of no files: only blocks of zeros."""
    return len(reader.head) >= _BLOCK and not reader.head.strip(b"\0") and not reader.tail.strip(b"\0")


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    ends = reader.size >= 2 * _BLOCK and reader.tail[-_BLOCK:] == _ZEROS
    _walk(reader, criteria.full, _QUICK_HEADERS if ends and not criteria.full else reader.steps_left)
    return interface.frame_only(KIND, reader, criteria)


def _walk(reader: Reader, full: bool, most: int) -> None:
    position, size, described = 0, None, False
    while position < reader.size:
        most -= 1
        if most < 0:
            return
        reader.step()
        header = reader.read(position, min(_BLOCK, reader.size - position))
        if header == _ZEROS and not described:
            return
        if len(header) < _BLOCK or not _has_checksum(header):
            if not position:
                raise damage.Damaged("is truncated, or its first header has a wrong checksum")
            where = f"at byte {position} where a header should be"
            if described:
                raise damage.Damaged(f"is truncated, or has a wrong checksum, {where}")
            # Python's reader takes this for the end.
            raise damage.NotUnderstood(f"is truncated, or has other bytes, {where}")
        if full and not all(_is_number(header[place]) for place in _NUMBERS):
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
        position += -(-length // _BLOCK) * _BLOCK
    if position > reader.size or described:
        raise damage.Damaged("is truncated (a file in it goes on behind its end)")


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
    # The checksum itself is summed as eight spaces.
    rest = header[:148] + header[156:]
    total = sum(rest) + 8 * 32
    # Old writers summed signed characters.
    return said == total or said == total - 256 * sum(byte > 127 for byte in rest)


def _octal(field: bytes) -> Optional[int]:
    digits = field.partition(b"\0")[0].strip(b" ") or b"0"
    return int(digits, 8) if _OCTAL.match(digits) else None


def _is_number(field: bytes) -> bool:
    return field[:1] in (b"\x80", b"\xff") or _octal(field) is not None


def _number(field: bytes) -> int:
    """Return a header's length: octal digits or, if these are too few, binary."""
    found = int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else _octal(field)
    if found is None:
        raise damage.NotUnderstood("has a header whose length is not a number")
    return found


def _pax_size(reader: Reader, position: int, length: int, size: Optional[int]) -> Optional[int]:
    """Return the next file's length if an extended header gives it."""
    if length > _MAX_EXTENDED:
        raise damage.NotUnderstood(f"has an extended header of {length} bytes")
    records, at = reader.read(position, length), 0
    while at < length:
        reader.step()
        match = _RECORD.match(records, at)
        end = at + int(match.group(1)) if match else 0
        if match is None or not match.end() < end <= length:
            break  # padding
        value = records[match.end() : end - 1]
        if match.group(2) == b"size" and value.isdigit() and len(value) < 19:
            size = int(value)
        at = end
    return size


FORMAT = interface.Format((KIND,), _begins, _read)
