# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zip archive as Python's zipfile understands it, which numpy uses.

An ordinary directory is read here. Any other (padding, gaps, other bytes around the archive, a name twice: the last entry counts) is
left to zipfile, which alone decides what is damaged. Where the header before a member's data says the same as the directory, the data
are read directly, which is faster and skips holes.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import functools
import os
import struct
import zipfile
import zlib
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import damage, dtypes
from .reader import PIECE, Reader

STORED, DEFLATED = 0, 8
END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\5\6"
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")

_LATER = 0x0008  # checksum and sizes follow the data
_ORDINARY = 0x080E  # that, a name in UTF-8, and how well the data were packed
_UTF8 = 0x0800
_FOLDER = 0x10
_FULL4 = 0xFFFFFFFF
_CHUNK = 1 << 20
# The wide end of a directory, which torch always writes, without what says who wrote it.
_WIDE_END, _WIDE_SIZE, _WIDE_MARK = struct.Struct("<2L4Q4sLQL"), 98, b"PK\6\7"
_LATEST_VERSION = 63
# Bytes of the field that numpy adds to a name.
_USUAL_EXTRA = 20
# Packed bytes that are read beyond as many as are wanted unpacked.
_MORE_INPUT = 1024
# Loaded now: a process that has become another user may not be able to read Python's own files any more.
codecs.lookup("cp437")


class Member(NamedTuple):
    """An entry of the archive's directory; sizes and offsets in bytes; called_folder: by its attributes, as DOS has them."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    called_folder: bool


def _ordinary(reader: Reader) -> Optional[Tuple[List[Member], int]]:
    """Return the entries of a directory as nearly all programs write it, and where it is; None: zipfile has to read it.

    Nothing follows it, it says nothing twice, and its entries are names in ASCII without more fields.
    """
    tail, end_at = reader.tail, reader.size - END.size
    if end_at < 0:
        return None
    end = END.unpack_from(tail, len(tail) - END.size)
    count, length, start = end[4:7]
    if tail[-42:-38] == _WIDE_MARK:
        end_at = reader.size - _WIDE_SIZE
        wide = _WIDE_END.pack(0, 0, count, count, length, start, _WIDE_MARK, 0, end_at, 1)
        if tail[-98:-94] != b"PK\6\6" or tail[-82:-22] != wide:
            return None
    if end != (END_SIGNATURE, 0, 0, count, count, length, end_at - length, 0) or length > PIECE:
        return None
    reader.claim(length)
    raw, at, members = reader.read(start, length), 0, []
    while at + ENTRY.size <= length:
        (signature, _made, version, flags, method, _time, _date, crc, packed, size, name_length, more, comment, _disk, _internal,
         external, offset) = ENTRY.unpack_from(raw, at)  # fmt: skip
        at += ENTRY.size + name_length
        name = raw[at - name_length : at]
        if signature != b"PK\1\2" or version > _LATEST_VERSION or more or comment or b"\0" in name or not name.isascii():
            return None
        members.append(Member(name.decode(), name, flags, method, crc, packed, size, offset, bool(external & _FOLDER)))
    return (members, start) if at == length and len(members) == count else None


class _BeforeStart(OSError):
    """What zipfile expects of a file that is too short."""


class _File:
    """A file for zipfile that reads within the budget of a Reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._position = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            offset += self._position if whence == os.SEEK_CUR else self._reader.size
        if offset < 0:
            raise _BeforeStart(errno.EINVAL, "a position before the start")
        self._position = offset
        return offset

    def read(self, length: int = -1) -> bytes:
        left = max(0, self._reader.size - self._position)
        length = left if length < 0 else min(length, left)
        if length > PIECE:
            raise damage.NotUnderstood(f"has a directory of {length} bytes, more than is read here")
        self._reader.claim(length)
        found = self._reader.read(self._position, length)
        self._position += length
        return found


@contextlib.contextmanager
def _as_answers() -> Iterator[None]:
    """Turn zipfile's exceptions into answers about the file. Errors of the storage stay as they are."""
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if "is encrypted" in str(error):
            raise damage.NotUnderstood("is an encrypted zip archive") from None
        raise damage.NotUnderstood(f"is a zip archive that Python does not read ({dtypes.shorten(str(error))})") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, IndexError, _BeforeStart) as error:
        if "not a zip file" in str(error):
            raise damage.Damaged("is truncated (no directory at its end)") from None
        raise damage.Damaged(f"is refused as a zip archive ({dtypes.shorten(str(error))})") from None


