# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zip archive as Python's zipfile reads it, which numpy uses: it decides about what the strict reader refuses.

Padding in extra fields, bytes before the directory or after the end, gaps, a name twice (the last entry counts): all of them are read.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
import zlib
from typing import Dict, Iterator, List

from . import damage, dtypes
from . import zip_central_directory as central
from .reader import Reader

# zipfile reads a directory at once and makes an object of each entry.
_CHUNK = 1 << 20
_UTF8 = 0x800


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
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._reader.size}[whence]
        if position < 0:
            raise ValueError("a negative position")
        self._position = position
        return position

    def read(self, length: int = -1) -> bytes:
        left = max(0, self._reader.size - self._position)
        length = left if length < 0 else min(length, left)
        if length > _CHUNK:
            raise damage.NotUnderstood(f"has a directory of {length} bytes, more than is read here")
        found = self._reader.read(self._position, length)
        self._position += length
        return found

    def close(self) -> None:
        pass


@contextlib.contextmanager
def _as_answers() -> Iterator[None]:
    """Turn zipfile's exceptions into answers about the file. Errors of the storage stay as they are."""
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        raise damage.NotUnderstood(f"is a zip archive that Python does not read ({dtypes.shorten(str(error))})") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, IndexError) as error:
        raise damage.Damaged(f"is refused as a zip archive ({dtypes.shorten(str(error))})") from None


class LenientArchive:
    """The same interface as zip_members.Archive, over zipfile."""

    strict = False

    def __init__(self, reader: Reader) -> None:
        reader.claim(_CHUNK)
        self.reader = reader
        with _as_answers():
            self._zip = zipfile.ZipFile(_File(reader))
        reader.step(5 * len(self._zip.infolist()))
        infos = {info.filename: info for info in self._zip.infolist()}
        self._infos: Dict[central.Member, zipfile.ZipInfo] = {_member(info): info for info in infos.values()}
        self.members: List[central.Member] = list(self._infos)

    def is_readable(self, member: central.Member) -> bool:
        """True if the member's content can be read here."""
        return member.method in (central.STORED, central.DEFLATED)

    def start(self, member: central.Member, length: int) -> bytes:
        """Return up to C(length) bytes of the unpacked member, and nothing of what follows them."""
        with _as_answers(), self._zip.open(self._infos[member]) as stream:
            self.reader.spend(length)
            found: bytes = stream.read(length)
        return found

    def pieces(self, member: central.Member) -> Iterator[bytes]:
        """Yield the unpacked member in pieces of bounded size; Damaged unless zipfile finds it intact."""
        yield from self._read(member, member.size)

    def compare(self, member: central.Member, length: int) -> None:
        """Damaged unless zipfile reads so many bytes of the member; it compares the checksum at the member's end."""
        for _piece in self._read(member, length):
            pass

    def _read(self, member: central.Member, length: int) -> Iterator[bytes]:
        with _as_answers(), self._zip.open(self._infos[member]) as stream:
            while length > 0:
                piece = stream.read(min(_CHUNK, length))
                if not piece:
                    raise EOFError(f"{member.name} ends early")
                self.reader.spend(len(piece))
                length -= len(piece)
                yield piece
            if not member.size:
                stream.read(1)


def _member(info: zipfile.ZipInfo) -> central.Member:
    raw_name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437", "surrogateescape")
    called_folder = bool(info.external_attr & central.FOLDER)
    return central.Member(info.filename, raw_name, info.flag_bits, info.compress_type, info.CRC, info.compress_size,
                          info.file_size, info.header_offset, called_folder)  # fmt: skip
