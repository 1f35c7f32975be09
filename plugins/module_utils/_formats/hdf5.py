# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HDF5 by its frame: the superblock, of versions 0 to 3, which says where the file ends.

Versions 2 and 3 have a checksum. In full, the root group's header is compared with its checksum where it has one.
"""

from __future__ import annotations

import struct

from . import damage, interface
from .reader import Reader

KIND = interface.Kind("hdf5", "an HDF5 file", (".h5", ".hdf5", ".he5"), False)

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = 128
_FIRST_PLACE = 512
_FULL4 = 0xFFFFFFFF
# Flags of version 3: open for writing, and for one writer beside readers.
_OPEN = 5


def _place(reader: Reader) -> int:
    """Where the superblock is: other content may precede it. -1: nowhere."""
    place = 0
    while place + len(SIGNATURE) <= reader.size:
        if reader.read(place, len(SIGNATURE)) == SIGNATURE:
            return place
        place = 2 * place or _FIRST_PLACE
    return -1


def _begins(reader: Reader) -> bool:
    return _place(reader) >= 0


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    place = _place(reader)
    raw = reader.read(place, min(_SUPERBLOCK, reader.size - place))
    try:
        root = _check_superblock(raw, place, reader.size)
    except struct.error:
        raise damage.Damaged("is truncated (in its superblock)") from None
    if criteria.full:
        _check_root(reader, root)
    return interface.frame_only(KIND, reader, criteria)


def _check_superblock(raw: bytes, place: int, size: int) -> int:
    """Return where the root group's header is. place: where the superblock is; size: of the file."""
    version = struct.unpack_from("<B", raw, 8)[0]
    if version not in (0, 1, 2, 3):
        raise damage.NotUnderstood(f"has a superblock of version {version}")
    width = struct.unpack_from("<B", raw, 13 if version < 2 else 9)[0]
    form = {2: "<4H", 4: "<4L", 8: "<4Q"}.get(width)
    if form is None:
        raise damage.NotUnderstood(f"has addresses of {width} bytes")
    at = (24, 28, 12, 12)[version]
    base, _extension, end, last = struct.unpack_from(form, raw, at)
    after = at + 4 * width
    root = last
    if version >= 2:
        if struct.unpack_from("<L", raw, after)[0] != checksum(raw[:after]):
            raise damage.Damaged("has a superblock with a wrong checksum")
        if version == 3 and raw[11] & _OPEN:
            raise damage.NotUnderstood("was not closed by its writer, or is being written ('h5clear -s' closes it)")
    else:
        if last != (1 << 8 * width) - 1:
            raise damage.NotUnderstood("has a description of its driver, as one of several files that belong together has")
        root = struct.unpack_from(form[0] + "2" + form[-1], raw, after)[1]
    # The library takes the place where it found the superblock for the base, whatever was put before it later.
    if end + place - base > size:
        raise damage.Damaged(f"is truncated ({size} bytes where its superblock announces {end + place - base})")
    return int(place + root)


def _check_root(reader: Reader, start: int) -> None:
    """Compare the first part of the root group's header with its checksum; headers before version 2 have none."""
    if start + 48 > reader.size or reader.read(start, 4) != b"OHDR":
        return
    flags = reader.read(start + 5, 1)[0]
    position = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(reader.read(start + position, width), "little")
    length = position + width + size
    if start + length + 4 > reader.size:
        raise damage.Damaged("is truncated (in its root group)")
    reader.step(length)
    raw = reader.read(start, length + 4)
    if struct.unpack_from("<L", raw, length)[0] != checksum(raw[:length]):
        raise damage.Damaged("has a root group with a wrong checksum")


def checksum(raw: bytes) -> int:
    """Bob Jenkins's lookup3 (hashlittle, initial value 0), as HDF5 uses it."""
    a = b = c = (0xDEADBEEF + len(raw)) & _FULL4
    last = max(0, len(raw) - 1) // 12 * 12
    # Each round mixes the next of the three, which change places instead.
    for x, y, z in struct.iter_unpack("<LLL", raw[:last]):
        a, b, c = a + x & _FULL4, b + y & _FULL4, c + z & _FULL4
        for by in (4, 6, 8, 16, 19, 4):
            a, b, c = b, c + b & _FULL4, a - c & _FULL4 ^ (c << by | c >> (32 - by)) & _FULL4
    if not raw:
        return int(c)
    x, y, z = struct.unpack("<LLL", raw[last:].ljust(12, b"\0"))
    a, b, c = a + x & _FULL4, b + y & _FULL4, c + z & _FULL4
    for by in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - (b << by | b >> (32 - by)) & _FULL4, a
    return int(b)


FORMAT = interface.Format((KIND,), _begins, _read)
