# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that look like one that was read before, recognised without reading them again field by field.

The features of one extractor differ in the length of one array, in checksums and in small data; all else, and
where it stands, is the same. A layout is learned from an archive that was read strictly. It compares everything
before the large array's data, and everything after them, as two long numbers: what may differ is masked out,
and what grows with the data (sizes, offsets) is a multiple of their length. So a match says what the strict
reading would have said, field for field; anything else is left to it.
"""

from __future__ import annotations

import hashlib
import operator
import struct
import zlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .array_spec import ArraySpec
from .npy_header import ArrayHeader, Damaged, parse_header
from .zip_directory import CENTRAL, END, HEAD_SIZE, LOCAL, STORED, TAIL_SIZE, Member, Reader

# Members up to this size are always read whole and compared with their checksum.
SMALL = 1024

_MAX_LAYOUTS = 512
_MAX_OUTCOMES = 4096
_FULL4 = 0xFFFFFFFF
_ZIP64_SIZES = struct.pack("<HH", 1, 16)

# What a match gives: why the arrays are not those asked for (empty: they are), and the identity.
Found = Tuple[str, bytes]


class _Part:
    """The fixed bytes before, or after, the large array's data, with what may differ in them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.mask = bytearray(b"\xff" * len(raw))
        self.factor = 0
        self.checksums: List[int] = []

    def hide(self, start: int, length: int) -> None:
        self.mask[start : start + length] = bytes(length)

    def grows(self, position: int) -> None:
        """The number at this position is a constant plus the length of the large array's data."""
        self.factor += 1 << (8 * position)

    def checksum(self, position: int) -> None:
        self.hide(position, 4)
        self.checksums.append(position)

    def number(self, length: int) -> Tuple[int, int, int]:
        """Mask, value and factor for data of no length."""
        mask = int.from_bytes(self.mask, "little")
        return mask, (int.from_bytes(self.raw, "little") & mask) - length * self.factor, self.factor

    def picker(self) -> Callable[..., Tuple[Any, ...]]:
        return _picker(self.checksums)


def _picker(positions: Sequence[int]) -> Callable[..., Tuple[Any, ...]]:
    """Reads the four-byte numbers at these positions, given in rising order."""
    form, end = "<", 0
    for position in positions:
        form += f"{position - end}xL"
        end = position + 4
    return struct.Struct(form).unpack_from


class _Layout:
    """One arrangement of an archive in which only one array is large."""

    def __init__(
        self,
        reader: Reader,
        members: Sequence[Member],
        starts: Sequence[int],
        headers: Sequence[ArrayHeader],
        large: int,
    ) -> None:
        header = headers[large]
        data_start = starts[large] + header.start
        data_end = data_start + header.length
        self.fixed = reader.size - header.length
        self.least = SMALL - header.start
        self.head_length = data_start
        self.tail_length = reader.size - data_end
        self.header_at = starts[large]
        head = _Part(reader.read(0, data_start))
        tail = _Part(reader.read(data_end, self.tail_length))
        self.head_contents: List[Tuple[int, int, int]] = []
        self.tail_contents: List[Tuple[int, int, int]] = []
        for index, member in enumerate(members):
            start, end = starts[index], starts[index] + member.size
            if index < large:
                self._local(head, member, 0)
                head.hide(start + headers[index].start, headers[index].length)
                self.head_contents.append((start, end, index))
            elif index > large:
                self._local(tail, member, data_end)
                tail.hide(start + headers[index].start - data_end, headers[index].length)
                self.tail_contents.append((start - data_end, end - data_end, index))
            else:
                self._local(head, member, 0)
                _growing_sizes(head, member)
                head.hide(start, header.start)
        directory = self.tail_length - END.size - sum(_entry_length(member) for member in members)
        position = directory
        for index, member in enumerate(members):
            tail.hide(position + 12, 4)  # the date
            tail.checksum(position + 16)
            if index == large:
                tail.grows(position + 20)
                tail.grows(position + 24)
            elif index > large:
                tail.grows(position + 42)
            position += _entry_length(member)
        tail.grows(position + 16)
        self.head_mask, self.head_value, self.head_factor = head.number(header.length)
        self.tail_mask, self.tail_value, self.tail_factor = tail.number(header.length)
        self.head_checksums = head.picker()
        self.tail_checksums = tail.picker()
        self.after = len(members) - large - 1
        self._prepare_identity(members, large, header)
        self.large = members[large].name[:-4] if members[large].name.endswith(".npy") else members[large].name
        self.small = {
            member.name[:-4] if member.name.endswith(".npy") else member.name: headers[index]
            for index, member in enumerate(members)
            if index != large
        }
        self.outcomes: Dict[ArraySpec, Dict[bytes, Tuple[int, str]]] = {}

    @staticmethod
    def _local(part: _Part, member: Member, base: int) -> None:
        part.hide(member.offset - base + 10, 4)  # the date
        part.checksum(member.offset - base + 14)

    def _prepare_identity(self, members: Sequence[Member], large: int, header: ArrayHeader) -> None:
        order = sorted(range(len(members)), key=lambda index: members[index].raw_name)
        place = order.index(large)
        sizes = [struct.pack("<Q", members[index].size) for index in order]
        self.before_size = b"\0".join(members[index].raw_name for index in order) + b"\0\0" + b"".join(sizes[:place])
        self.after_size = b"".join(sizes[place + 1 :])
        self.header_length = header.start
        self.sorted_checksums = operator.itemgetter(*order) if len(order) > 1 else None
        self.pack = struct.Struct(f"<{len(members)}L").pack

    def match(self, head: bytes, tail: bytes, size: int, arrays: ArraySpec) -> Optional[Found]:
        """What the archive is, if it has this layout."""
        length = size - self.fixed
        if length <= self.least:
            return None
        raw = head[self.header_at : self.head_length]
        try:
            expected, mismatch = self.outcomes[arrays][raw]
        except KeyError:
            expected, mismatch = self._outcome(raw, arrays)
        if expected != length:
            return None
        tail = tail[-self.tail_length :]
        if int.from_bytes(tail, "little") & self.tail_mask != self.tail_value + length * self.tail_factor:
            return None
        head_number = int.from_bytes(head[: self.head_length], "little") & self.head_mask
        if head_number != self.head_value + length * self.head_factor:
            return None
        checksums = self.tail_checksums(tail)
        after = self.after
        crcs = checksums[after:]
        if self.head_checksums(head) + checksums[:after] != crcs:
            return None
        for start, end, index in self.tail_contents:
            if zlib.crc32(tail[start:end]) != crcs[index]:
                return None
        for start, end, index in self.head_contents:
            if zlib.crc32(head[start:end]) != crcs[index]:
                return None
        if self.sorted_checksums is not None:
            crcs = self.sorted_checksums(crcs)
        packed = (
            self.before_size + (self.header_length + length).to_bytes(8, "little") + self.after_size + self.pack(*crcs)
        )
        return mismatch, hashlib.blake2b(packed, digest_size=16).digest()

    def _outcome(self, raw: bytes, arrays: ArraySpec) -> Tuple[int, str]:
        """Length of data under this header (-1: leave it to the strict reading), and the mismatch."""
        try:
            header = parse_header(raw)
        except Damaged:
            return -1, ""
        if not header.as_written or header.dtype.objects or header.start != self.header_length:
            return -1, ""
        outcome = (header.length, arrays.mismatch(dict(self.small, **{self.large: header})))
        known = self.outcomes.setdefault(arrays, {})
        if len(known) >= _MAX_OUTCOMES:
            known.clear()
        known[raw] = outcome
        return outcome


