# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recognises archives with the layout of an earlier one, without reading them entry by entry.

The features of one extractor differ in the length of one array, in checksums and in small data; everything else is the same. A layout is
learned from an archive that was read, and whose headers say what its directory says. For another archive, all bytes before and after
the large array's data are compared with what the layout has for data of that length. Dates, checksums and small data may differ: the
checksums are compared with each other and with the small data. So a match returns what reading the archive would; anything else is left
to that.
"""

from __future__ import annotations

import operator
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple
from zlib import crc32

from . import damage, npy
from .arrays import ArraySpec
from .interface import ArrayHeader as Header
from .interface import short_digest
from .reader import HEAD_SIZE, TAIL_SIZE, Reader
from .zip_archive import END, ENTRY, LOCAL, STORED, Archive, Member

# Members up to this size are always read whole and compared with their checksum.
SMALL = 1024

# Layouts and outcomes together, each of a few KiB.
_MAX_REMEMBERED = 4096
_FULL4 = 0xFFFFFFFF
_ZIP64_SIZES = struct.pack("<HH", 1, 16)


class Found(NamedTuple):
    """What a match gives: why the arrays are not those asked for (empty: they are), the identity, and the large array's
    place, size and checksum, which was not compared with its data."""

    mismatch: str
    identity: bytes
    start: int
    size: int
    crc: int


class _Outcome(NamedTuple):
    """What one header of the large array leads to, in archives of one layout."""

    length: int
    mismatch: str
    pieces: Tuple[Any, ...]
    described: bytes


Spans = List[Tuple[int, int]]  # start and length, in rising order


def _reader(spans: Spans, form: str) -> Callable[..., Tuple[Any, ...]]:
    """Reads what lies at these places."""
    forms, end = "<", 0
    for start, length in spans:
        forms += f"{start - end}x" + form.format(length)
        end = start + length
    return struct.Struct(forms).unpack_from


class _Layout:
    """One arrangement of an archive in which only one array is large.

    frame: the archive without that array's data, in which some places are holes, which may differ, and some numbers grow with the data.
    """

    def __init__(self, reader: Reader, members: Sequence[Member], starts: Sequence[int], headers: Sequence[Header], large: int) -> None:
        data = headers[large].length
        self.members, self.headers, self.large = list(members), list(headers), large
        self.header_at, self.data_at = starts[large], starts[large] + headers[large].start
        self.fixed = reader.size - data
        self.after_data = self.data_at - self.fixed
        self.frame = reader.read(0, self.data_at) + reader.read(self.data_at + data, self.fixed - self.data_at)
        holes: Spans = []
        checksums: Spans = []
        contents: Spans = []
        self.growing = _size_fields(reader, members[large])
        for index, member in enumerate(members):
            shift = data if index > large else 0
            offset, start, header = member.offset - shift, starts[index] - shift, headers[index]
            # A date of four bytes, which means nothing, and a checksum.
            holes.append((offset + 10, 8))
            checksums.append((offset + 14, 4))
            if index == large:
                holes.append((start, header.start))
            else:
                holes.append((start + header.start, header.length))
                contents.append((start, member.size))
        sizes: Spans = []
        entry = start_of_entries = self.fixed - END.size - sum(map(_entry_length, members))
        for index, member in enumerate(members):
            holes.append((entry + 12, 8))
            checksums.append((entry + 16, 4))
            if index == large:
                self.growing += [(entry + 20, "<L"), (entry + 24, "<L")]
            else:
                sizes.append((entry + 24 - start_of_entries, 4))
                self.growing += [(entry + 42, "<L")] if index > large else []
            entry += _entry_length(member)
        self.growing.append((entry + 16, "<L"))
        ends = [0, *(start + length for start, length in holes)]
        between = [(end, start - end) for end, (start, _length) in zip(ends, [*holes, (self.fixed, 0)])]
        self.pieces, self.checksums, self.contents = _reader(between, "{}s"), _reader(checksums, "L"), _reader(contents, "{}s")
        self.sizes, self.span = tuple(sizes), self.fixed - start_of_entries
        self.count = len(members)
        order = sorted(range(self.count), key=lambda index: members[index].raw_name)
        self.sort = operator.itemgetter(*order) if self.count > 1 else tuple
        self.pack = struct.Struct(f"<{self.count}L").pack
        self.outcomes: Dict[ArraySpec, Dict[bytes, Optional[_Outcome]]] = {}

    def match(self, head: bytes, tail: bytes, outcome: _Outcome) -> Optional[Found]:
        """What the archive is, if it has this layout with data as long as the outcome says."""
        frame = head[: self.data_at] + tail[self.after_data :]
        if self.pieces(frame) != outcome.pieces:
            return None
        checksums, count, large = self.checksums(frame), self.count, self.large
        # Those before the members, then those in the directory.
        crcs = checksums[count:]
        if checksums[:count] != crcs or tuple(map(crc32, self.contents(frame))) != crcs[:large] + crcs[large + 1 :]:
            return None
        identity = short_digest(outcome.described + self.pack(*self.sort(crcs)))
        return Found(outcome.mismatch, identity, self.header_at, self.data_at - self.header_at + outcome.length, crcs[large])

    def foresee(self, raw: bytes, arrays: ArraySpec) -> Optional[_Outcome]:
        """The outcome for a large array with this header; None: the archive has to be read."""
        try:
            header = npy.parse_header(raw)
        except damage.NotAFeature:
            return None
        known = self.headers[self.large]
        size = header.start + header.length
        if not header.as_written or header.dtype.objects or header.start != known.start or size <= SMALL:
            return None
        headers = {array_name(member.name): one for member, one in zip(self.members, self.headers)}
        headers[array_name(self.members[self.large].name)] = header
        sizes = [(member.raw_name, member.size) for member in self.members]
        sizes[self.large] = (self.members[self.large].raw_name, size)
        frame = bytearray(self.frame)
        try:
            for position, form in self.growing:
                struct.pack_into(form, frame, position, struct.unpack_from(form, frame, position)[0] + header.length - known.length)
            pieces = self.pieces(frame)
        except struct.error:  # more than the numbers hold: the archive would look different
            return None
        return _Outcome(header.length, arrays.mismatch(headers), pieces, describe(sizes))


def array_name(member_name: str) -> str:
    """The name under which numpy shows a member."""
    return member_name[:-4] if member_name.endswith(".npy") else member_name


def describe(sizes: Sequence[Tuple[bytes, int]]) -> bytes:
    """What an identity is made of, but for the checksums: raw names and sizes, sorted by name."""
    ordered = sorted(sizes)
    return b"\0".join(name for name, _size in ordered) + struct.pack(
        f"<2x{len(ordered)}Q", *[size for _name, size in ordered]
    )


def _entry_length(member: Member) -> int:
    return ENTRY.size + len(member.raw_name)


def _size_fields(reader: Reader, member: Member) -> List[Tuple[int, str]]:
    """Where the header before a member gives its sizes, as (position, form); none where it gives others.

    zipfile has written them in the header, in its zip64 field, and in both.
    """
    narrow = reader.read(member.offset + 18, 8)
    extra_at = member.offset + LOCAL.size + len(member.raw_name)
    wide = reader.read(extra_at, 20) == _ZIP64_SIZES + struct.pack("<QQ", member.size, member.size)
    fields = [(extra_at + 4, "<Q"), (extra_at + 12, "<Q")] if wide else []
    if narrow == struct.pack("<LL", member.size, member.size):
        return [(member.offset + 18, "<L"), (member.offset + 22, "<L"), *fields]
    return fields if narrow == b"\xff" * 8 else []


class _Family(NamedTuple):
    """Layouts with one structure of the directory, which is that long, by the sizes of their small members."""

    places: Tuple[Tuple[int, int], ...]
    span: int
    sizes: Callable[..., Tuple[Any, ...]]
    layouts: Dict[Tuple[Any, ...], _Layout]


class Layouts:
    """The layouts learned so far. Threads may share them: every change is a single assignment."""

    def __init__(self) -> None:
        self._families: Dict[bytes, List[_Family]] = {}
        self._count = 0

    def recognise(self, head: bytes, tail: bytes, size: int, arrays: ArraySpec) -> Optional[Found]:
        """The outcome for an archive with a known layout, None for any other file."""
        families = self._families.get(tail[-22:-6])
        if families is None or size >= _FULL4:
            return None
        for family in families:
            layout = (
                family.layouts.get(family.sizes(tail, len(tail) - family.span)) if len(tail) >= family.span else None
            )
            if layout is None:
                continue
            raw = head[layout.header_at : layout.data_at]
            try:
                outcome = layout.outcomes[arrays][raw]
            except KeyError:
                outcome = layout.foresee(raw, arrays)
                self._make_room()
                layout.outcomes.setdefault(arrays, {})[raw] = outcome
            if outcome is not None and outcome.length == size - layout.fixed:
                found = layout.match(head, tail, outcome)
                if found is not None:
                    return found
        return None

    def _make_room(self) -> None:
        """Forgets everything rather than growing with what hostile files pretend."""
        self._count += 1
        if self._count > _MAX_REMEMBERED:
            self._families, self._count = {}, 0

    def learn(self, archive: Archive, headers: Sequence[Optional[Header]]) -> None:
        """Remember the layout of an archive whose arrays are intact, if it is a plain one."""
        reader, members = archive.reader, archive.members
        if any(member.method != STORED or member.flags & 8 for member in members):
            return
        known = [header for header in headers if header is not None]
        starts = [start for start in map(archive.data_start, members) if start is not None]
        large = [index for index, member in enumerate(members) if member.size > SMALL]
        if not len(known) == len(starts) == len(members) or len(large) != 1 or not _is_plain(reader, members, starts, large[0]):
            return
        header = known[large[0]]
        before_data = starts[large[0]] + header.start
        if not header.as_written or before_data > HEAD_SIZE or reader.size - before_data - header.length > TAIL_SIZE:
            return
        layout = _Layout(reader, members, starts, known, large[0])
        self._make_room()
        families = self._families.setdefault(reader.tail[-22:-6], [])
        family = next((one for one in families if one.places == layout.sizes), None)
        if family is None:
            family = _Family(layout.sizes, layout.span, _reader(list(layout.sizes), "L"), {})
            families.append(family)
        family.layouts[family.sizes(reader.tail, len(reader.tail) - family.span)] = layout


def _is_plain(reader: Reader, members: Sequence[Member], starts: Sequence[int], large: int) -> bool:
    """True if the archive has nothing but what a layout compares: stored arrays in order and without gaps, no zip64 directory."""
    if reader.size >= _FULL4:
        return False
    ends = [0, *(start + member.size for start, member in zip(starts, members))]
    if [member.offset for member in members] != ends[:-1]:
        return False
    # Extra fields, comments and zip64 records would make the directory longer than its names.
    if ends[-1] + sum(_entry_length(member) for member in members) + END.size != reader.size:
        return False
    return bool(_size_fields(reader, members[large]))
