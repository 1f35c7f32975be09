# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zip archive as the strict reader understands it: its members' content, compared with their checksums in bounded memory."""

from __future__ import annotations

import os
import zlib
from typing import Dict, Iterator

from . import damage, dtypes, zeros
from . import zip_central_directory as central
from .reader import HEAD_SIZE, Reader, seek

_CHUNK = 1 << 20
_MAX_PREFIX_INPUT = 1 << 16


class Archive:
    """An archive whose directory, headers and data fill the file. Raises Damaged for anything else: zip_lenient decides."""

    strict = True

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.members, directory_start = central.read_directory(reader)
        self.starts = central.check_extents(reader, self.members, directory_start)
        self._start: Dict[bytes, int] = {member.raw_name: start for member, start in zip(self.members, self.starts)}

    def is_readable(self, member: central.Member) -> bool:
        """True if the member's content can be read here."""
        return member.method in (central.STORED, central.DEFLATED)

    def start(self, member: central.Member, length: int) -> bytes:
        """Return up to C(length) bytes of the unpacked member."""
        length = min(length, member.size)
        if member.method == central.STORED:
            return self.reader.read(self._start[member.raw_name], length)
        return self._inflate_start(member, length)

    def pieces(self, member: central.Member) -> Iterator[bytes]:
        """Yield the unpacked member in pieces of bounded size; Damaged at the end unless size and checksum agree."""
        crc = length = 0
        for piece in self._stored(member) if member.method == central.STORED else self._inflated(member):
            crc = zlib.crc32(piece, crc)
            length += len(piece)
            if length > member.size:
                break
            yield piece
        if length != member.size:
            raise damage.Damaged(f"has packed data of another size than announced ({dtypes.shorten(member.name)})")
        if crc != member.crc:
            raise damage.Damaged(f"has a wrong checksum ({dtypes.shorten(member.name)})")

    def compare(self, member: central.Member, _length: int) -> None:
        """Damaged unless the unpacked member has the announced size and checksum. Holes of the file are not read."""
        if member.method == central.STORED:
            if crc_with_holes(self.reader, self._start[member.raw_name], member.packed) != member.crc:
                raise damage.Damaged(f"has a wrong checksum ({dtypes.shorten(member.name)})")
        else:
            for _piece in self.pieces(member):
                pass

    def _stored(self, member: central.Member) -> Iterator[bytes]:
        for position in range(0, member.packed, _CHUNK):
            yield self.reader.read(self._start[member.raw_name] + position, min(_CHUNK, member.packed - position))

    def _inflate_start(self, member: central.Member, length: int) -> bytes:
        unpack, found, position = zlib.decompressobj(-15), b"", 0
        try:
            while len(found) < length and not unpack.eof:
                # Empty blocks give nothing: the input has to be bounded as well as the output.
                most = min(HEAD_SIZE, member.packed - position, _MAX_PREFIX_INPUT - position)
                piece = self.reader.read(self._start[member.raw_name] + position, most)
                if not piece:
                    break
                position += len(piece)
                found += unpack.decompress(piece, length - len(found))
        except zlib.error:
            raise damage.Damaged(f"has packed data that cannot be unpacked ({dtypes.shorten(member.name)})") from None
        if len(found) < length:
            raise damage.Damaged(f"has packed data that end early ({dtypes.shorten(member.name)})")
        return found

    def _inflated(self, member: central.Member) -> Iterator[bytes]:
        unpack = zlib.decompressobj(-15)
        try:
            for piece in self._stored(member):
                while piece and not unpack.eof:
                    unpacked = unpack.decompress(piece, _CHUNK)
                    self.reader.spend(len(unpacked))
                    yield unpacked
                    piece = unpack.unconsumed_tail
                if unpack.unused_data:
                    break
            # zlib may keep back what did not fit into the last piece.
            yield unpack.flush()
        except zlib.error:
            raise damage.Damaged(f"has packed data that cannot be unpacked ({dtypes.shorten(member.name)})") from None
        if not unpack.eof or unpack.unused_data:
            raise damage.Damaged(f"has packed data that do not end where announced ({dtypes.shorten(member.name)})")


def crc_with_holes(reader: Reader, start: int, length: int) -> int:
    """Return the CRC-32 of a part of the file, of which holes are not read."""
    crc, position, end = 0, start, start + length
    while position < end:
        reader.step()
        data = seek(reader.fd, position, os.SEEK_DATA, end)
        crc, position = zeros.crc_of_zeros(data - position, crc), data
        hole = seek(reader.fd, position, os.SEEK_HOLE, end) if position < end else end
        while position < hole:
            piece = reader.read(position, min(_CHUNK, hole - position))
            crc, position = zlib.crc32(piece, crc), position + len(piece)
    return crc