class Archive:
    """The members by the names that count, and their content, in bounded memory."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        entries, directory = _ordinary(reader) or self._by_zipfile()
        reader.step(5 * len(entries))
        self.members = list({member.name: member for member in entries}.values())
        # Where data end: at the next header or at the directory. Entries with one offset overlap, which newer versions of zipfile refuse.
        offsets = sorted(member.offset for member in entries)
        self._ends = dict(list(zip(offsets, [*offsets[1:], directory]))[::-1])
        self._starts: Dict[str, Optional[int]] = {}

    @functools.cached_property
    def _zip(self) -> zipfile.ZipFile:
        with _as_answers():
            return zipfile.ZipFile(_File(self.reader))

    def _by_zipfile(self) -> Tuple[List[Member], int]:
        return [_member(info) for info in self._zip.infolist()], self._zip.start_dir

    def data_start(self, member: Member) -> Optional[int]:
        """Where the data begin; None if the header before them does not say what the directory says, or leaves a gap."""
        if member.name not in self._starts:
            try:
                self._starts[member.name] = self._agreed_start(member)
            except (struct.error, damage.Damaged):
                self._starts[member.name] = None
        return self._starts[member.name]

    def _agreed_start(self, member: Member) -> Optional[int]:
        if not 0 <= member.offset < self.reader.size:
            return None
        expected = LOCAL.size + len(member.raw_name) + _USUAL_EXTRA
        raw = self.reader.read(member.offset, min(expected, self.reader.size - member.offset))
        signature, _version, flags, method, _time, _date, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(raw)
        length = LOCAL.size + name_length + extra_length
        names = raw[LOCAL.size : length] if length <= len(raw) else self.reader.read(member.offset, length)[LOCAL.size :]
        start: int = member.offset + length
        end = start + member.packed
        if (signature, flags, method, names[:name_length]) != (b"PK\3\4", member.flags, member.method, member.raw_name):
            return None
        if flags & ~_ORDINARY or (method == STORED and member.packed != member.size):
            return None
        if flags & _LATER:
            end += self._descriptor(member, end)
        elif crc != member.crc or not _says(member, size, packed, names[name_length:]):
            return None
        return start if end == self._ends[member.offset] else None

    def _descriptor(self, member: Member, end: int) -> int:
        """Length of the record after the data that has its checksum and sizes; 0 if there is none."""
        found = self.reader.read(end, min(24, self.reader.size - end))
        for prefix in (b"PK\7\x08", b""):
            for form in ("<LQQ", "<LLL"):
                record = prefix + struct.pack(form, member.crc, member.packed & _FULL4, member.size & _FULL4)
                if found.startswith(record) and end + len(record) == self._ends[member.offset]:
                    return len(record)
        return 0

    def start(self, member: Member, length: int) -> bytes:
        """Return up to C(length) bytes of the unpacked member, and nothing of what follows them."""
        length, start = min(length, member.size), self.data_start(member)
        if start is not None and member.method == STORED:
            return self.reader.read(start, length)
        if start is not None and member.method == DEFLATED:
            # Nearly always enough. If it is not, zipfile reads on.
            packed = self.reader.read(start, min(member.packed, length + _MORE_INPUT))
            with contextlib.suppress(zlib.error):
                found = zlib.decompressobj(-15).decompress(packed, length) if length else b""
                if len(found) == length:
                    return found
        with _as_answers(), self._zip.open(member.name) as stream:
            self.reader.spend(length)
            return bytes(stream.read(length))

    def pieces(self, member: Member, length: Optional[int] = None) -> Iterator[bytes]:
        """Yield the unpacked member, or so many bytes of it, in bounded pieces; at its end zipfile compares the checksum."""
        left = member.size if length is None else length
        with _as_answers(), self._zip.open(member.name) as stream:
            while left > 0:
                piece = stream.read(min(_CHUNK, left))
                if not piece:
                    raise EOFError(f"{member.name} ends early")
                self.reader.spend(len(piece))
                left -= len(piece)
                yield piece
            if not member.size:
                stream.read(1)

    def content(self, member: Member) -> bytes:
        """Return all of a small member, which is what its checksum says."""
        found = self.start(member, member.size)
        return found if zlib.crc32(found) == member.crc else b"".join(self.pieces(member))

    def compare(self, member: Member, length: int) -> None:
        """Damaged unless so many bytes of the member can be read, and its checksum is right if that is all. Holes are not read."""
        start = self.data_start(member)
        if start is None or member.method != STORED or length < member.size:
            for _piece in self.pieces(member, length):
                pass
        elif crc_with_holes(self.reader, start, length) != member.crc:
            raise damage.Damaged(f"has a wrong checksum ({dtypes.shorten(member.name)})")


def _says(member: Member, size: int, packed: int, extra: bytes) -> bool:
    """True if a header's sizes, or those of the zip64 field that replaces them, are the directory's."""
    if size == packed == _FULL4:
        return struct.pack("<HHQQ", 1, 16, member.size, member.packed) in extra
    return (size, packed) == (member.size, member.packed)


def _member(info: zipfile.ZipInfo) -> Member:
    raw_name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437", "surrogateescape")
    called_folder = bool(info.external_attr & _FOLDER)
    return Member(info.filename, raw_name, info.flag_bits, info.compress_type, info.CRC, info.compress_size,
                  info.file_size, info.header_offset, called_folder)  # fmt: skip


def crc_of_zeros(length: int, crc: int) -> int:
    """Return C(zlib.crc32(bytes(length), crc)) without the bytes: each zero multiplies the state, a polynomial, by a power of x."""
    return _product(_zeros(length), crc ^ _FULL4) ^ _FULL4


@functools.lru_cache(4096)
def _zeros(length: int) -> int:
    """Return the factor of that many zero bytes; of one it is x to the power of 8."""
    if length < 2:
        return 1 << (23 if length else 31)
    power = 1 << length.bit_length() - 1
    if length == power:
        return _product(_zeros(power // 2), _zeros(power // 2))
    return _product(_zeros(power), _zeros(length - power))


def _product(one: int, other: int) -> int:
    """Multiply modulo the polynomial of CRC-32; the highest bit is the lowest power."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (0xEDB88320 if other & 1 else 0)
    return product


def crc_with_holes(reader: Reader, start: int, length: int) -> int:
    """Return the CRC-32 of a part of the file, of which holes are not read."""
    crc = 0
    for hole, piece in reader.pieces(start, start + length):
        crc = zlib.crc32(piece, crc_of_zeros(hole, crc))
    return crc
