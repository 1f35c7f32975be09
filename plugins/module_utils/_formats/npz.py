# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zip archives: numpy's C(.npz), torch's, and any other.

A quick inspection reads the directory and the arrays' headers; it compares with their checksums small members, arrays whose header
numpy would not have written that way, and members about which the archive contradicts itself. A full one compares all members.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Optional, Sequence, Tuple
from zlib import crc32

from . import damage, dtypes, interface, npy, torch_zip, zip_layout
from .reader import Reader
from .zip_archive import DEFLATED, END_SIGNATURE, STORED, Archive, Member

NPZ = interface.Kind("npz", "a .npz archive", (".npz", ".zip"), True)
ZIP = interface.Kind("zip", "a zip archive", (".zip",), False)

# Bytes that a quick inspection of one file compares beyond its small members.
_QUICK_BYTES = 64 << 20

layouts = zip_layout.Layouts()


def _begins(reader: Reader) -> bool:
    return reader.head.startswith((b"PK\3\4", b"PK\5\6"))


def ends_as_zip(reader: Reader) -> bool:
    """True if a zip archive's directory is at the end of the file."""
    return END_SIGNATURE in reader.tail


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    archive = Archive(reader)
    members = archive.members
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        arrays, single = torch_zip.read_torch(archive, criteria.full)
        return interface.Content(torch_zip.KIND, arrays, single, identify(members))
    reading = _Headers(archive, criteria)
    headers = [reading.header(member) for member in members]
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
    if len(found) == len(members) and not any(header.dtype.objects for header in found.values()):
        layouts.learn(archive, headers)
    return interface.Content(NPZ, found, None, identify(members))


class _Headers:
    """The headers of an archive's arrays, verified as far as the kind of inspection promises."""

    def __init__(self, archive: Archive, criteria: interface.Criteria) -> None:
        self.archive = archive
        self.full = criteria.full
        self.asked = {one.name for one in criteria.arrays.asked}
        self.budget = _QUICK_BYTES

    def header(self, member: Member) -> Optional[interface.ArrayHeader]:
        """Return the header of a member, None if it is no array, or one that is not asked for and not intact."""
        asked = not self.asked or zip_layout.array_name(member.name) in self.asked
        try:
            if member.method not in (STORED, DEFLATED):
                raise damage.NotUnderstood(f"is packed by method {member.method}, which is not read here")
            return self._array(member, asked)
        except damage.NotAFeature as error:
            if not asked:
                return None
            shown = dtypes.shorten(member.name)
            raise error if shown in str(error) else type(error)(f"{error} in {shown}") from None

    def _array(self, member: Member, asked: bool) -> Optional[interface.ArrayHeader]:
        content = self.archive.start(member, zip_layout.SMALL)
        if member.size <= zip_layout.SMALL:
            verified = len(content) == member.size and crc32(content) == member.crc
            whole = asked and not verified
        else:
            verified = False
            whole = asked and (self.full or self.archive.data_start(member) is None)
        if not content.startswith(npy.MAGIC):
            self._compare(member, member.size, whole)
            return None  # numpy returns it as bytes
        try:
            header = npy.read_header(
                content, lambda length: self.archive.start(member, length), member.size, self.archive.reader.step
            )
        except damage.NotUnderstood:
            # Written so, by whatever program, or changed since? The checksum tells.
            self._compare(member, member.size, asked and not verified)
            raise
        end = header.start + header.length
        if header.dtype.objects:
            return header
        if end > member.size:
            raise damage.Damaged(f"has {member.size - header.start} bytes of data where its header announces {header.length}")
        # A header that numpy did not write may be a changed one.
        unusual = end < member.size or not header.as_written
        self._compare(member, end, whole or (asked and not verified and unusual))
        return header._replace(as_written=False) if end < member.size else header

    def _compare(self, member: Member, length: int, needed: bool) -> None:
        """Compare the member with its checksum. length: of the array in it, behind which numpy may see that or not."""
        if not needed or (member.size > self.budget and not self.full):
            return
        self.budget -= member.size
        try:
            self.archive.compare(member, member.size)
        except damage.Damaged:
            if length == member.size:
                raise
            self.archive.compare(member, length)
            raise damage.NotUnderstood("has a wrong checksum, and bytes behind an array") from None


def told_apart(members: Sequence[Member]) -> List[Tuple[bytes, Member]]:
    """Return the members that make an archive what it is, by the names that count."""
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        return torch_zip.torch_parts(members)
    return [(member.raw_name, member) for member in members]


def identify(members: Sequence[Member]) -> bytes:
    """Return the identity of an archive with these members: names, sizes and checksums."""
    parts = sorted((name, member.size, member.crc) for name, member in told_apart(members))
    described = zip_layout.describe([(name, size) for name, size, _crc in parts])
    crcs = [crc for _name, _size, crc in parts]
    return interface.short_digest(described + struct.pack(f"<{len(crcs)}L", *crcs))


FORMAT = interface.Format((NPZ, torch_zip.KIND, ZIP), _begins, _read)
