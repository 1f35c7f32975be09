# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies in a zip archive: its members' content, unpacked and compared with their checksums in bounded memory."""

from __future__ import annotations

import errno
import os
import zlib
from typing import Iterator

from . import damage, dtypes, zeros
from . import zip_central_directory as central

_FOREIGN_METHODS = {12: "bzip2", 14: "LZMA", 93: "Zstandard"}
_CHUNK = 1 << 20
_MAX_PREFIX_INPUT = 1 << 16


def is_method_known(member: central.Member) -> bool:
    """Whether the member's content can be read here."""
    return member.method in (central.STORED, central.DEFLATED)


def check_method(member: central.Member) -> None:
    """Foreign or Damaged unless the member is stored or deflated."""
    if member.method in _FOREIGN_METHODS:
        raise damage.Foreign(
            f"is packed by {_FOREIGN_METHODS[member.method]}, which is not read here ({dtypes.shorten(member.name)})"
        )
    if member.method not in (central.STORED, central.DEFLATED):
        raise damage.Damaged(f"is packed by a method that numpy cannot read ({dtypes.shorten(member.name)}: {member.method})")


def read_start(reader: central.Reader, member: central.Member, start: int, length: int) -> bytes:
    """Up to C(length) bytes of the unpacked member; start: where its data begin."""
    length = min(length, member.size)
    if member.method == central.STORED:
        return reader.read(start, length)
    return _inflate_start(reader, member, start, length)


def _inflate_start(reader: central.Reader, member: central.Member, start: int, length: int) -> bytes:
    unpack, found, position = zlib.decompressobj(-15), b"", 0
    try:
        while len(found) < length and not unpack.eof:
            # Empty blocks give nothing: the input has to be bounded as well as the output.
            piece = reader.read(
                start + position, min(central.HEAD_SIZE, member.packed - position, _MAX_PREFIX_INPUT - position)
            )
            if not piece:
                break
            position += len(piece)
            found += unpack.decompress(piece, length - len(found))
    except zlib.error:
        raise damage.Damaged(f"has packed data that cannot be unpacked ({dtypes.shorten(member.name)})") from None
    if len(found) < length:
        raise damage.Damaged(f"has packed data that end early ({dtypes.shorten(member.name)})")
    return found


def read_all(reader: central.Reader, member: central.Member, start: int) -> Iterator[bytes]:
    """The unpacked member in pieces of bounded size; Damaged at the end unless size and checksum agree."""
    crc = length = 0
    for piece in _stored(reader, member, start) if member.method == central.STORED else _inflated(reader, member, start):
        crc = zlib.crc32(piece, crc)
        length += len(piece)
        if length > member.size:
            break
        yield piece
    if length != member.size:
        raise damage.Damaged(f"has packed data of another size than announced ({dtypes.shorten(member.name)})")
    if crc != member.crc:
        raise damage.Damaged(f"has a wrong checksum ({dtypes.shorten(member.name)})")


def compare(reader: central.Reader, member: central.Member, start: int) -> None:
    """Damaged unless the unpacked member has the announced size and checksum. Holes of the file are not read."""
    if member.method != central.STORED or not _has_holes(reader, start, member.packed):
        for _piece in read_all(reader, member, start):
            pass
        return
    if crc_with_holes(reader, start, member.packed) != member.crc:
        raise damage.Damaged(f"has a wrong checksum ({dtypes.shorten(member.name)})")


def crc_with_holes(reader: central.Reader, start: int, length: int) -> int:
    """The CRC-32 of a part of the file, of which holes are not read."""
    crc, position, end = 0, start, start + length
    while position < end:
        data = _seek(reader, position, os.SEEK_DATA, end)
        crc, position = zeros.crc_of_zeros(data - position, crc), data
        hole = _seek(reader, position, os.SEEK_HOLE, end) if position < end else end
        while position < hole:
            piece = reader.read(position, min(_CHUNK, hole - position))
            crc, position = zlib.crc32(piece, crc), position + len(piece)
    return crc


def _has_holes(reader: central.Reader, start: int, length: int) -> bool:
    try:
        return _seek(reader, start, os.SEEK_HOLE, start + length) < start + length
    except OSError:
        return False  # a file system that does not tell


def _seek(reader: central.Reader, position: int, what: int, end: int) -> int:
    """Where data, or a hole, begin from here on, at most at C(end)."""
    try:
        return min(os.lseek(reader.fd, position, what), end)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end  # no more data
        raise


def _stored(reader: central.Reader, member: central.Member, start: int) -> Iterator[bytes]:
    for position in range(0, member.packed, _CHUNK):
        yield reader.read(start + position, min(_CHUNK, member.packed - position))


def _inflated(reader: central.Reader, member: central.Member, start: int) -> Iterator[bytes]:
    unpack = zlib.decompressobj(-15)
    try:
        for piece in _stored(reader, member, start):
            while piece and not unpack.eof:
                yield unpack.decompress(piece, _CHUNK)
                piece = unpack.unconsumed_tail
            if unpack.unused_data:
                break
        # zlib may keep back what did not fit into the last piece.
        yield unpack.flush()
    except zlib.error:
        raise damage.Damaged(f"has packed data that cannot be unpacked ({dtypes.shorten(member.name)})") from None
    if not unpack.eof or unpack.unused_data:
        raise damage.Damaged(f"has packed data that do not end where announced ({dtypes.shorten(member.name)})")
