# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zip archives: numpy's C(.npz), torch's, and any other.

A quick inspection reads the directory and the arrays' headers; small members are compared with their checksums, and so are
arrays whose header numpy would not have written that way. A full one compares all of them. The strict reader answers for
ordinary archives; any other is read again as zipfile and numpy do, and only what they refuse is damaged.
"""

from __future__ import annotations

import struct
from typing import Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

from . import damage, digest, dtypes, interface, npy_header, torch_zip, zip_layout
from . import zip_central_directory as central
from .reader import Reader
from .zip_lenient import LenientArchive
from .zip_members import Archive

NPZ = interface.Kind("npz", "a .npz archive", (".npz", ".zip"), True)
ZIP = interface.Kind("zip", "a zip archive", (".zip",), False)

# Bytes that a quick inspection of one file compares because numpy did not write their headers.
_QUICK_BYTES = 64 << 20

layouts = zip_layout.Layouts()

AnyArchive = Union[Archive, LenientArchive]
T = TypeVar("T")


def _begins(reader: Reader) -> bool:
    return reader.head.startswith((b"PK\3\4", b"PK\5\6"))


def ends_as_zip(reader: Reader) -> bool:
    """True if a zip archive's directory is at the end of the file."""
    return central.END_SIGNATURE in reader.tail


def read_zip(reader: Reader, use: Callable[[AnyArchive], T]) -> T:
    """Use the archive as the strict reader understands it; if that is refused as damaged, as zipfile does."""
    try:
        return use(Archive(reader))
    except damage.Damaged as error:
        refusal = error
    try:
        return use(LenientArchive(reader))
    except damage.Damaged:
        raise refusal from None  # zipfile agrees; the strict reader says where


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    return read_zip(reader, lambda archive: _content(archive, criteria))


def _content(archive: AnyArchive, criteria: interface.Criteria) -> interface.Content:
    members = archive.members
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        arrays, single = torch_zip.read_torch(archive, criteria.full)
        return interface.Content(torch_zip.KIND, arrays, single, identify(members))
    headers = _Headers(archive, criteria).all()
    if not any(headers):
        if criteria.arrays.asked:
            raise damage.Foreign("is an archive without arrays")
        return interface.Content(ZIP, {}, None, identify(members))
    found: Dict[str, interface.ArrayHeader] = {}
    for member, header in zip(members, headers):
        name = zip_layout.array_name(member.name)
        # Of the members x and x.npy numpy takes x.
        if header is not None and (name not in found or member.name == name):
            found[name] = header
    plain = len(found) == len(members) and not any(header.dtype.objects for header in found.values())
    if isinstance(archive, Archive) and plain:
        layouts.learn(archive.reader, members, archive.starts, headers)
    return interface.Content(NPZ, found, None, identify(members))


class _Headers:
    """The headers of an archive's arrays, verified as far as the kind of inspection promises."""

    def __init__(self, archive: AnyArchive, criteria: interface.Criteria) -> None:
        self.archive = archive
        self.full = criteria.full
        self.asked = {one.name for one in criteria.arrays.asked}
        self.budget = _QUICK_BYTES

    def all(self) -> List[Optional[interface.ArrayHeader]]:
        """Return the header of each member, None if it is no array, or one that is not asked for and not understood."""
        return [self._header(member) for member in self.archive.members]

    def _header(self, member: central.Member) -> Optional[interface.ArrayHeader]:
        asked = not self.asked or zip_layout.array_name(member.name) in self.asked
        if not asked and not (self.archive.strict and self.archive.is_readable(member)):
            return None
        if not self.archive.is_readable(member):
            raise damage.NotUnderstood(f"is packed by method {member.method}, which is not read here ({dtypes.shorten(member.name)})")
        # Few archives need zipfile, and some of them contradict themselves: their arrays are compared, as long as that is cheap.
        whole = self.full or member.size <= (zip_layout.SMALL if self.archive.strict else self.budget)
        if not self.archive.strict:
            content = self.archive.start(member, npy_header.PREFIX)
        elif member.size <= zip_layout.SMALL:
            content = b"".join(self.archive.pieces(member))
        else:
            if whole:
                self._compare(member, member.size)
            content = self.archive.start(member, zip_layout.SMALL)
        if not content.startswith(npy_header.MAGIC):
            if whole and not self.archive.strict:
                self._compare(member, member.size)
            return None  # numpy returns it as bytes
        try:
            return self._array(member, content, whole)
        except damage.NotAFeature as error:
            if not asked:
                return None
            shown = dtypes.shorten(member.name)
            raise error if shown in str(error) else type(error)(f"{error} in {shown}") from None

    def _array(self, member: central.Member, content: bytes, whole: bool) -> interface.ArrayHeader:
        try:
            header = npy_header.read_header(content, lambda length: self.archive.start(member, length), member.size)
        except damage.NotUnderstood:
            # Written so, by whatever program, or changed since? The checksum tells.
            self._compare_once(member, member.size, whole and self.archive.strict)
            raise
        end = header.start + header.length
        if header.dtype.objects:
            return header
        if end > member.size:
            raise damage.Damaged(f"has {member.size - header.start} bytes of data where its header announces {header.length}")
        if not self.archive.strict:
            # As numpy: as far as the array goes.
            if whole:
                self._compare(member, end)
        elif end < member.size or not header.as_written:
            # A header that numpy did not write may be a changed one.
            self._compare_once(member, member.size, whole)
        return header._replace(as_written=False) if end < member.size else header

    def _compare_once(self, member: central.Member, length: int, compared: bool) -> None:
        if not compared and member.size <= self.budget:
            self._compare(member, length)

    def _compare(self, member: central.Member, length: int) -> None:
        self.archive.compare(member, length)
        self.budget -= member.size


def told_apart(members: Sequence[central.Member]) -> List[Tuple[bytes, central.Member]]:
    """Return the members that make an archive what it is, by the names that count."""
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        return torch_zip.torch_parts(members)
    return [(member.raw_name, member) for member in members]


def identify(members: Sequence[central.Member]) -> bytes:
    """Return the identity of an archive with these members: names, sizes and checksums."""
    parts = sorted((name, member.size, member.crc) for name, member in told_apart(members))
    described = zip_layout.describe([(name, size) for name, size, _crc in parts])
    crcs = [crc for _name, _size, crc in parts]
    return digest.short_digest(described + struct.pack(f"<{len(crcs)}L", *crcs))


FORMAT = interface.Format((NPZ, torch_zip.KIND, ZIP), _begins, _read)
