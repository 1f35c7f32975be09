# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HDF5: the superblock, of versions 0 to 3, and in full what the library reads to open the root group.

The superblock says where the file ends. Versions 2 and 3 have a checksum, as have their object headers; what lies
deeper than the root group is not looked at.
"""

from __future__ import annotations

import struct
from typing import List, NamedTuple, Tuple

from . import damage, interface
from . import zip_central_directory as central

KIND = interface.Kind("hdf5", "an HDF5 file", (".h5", ".hdf5", ".he5"), False)

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# A block of the user's may stand before it; larger ones are not searched.
_PLACES = (0, 512, 1024, 2048)
_SUPERBLOCK = 128
_MAX_HEADER = 1 << 20
_MAX_CHUNKS = 1024
# The type of a message that says where a header goes on.
_CONTINUED = 0x10
_ROTATED = 0xFFFFFFFF


class _Superblock(NamedTuple):
    """base: what addresses count from; end: of the file; offset, length: bytes of an address and of a length; ranks: entries
    of a B-tree's nodes; extension: where more is said, if anywhere."""

    base: int
    end: int
    offset: int
    length: int
    root: int
    ranks: Tuple[int, int]
    extension: int


def _begins(reader: central.Reader) -> bool:
    return reader.head.startswith(SIGNATURE) or _place(reader) > 0


def _place(reader: central.Reader) -> int:
    for place in _PLACES:
        if place + len(SIGNATURE) > reader.size:
            break
        if reader.read(place, len(SIGNATURE)) == SIGNATURE:
            return place
    return -1


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    place = _place(reader)
    # Of a file that ends earlier the end's address tells.
    raw = reader.read(place, min(_SUPERBLOCK, reader.size - place)).ljust(_SUPERBLOCK, b"\0")
    try:
        superblock = _superblock(raw, place, reader.size)
        if criteria.full:
            _check_root(reader, superblock)
    except struct.error:
        raise damage.Damaged("is truncated (in a header)") from None
    if criteria.arrays.asked:
        raise interface.refuse_arrays(KIND)
    return interface.Content(KIND)


def _superblock(raw: bytes, place: int, size: int) -> _Superblock:
    version = raw[8]
    if version in (0, 1):
        _versions(raw)
        offset, length = raw[13], raw[14]
        ranks = struct.unpack_from("<HH", raw, 16)
        at = 24 if version == 0 else 28
    elif version in (2, 3):
        offset, length, ranks, at = raw[9], raw[10], (0, 0), 12
    else:
        raise damage.Damaged("has a superblock of an unknown version")
    if offset not in (2, 4, 8) or length not in (2, 4, 8):
        raise damage.Damaged("has a broken superblock (sizes of its addresses)")
    base, extension, end, last = [_number(raw, at + index * offset, offset) for index in range(4)]
    nowhere = (1 << 8 * offset) - 1
    root = last
    if version >= 2:
        (found,) = struct.unpack_from("<L", raw, at + 4 * offset)
        if found != checksum(raw[: at + 4 * offset]):
            raise damage.Damaged("has a superblock with a wrong checksum")
        if version == 3 and raw[11] & 5:
            raise damage.Damaged("was not closed by its writer, or is being written")
        if raw[11] & ~5:
            raise damage.Damaged("has a broken superblock (its flags)")
    else:
        if not all(ranks) or any(raw[20:24]) or extension != nowhere:
            raise damage.Damaged("has a broken superblock (its flags)")
        if last != nowhere:
            raise damage.Foreign("is an HDF5 file spread over several files, which is not read here")
        root, (cached,) = _number(raw, at + 5 * offset, offset), struct.unpack_from("<L", raw, at + 6 * offset)
        if cached > 2:
            raise damage.Damaged("has a broken superblock (its root group)")
    if base != place:
        raise damage.Damaged("has a broken superblock (it lies elsewhere than it says)")
    # The end counts from the file's start, every other address from the base.
    if end > size or base + root >= end:
        raise damage.Damaged(f"is truncated ({size} bytes where its superblock announces {end})")
    if version >= 2 and extension not in (nowhere, 0) and base + extension >= end:
        raise damage.Damaged("has a broken superblock (its extension)")
    return _Superblock(base, end, offset, length, root, (ranks[0], ranks[1]), extension if version >= 2 else nowhere)


def _versions(raw: bytes) -> None:
    if raw[9] or raw[10] or raw[12]:
        raise damage.Damaged("has a broken superblock (its versions)")


def _number(raw: bytes, at: int, width: int) -> int:
    if at + width > len(raw):
        raise damage.Damaged("is truncated (in a header)")
    return int.from_bytes(raw[at : at + width], "little")


# What the library reads to open the root group


def _at(reader: central.Reader, block: _Superblock, address: int, length: int) -> bytes:
    if length > _MAX_HEADER or block.base + address + length > block.end:
        raise damage.Damaged("has a root group that lies outside the file")
    return reader.read(block.base + address, length)


def _check_root(reader: central.Reader, block: _Superblock) -> None:
    if block.extension != _nowhere(block):
        _check_modern_header(reader, block, block.extension)
    if _at(reader, block, block.root, 4) == b"OHDR":
        _check_modern_header(reader, block, block.root)
        return
    tables = [body for kind, body in _old_messages(reader, block) if kind == 0x11]
    if not tables:
        raise damage.Damaged("has a root group without members")
    _check_symbols(reader, block, _number(tables[0], 0, block.offset), _number(tables[0], block.offset, block.offset))


def _nowhere(block: _Superblock) -> int:
    return (1 << 8 * block.offset) - 1


