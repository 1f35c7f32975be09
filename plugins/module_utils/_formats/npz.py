# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zip archives: numpy's C(.npz), torch's, and any other.

A quick look reads the directory and the arrays' headers; small members are compared with their checksums, and so are
arrays whose header numpy would not have written that way. A full one compares all of them.
"""

from __future__ import annotations

import struct
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from .damage import Damaged, Foreign, Unclear
from .digest import short_digest
from .dtypes import shorten
from .interface import ArrayHeader, Content, Criteria, Format, Kind
from .npy_header import LONGEST, MAGIC, PREFIX, header_start, parse_header
from .torch_zip import KIND as TORCH
from .torch_zip import PICKLE, read_torch, torch_parts
from .zip_central_directory import Member, Reader, check_extents, read_directory
from .zip_layout import SMALL, Layouts, array_name, describe
from .zip_members import check_method, compare, is_method_known, read_all, read_start

NPZ = Kind("npz", "a .npz archive", (".npz", ".zip"), True)
ZIP = Kind("zip", "a zip archive", (".zip",), False)

# What a quick look at one file reads of arrays whose headers numpy did not write: a file may claim any size.
_QUICK_BYTES = 64 << 20

layouts = Layouts()


def _begins(reader: Reader) -> bool:
    return reader.head.startswith((b"PK\3\4", b"PK\5\6"))


def _read(reader: Reader, criteria: Criteria) -> Content:
    members, directory_start = read_directory(reader)
    starts = check_extents(reader, members, directory_start)
    if any(member.name.endswith(PICKLE) for member in members):
        arrays, single = read_torch(reader, members, starts, criteria.full)
        return Content(TORCH, arrays, single, identify(members))
    archive = _Archive(reader, members, starts, criteria)
    headers = archive.headers()
    if not any(headers):
        if archive.asked:
            raise Foreign("is an archive without arrays")
        return Content(ZIP, {}, None, identify(members))
    if all(header is not None and not header.dtype.objects for header in headers):
        layouts.learn(reader, members, starts, headers)
    found: Dict[str, ArrayHeader] = {}
    for member, header in zip(members, headers):
        if header is None:
            continue
        name = array_name(member.name)
        if name in found and archive.is_asked(name):
            raise Damaged(f"has two arrays of one name ({shorten(name)})")
        found[name] = header
    return Content(NPZ, found, None, identify(members))


class _Archive:
    """An archive's arrays, each as trustworthy as the kind of look promises."""

    def __init__(self, reader: Reader, members: Sequence[Member], starts: Sequence[int], criteria: Criteria) -> None:
        self.reader = reader
        self.members = members
        self.starts = starts
        self.full = criteria.full
        self.asked = {one.name for one in criteria.arrays.asked}
        self.budget = _QUICK_BYTES

    def is_asked(self, name: str) -> bool:
        """Whether an array counts: all do where none is asked for by name."""
        return not self.asked or name in self.asked

    def headers(self) -> List[Optional[ArrayHeader]]:
        """By member its header; None where it is not an array, or one that nobody asked for and nobody needs to understand."""
        return [self._header(member, start) for member, start in zip(self.members, self.starts)]

    def _header(self, member: Member, start: int) -> Optional[ArrayHeader]:
        asked = self.is_asked(array_name(member.name))
        if not is_method_known(member):
            if asked:
                check_method(member)
            return None
        whole = self.full or member.size <= SMALL
        if member.size <= SMALL:
            content = b"".join(read_all(self.reader, member, start))
        else:
            if whole:
                self._compare(member, start)
            content = read_start(self.reader, member, start, SMALL)
        if not content.startswith(MAGIC):
            if asked and member.name.endswith(".npy"):
                raise Damaged(f"has an array that does not begin as one ({shorten(member.name)})")
            return None  # numpy hands it out as bytes
        try:
            header = read_header(content, lambda length: read_start(self.reader, member, start, length), member.size)
        except Damaged as error:
            if not asked:
                return None
            if isinstance(error, Unclear):
                # Written so, by whatever program, or changed since? The checksum tells.
                self._compare_once(member, start, whole)
            kind = Foreign if isinstance(error, (Foreign, Unclear)) else Damaged
            raise kind(f"{error} in {shorten(member.name)}") from None
        if header.dtype.objects:
            return header
        end = header.start + header.length
        if end > member.size:
            if not asked:
                return None
            raise Damaged(
                f"has {member.size - header.start} bytes of data in {shorten(member.name)}"
                f" where its header announces {header.length}"
            )
        if end < member.size or not header.as_written:
            # A header that numpy did not write may be a changed one.
            self._compare_once(member, start, whole)
        return header._replace(as_written=False) if end < member.size else header

    def _compare_once(self, member: Member, start: int, compared: bool) -> None:
        if not compared and member.size <= self.budget:
            self._compare(member, start)

    def _compare(self, member: Member, start: int) -> None:
        compare(self.reader, member, start)
        self.budget -= member.size


def read_header(content: bytes, read: Callable[[int], bytes], size: int) -> ArrayHeader:
    """The header at the start of an array of C(size) bytes. content: what was read of it; read: so many bytes of it."""
    start = header_start(content[:PREFIX])
    if start > size:
        raise Damaged("ends in an array's header")
    return parse_header(content[:start] if start <= len(content) else read(min(start, LONGEST)))


def told_apart(members: Sequence[Member]) -> List[Tuple[bytes, Member]]:
    """The members that make an archive what it is, by the names that count."""
    if any(member.name.endswith(PICKLE) for member in members):
        return torch_parts(members)
    return [(member.raw_name, member) for member in members]


def identify(members: Sequence[Member]) -> bytes:
    """The identity of an archive with these members: names, sizes and checksums."""
    parts = sorted((name, member.size, member.crc) for name, member in told_apart(members))
    described = describe([(name, size) for name, size, _crc in parts])
    crcs = [crc for _name, _size, crc in parts]
    return short_digest(described + struct.pack(f"<{len(crcs)}L", *crcs))


FORMAT = Format((NPZ, TORCH, ZIP), _begins, _read)
