# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.tar): files in a row, each behind a header with a checksum, and blocks of zeros at the end.

A quick look sees the first header and the end; a full one goes along the whole chain. The files' bytes have no
checksum.
"""

from __future__ import annotations

import re
from typing import Optional

from . import damage, dtypes, interface
from . import zip_central_directory as central

KIND = interface.Kind("tar", "a tar archive", (".tar",), False)

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_EXTENDED = 1 << 20
_MAX_HEADERS = 1 << 22
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*\Z")
_NUMBERS = ((100, 8), (108, 8), (116, 8), (124, 12), (136, 12))
_RECORD = re.compile(rb"(\d{1,7}) ([^=\0]+)=")
# Types of headers that speak of the next file, and of files without data.
_EXTENDED, _GLOBAL, _LONG, _EMPTY = b"x", b"g", b"LK", b"123456"
# Old archives write a zero byte for a plain file.
_KNOWN = b"01234567xgLK\0"


def _begins(reader: central.Reader) -> bool:
    return reader.head[257:262] == b"ustar" or (
        reader.head[:1] not in (b"", b"\0") and len(reader.head) >= _BLOCK and _has_checksum(reader.head[:_BLOCK])
    )


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    if reader.size < _BLOCK or not _has_checksum(reader.read(0, _BLOCK)):
        raise damage.Damaged("is truncated, or its first header has a wrong checksum")
    if reader.size % _BLOCK or reader.size < 3 * _BLOCK or reader.read(reader.size - 2 * _BLOCK, 2 * _BLOCK).strip(b"\0"):
        raise damage.Damaged("is truncated (no blocks of zeros at its end)")
    if criteria.full:
        _walk(reader)
    if criteria.arrays.asked:
        raise interface.refuse_arrays(KIND)
    return interface.Content(KIND)


def _walk(reader: central.Reader) -> None:
    position, size, announced = 0, None, False
    for _turn in range(_MAX_HEADERS):
        header = reader.read(position, _BLOCK)
        position += _BLOCK
        if header == _ZEROS:
            if position == _BLOCK or announced:
                raise damage.Damaged("has a header that no file follows")
            if reader.read(position, _BLOCK) != _ZEROS:
                raise damage.Damaged("has a header of zeros among its files")
            return
        if not _has_checksum(header):
            raise damage.Damaged(f"has a header with a wrong checksum at byte {position - _BLOCK}")
        kind = header[156:157]
        if kind not in (b"0", b"\0", b"7", b"5", b"x", b"g", b"L", b"K", b"1", b"2", b"3", b"4", b"6"):
            raise damage.Foreign(f"is a tar archive with a kind of member that is not read here ({dtypes.shorten(repr(kind))})")
        for start, length in _NUMBERS:
            _number(header[start : start + length])
        length = _number(header[124:136])
        announced = kind in (b"x", b"g", b"L", b"K")
        if kind in (b"x", b"g"):
            found = _pax_size(reader.read(position, _bounded(length)))
            size = found if found is not None and kind == b"x" else size
        elif kind in (b"L", b"K"):
            reader.read(position, _bounded(length))
        elif kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
            length, size = 0, None
        else:
            length, size = length if size is None else size, None
        position += -(-length // _BLOCK) * _BLOCK
        if position > reader.size - _BLOCK:
            raise damage.Damaged("is truncated (a file in it goes on behind its end)")
    raise damage.Foreign("has more files than are read here")


def _bounded(length: int) -> int:
    if length > _MAX_EXTENDED:
        raise damage.Foreign(f"has a header of {length} bytes, more than is read here")
    return length


def _has_checksum(header: bytes) -> bool:
    field = _OCTAL.match(header[148:156])
    if field is None:
        return False
    said = int(field.group(1), 8)
    # The checksum itself is summed as eight spaces.
    total = sum(header) - sum(header[148:156]) + 8 * 32
    if said == total:
        return True
    # Old writers summed signed characters.
    return said == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def _number(field: bytes) -> int:
    """A number in a header: octal digits, or where these are too few, binary."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    if not field.strip(b" \0"):
        return 0
    match = _OCTAL.match(field)
    if match is None:
        raise damage.Damaged("has a header with a broken number")
    return int(match.group(1), 8)


def _pax_size(records: bytes) -> Optional[int]:
    """The next file's size, where the records of an extended header say it."""
    size, position = None, 0
    while position < len(records) and records[position] != 0:
        match = _RECORD.match(records, position)
        end = position + int(match.group(1)) if match else 0
        if match is None or end <= match.end() or end > len(records) or records[end - 1 : end] != b"\n":
            raise damage.Damaged("has a broken extended header")
        name, value = match.group(2), records[match.end() : end - 1]
        if name.startswith(b"GNU.sparse") or name == b"hdrcharset":
            raise damage.Foreign("is a tar archive with sparse files or another character set, which are not read here")
        if name == b"size":
            if not value.isdigit() or len(value) > 18:
                raise damage.Damaged("has a broken extended header")
            size = int(value)
        position = end
    return size


FORMAT = interface.Format((KIND,), _begins, _read)