def _old_messages(reader: central.Reader, block: _Superblock) -> List[Tuple[int, bytes]]:
    """Type and content of each message of an object header without checksums."""
    version, reserved, count, links, size = struct.unpack("<BBHLL", _at(reader, block, block.root, 12))
    if version != 1 or reserved or not links:
        raise damage.Damaged("has a root group that does not begin as one")
    messages: List[Tuple[int, bytes]] = []
    chunks = [(block.root + 16, size)]
    number = 0
    while number < len(chunks):  # it grows on the way
        start, length = chunks[number]
        number += 1
        raw, position = _at(reader, block, start, length), 0
        while position + 8 <= length:
            kind, width, flags = struct.unpack_from("<HHB3x", raw, position)
            body = raw[position + 8 : position + 8 + width]
            if len(body) != width or width % 8 or flags & 0x80 or (flags & 0x30 and kind > 0x18):
                raise damage.Damaged("has a root group with a broken message")
            position += 8 + width
            messages.append((kind, body))
            if kind == _CONTINUED:
                chunks.append(_continued(block, body, len(chunks)))
        if position != length:
            raise damage.Damaged("has a root group with a broken message")
    if len(messages) != count:
        raise damage.Damaged("has a root group with another number of messages than announced")
    return messages


def _continued(block: _Superblock, body: bytes, chunks: int) -> Tuple[int, int]:
    """Where a header goes on."""
    if chunks > _MAX_CHUNKS:
        raise damage.Damaged("has a root group in too many parts")
    return _number(body, 0, block.offset), _number(body, block.offset, block.length)


def _check_symbols(reader: central.Reader, block: _Superblock, tree: int, heap: int) -> None:
    """The tree and the heap that hold the members' names."""
    node = struct.unpack("<4sBBH", _at(reader, block, tree, 8))
    if node[0] != b"TREE" or node[1] != 0 or node[3] > 2 * block.ranks[1]:
        raise damage.Damaged("has a root group whose tree does not begin as one")
    head = _at(reader, block, heap, 8 + 2 * block.length + block.offset)
    size, free = _number(head, 8, block.length), _number(head, 8 + block.length, block.length)
    data = _number(head, 8 + 2 * block.length, block.offset)
    if head[:5] != b"HEAP\0" or block.base + data + size > block.end:
        raise damage.Damaged("has a root group whose names do not begin as such")
    if free not in (1, (1 << 8 * block.length) - 1) and free + 2 * block.length > size:
        raise damage.Damaged("has a root group whose names are broken")


def _check_modern_header(reader: central.Reader, block: _Superblock, address: int) -> None:
    """An object header with checksums, in all the parts that it has."""
    signature, version, flags = struct.unpack("<4sBB", _at(reader, block, address, 6))
    if signature != b"OHDR" or version != 2 or flags & 0xC0:
        raise damage.Damaged("has a root group that does not begin as one")
    position = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = _number(_at(reader, block, address + position, width), 0, width)
    before = 6 if flags & 4 else 4
    # Each part: where it begins, what precedes its messages, and its length, which ends in a checksum.
    parts = [(address, position + width, position + width + size + 4)]
    number = 0
    while number < len(parts):  # it grows on the way
        start, at, length = parts[number]
        number += 1
        raw = _at(reader, block, start, length)
        end = length - 4
        if end < at or struct.unpack_from("<L", raw, end)[0] != checksum(raw[:end]):
            raise damage.Damaged("has a root group with a wrong checksum")
        if at == 4 and raw[:4] != b"OCHK":
            raise damage.Damaged("has a root group whose parts do not begin as such")
        while at + before <= end:
            kind, span = struct.unpack_from("<BH", raw, at)
            at += before + span
            if at > end:
                raise damage.Damaged("has a root group with a broken message")
            if kind == _CONTINUED:
                where, more = _continued(block, raw[at - span : at], len(parts))
                parts.append((where, 4, more))


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & _ROTATED


def checksum(raw: bytes) -> int:
    """Bob Jenkins's lookup3 (hashlittle, initial value 0), as HDF5 uses it."""
    a = b = c = (0xDEADBEEF + len(raw)) & _ROTATED
    position = 0
    while len(raw) - position > 12:
        x, y, z = struct.unpack_from("<LLL", raw, position)
        a, b, c = a + x & _ROTATED, b + y & _ROTATED, c + z & _ROTATED
        a = a - c & _ROTATED ^ _rotate(c, 4)
        c = c + b & _ROTATED
        b = b - a & _ROTATED ^ _rotate(a, 6)
        a = a + c & _ROTATED
        c = c - b & _ROTATED ^ _rotate(b, 8)
        b = b + a & _ROTATED
        a = a - c & _ROTATED ^ _rotate(c, 16)
        c = c + b & _ROTATED
        b = b - a & _ROTATED ^ _rotate(a, 19)
        a = a + c & _ROTATED
        c = c - b & _ROTATED ^ _rotate(b, 4)
        b = b + a & _ROTATED
        position += 12
    rest = raw[position:]
    if not rest:
        return int(c)
    x, y, z = struct.unpack("<LLL", rest.ljust(12, b"\0"))
    a, b, c = a + x & _ROTATED, b + y & _ROTATED, c + z & _ROTATED
    for first, second, by in ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)):
        values = [a, b, c]
        values[first] = (values[first] ^ values[second]) - _rotate(values[second], by) & _ROTATED
        a, b, c = values
    return int(c)


FORMAT = interface.Format((KIND,), _begins, _read)