def _entry_length(member: Member) -> int:
    return CENTRAL.size + len(member.raw_name)


def _growing_sizes(part: _Part, member: Member) -> None:
    if part.raw[member.offset + 18 : member.offset + 26] == b"\xff" * 8:
        at = member.offset + LOCAL.size + len(member.raw_name) + 4
        part.grows(at)
        part.grows(at + 8)
    else:
        part.grows(member.offset + 18)
        part.grows(member.offset + 22)


class _Family:
    """Layouts with one directory structure, by the sizes of their small members."""

    def __init__(self, positions: Sequence[int], span: int) -> None:
        self.positions = tuple(positions)
        self.sizes = _picker(positions)
        self.span = span
        self.layouts: Dict[Tuple[Any, ...], _Layout] = {}


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
            layout = family.layouts.get(family.sizes(tail, len(tail) - family.span))
            if layout is not None:
                found = layout.match(head, tail, size, arrays)
                if found is not None:
                    return found
        return None

    def learn(
        self, reader: Reader, members: Sequence[Member], starts: Sequence[int], headers: Sequence[Optional[ArrayHeader]]
    ) -> None:
        """Remembers the layout of an archive that was read strictly and found intact, if it is a plain one."""
        known = [header for header in headers if header is not None]
        large = [index for index, member in enumerate(members) if member.size > SMALL]
        if len(known) != len(members) or len(large) != 1 or not _is_plain(reader, members, starts, large[0]):
            return
        header = known[large[0]]
        before_data = starts[large[0]] + header.start
        if not header.as_written or before_data > HEAD_SIZE or reader.size - before_data - header.length > TAIL_SIZE:
            return
        layout = _Layout(reader, members, starts, known, large[0])
        positions, position = [], 0
        for index, member in enumerate(members):
            if index != large[0]:
                positions.append(position + 24)
            position += _entry_length(member)
        self._remember(reader.tail, layout, positions, position + END.size)

    def _remember(self, tail: bytes, layout: _Layout, positions: Sequence[int], span: int) -> None:
        if self._count >= _MAX_LAYOUTS:
            self._families, self._count = {}, 0
        families = self._families.setdefault(tail[-22:-6], [])
        for family in families:
            if family.positions == tuple(positions):
                break
        else:
            family = _Family(positions, span)
            families.append(family)
        family.layouts[family.sizes(tail, len(tail) - span)] = layout
        self._count += 1


def _is_plain(reader: Reader, members: Sequence[Member], starts: Sequence[int], large: int) -> bool:
    """Whether the archive has nothing but what a layout compares: stored arrays in order, no zip64 directory."""
    if reader.size >= _FULL4 or any(member.method != STORED or member.flags & 8 for member in members):
        return False
    if any(first.offset > second.offset for first, second in zip(members, members[1:])):
        return False
    last = max(range(len(members)), key=lambda index: members[index].offset)
    directory_start = starts[last] + members[last].size
    # Extra fields, comments and zip64 records would make the directory longer than its names.
    if directory_start + sum(_entry_length(member) for member in members) + END.size != reader.size:
        return False
    one = members[large]
    sizes = reader.read(one.offset + 18, 8)
    if sizes == b"\xff" * 8:
        extra = one.offset + LOCAL.size + len(one.raw_name)
        return starts[large] >= extra + 20 and reader.read(extra, 4) == _ZIP64_SIZES
    return sizes == struct.pack("<LL", one.size, one.size)
