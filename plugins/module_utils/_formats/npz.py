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

from . import damage, digest, dtypes, interface, npy_header, torch_zip, zip_layout, zip_members
from . import zip_central_directory as central

NPZ = interface.Kind("npz", "a .npz archive", (".npz", ".zip"), True)
ZIP = interface.Kind("zip", "a zip archive", (".zip",), False)

# What a quick look at one file reads of arrays whose headers numpy did not write: a file may claim any size.
_QUICK_BYTES = 64 << 20

layouts = zip_layout.Layouts()


def _begins(reader: central.Reader) -> bool:
    return reader.head.startswith((b"PK\3\4", b"PK\5\6"))


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    members, directory_start = central.read_directory(reader)
    starts = central.check_extents(reader, members, directory_start)
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        arrays, single = torch_zip.read_torch(reader, members, starts, criteria.full)
        return interface.Content(torch_zip.KIND, arrays, single, identify(members))
    archive = _Archive(reader, members, starts, criteria)
    headers = archive.headers()
    if not any(headers):
        if archive.asked:
            raise damage.Foreign("is an archive without arrays")
        return interface.Content(ZIP, {}, None, identify(members))
    if all(header is not None and not header.dtype.objects for header in headers):
        layouts.learn(reader, members, starts, headers)
    found: Dict[str, interface.ArrayHeader] = {}
    for member, header in zip(members, headers):
        if header is None:
            continue
        name = zip_layout.array_name(member.name)
        if name in found and archive.is_asked(name):
            raise damage.Damaged(f"has two arrays of one name ({dtypes.shorten(name)})")
        found[name] = header
    return interface.Content(NPZ, found, None, identify(members))


class _Archive:
    """An archive's arrays, each as trustworthy as the kind of look promises."""

    def __init__(
        self, reader: central.Reader, members: Sequence[central.Member], starts: Sequence[int], criteria: interface.Criteria
    ) -> None:
        self.reader = reader
        self.members = members
        self.starts = starts
        self.full = criteria.full
        self.asked = {one.name for one in criteria.arrays.asked}
        self.budget = _QUICK_BYTES

    def is_asked(self, name: str) -> bool:
        """Whether an array counts: all do where none is asked for by name."""
        return not self.asked or name in self.asked

    def headers(self) -> List[Optional[interface.ArrayHeader]]:
        """By member its header; None where it is not an array, or one that nobody asked for and nobody needs to understand."""
        return [self._header(member, start) for member, start in zip(self.members, self.starts)]

    def _header(self, member: central.Member, start: int) -> Optional[interface.ArrayHeader]:
        asked = self.is_asked(zip_layout.array_name(member.name))
        if not zip_members.is_method_known(member):
            if asked:
                zip_members.check_method(member)
            return None
        whole = self.full or member.size <= zip_layout.SMALL
        if member.size <= zip_layout.SMALL:
            content = b"".join(zip_members.read_all(self.reader, member, start))
        else:
            if whole:
                self._compare(member, start)
            content = zip_members.read_start(self.reader, member, start, zip_layout.SMALL)
        if not content.startswith(npy_header.MAGIC):
            if asked and member.name.endswith(".npy"):
                raise damage.Damaged(f"has an array that does not begin as one ({dtypes.shorten(member.name)})")
            return None  # numpy hands it out as bytes
        try:
            header = read_header(content, lambda length: zip_members.read_start(self.reader, member, start, length), member.size)
        except damage.Damaged as error:
            if not asked:
                return None
            if isinstance(error, damage.Unclear):
                # Written so, by whatever program, or changed since? The checksum tells.
                self._compare_once(member, start, whole)
            kind = damage.Foreign if isinstance(error, (damage.Foreign, damage.Unclear)) else damage.Damaged
            raise kind(f"{error} in {dtypes.shorten(member.name)}") from None
        if header.dtype.objects:
            return header
        end = header.start + header.length
        if end > member.size:
            if not asked:
                return None
            raise damage.Damaged(
                f"has {member.size - header.start} bytes of data in {dtypes.shorten(member.name)}"
                f" where its header announces {header.length}"
            )
        if end < member.size or not header.as_written:
            # A header that numpy did not write may be a changed one.
            self._compare_once(member, start, whole)
        return header._replace(as_written=False) if end < member.size else header

    def _compare_once(self, member: central.Member, start: int, compared: bool) -> None:
        if not compared and member.size <= self.budget:
            self._compare(member, start)

    def _compare(self, member: central.Member, start: int) -> None:
        zip_members.compare(self.reader, member, start)
        self.budget -= member.size


def read_header(content: bytes, read: Callable[[int], bytes], size: int) -> interface.ArrayHeader:
    """The header at the start of an array of C(size) bytes. content: what was read of it; read: so many bytes of it."""
    start = npy_header.header_start(content[:npy_header.PREFIX])
    if start > size:
        raise damage.Damaged("ends in an array's header")
    return npy_header.parse_header(content[:start] if start <= len(content) else read(min(start, npy_header.LONGEST)))


def told_apart(members: Sequence[central.Member]) -> List[Tuple[bytes, central.Member]]:
    """The members that make an archive what it is, by the names that count."""
    if any(member.name.endswith(torch_zip.PICKLE) for member in members):
        return torch_zip.torch_parts(members)
    return [(member.raw_name, member) for member in members]


def identify(members: Sequence[central.Member]) -> bytes:
    """The identity of an archive with these members: names, sizes and checksums."""
    parts = sorted((name, member.size, member.crc) for name, member in told_apart(members))
    described = zip_layout.describe([(name, size) for name, size, _crc in parts])
    crcs = [crc for _name, _size, crc in parts]
    return digest.short_digest(described + struct.pack(f"<{len(crcs)}L", *crcs))


FORMAT = interface.Format((NPZ, torch_zip.KIND, ZIP), _begins, _read)
