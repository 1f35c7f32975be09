# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this file a feature, and which one?

Told from an archive's directory and its arrays' headers; data are read only where that is nearly free (small
arrays) or where it is asked for (full). Nothing is ever unpickled. What is called a feature here, numpy loads.
The exception, in a quick look, is a large array whose data were changed in place; which includes, for an array of
which the set asks neither dtype nor shape, that it was made to look like other numbers of the same size.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from typing import Callable, Dict, NamedTuple, Optional, Sequence

from .arrays import ArraySpec
from .digest import short_digest
from .npy import LONGEST, MAGIC, PREFIX, ArrayHeader, Damaged, Foreign, header_start, parse_header, shorten
from .zip_directory import (
    HEAD_SIZE,
    TAIL_SIZE,
    Member,
    Reader,
    check_extents,
    check_method,
    make_reader,
    open_reader,
    read_all,
    read_directory,
    read_start,
)
from .zip_layout import SMALL, Layouts, array_name, describe

FEATURE, OTHER, DAMAGED = "feature", "other", "damaged"


class Classification(NamedTuple):
    """What a file is.

    kind: FEATURE, OTHER (intact, other arrays) or DAMAGED; reason: completes "the file ...", empty for a feature;
    identity: 16 bytes, equal where names, sizes and checksums of all arrays are; None where there are none.
    """

    kind: str
    reason: str
    identity: Optional[bytes]


# What a quick look at one file reads of arrays whose headers numpy did not write: a file may claim any size.
_QUICK_BYTES = 64 << 20

_layouts = Layouts()


def classify(fd: int, size: int, name: str, arrays: ArraySpec, full: bool = False) -> Classification:
    """The classification on an open regular file of C(size) bytes. Reading it may raise OSError.

    Any other exception is a fault of ours, and says nothing about the file: only what was understood to be wrong with its
    bytes (Damaged, Foreign) becomes a classification.
    """
    try:
        # Both reads are done here, and nothing is built around them, since this is what every file costs.
        tail = os.pread(fd, TAIL_SIZE, size - TAIL_SIZE if size > TAIL_SIZE else 0)
        head = os.pread(fd, HEAD_SIZE, 0) if size > TAIL_SIZE else tail[:HEAD_SIZE]
        if not full and name[-4:] != ".npy":
            found = _layouts.recognise(head, tail, size, arrays)
            if found is not None:
                return Classification(OTHER if found[0] else FEATURE, found[0], found[1])
        return _classify(make_reader(fd, size, head, tail), name, arrays, full)
    except Foreign as error:
        return Classification(OTHER, str(error), None)
    except Damaged as error:
        return Classification(DAMAGED, str(error), None)


def _classify(reader: Reader, name: str, arrays: ArraySpec, full: bool) -> Classification:
    if reader.size == 0:
        raise Damaged("is empty")
    if reader.head.startswith(MAGIC):
        return _classify_single(reader, name, arrays)
    if not reader.head.startswith((b"PK\3\4", b"PK\5\6")):
        raise Damaged("is not an archive")
    members, directory_start = read_directory(reader)
    starts = check_extents(reader, members, directory_start)
    headers = _headers(reader, members, starts, full)
    if name.endswith(".npy"):
        raise Foreign("is an archive, not the single array that its name promises")
    if not headers:
        raise Foreign("is an archive without arrays")
    for array, header in headers.items():
        if header.dtype.objects:
            raise Foreign(f"holds Python objects, which only a pickle can load ({shorten(array)})")
    mismatch = arrays.mismatch(headers)
    identity = identify(members)
    if not full:
        _layouts.learn(reader, members, starts, [headers.get(array_name(member.name)) for member in members])
    return Classification(OTHER if mismatch else FEATURE, mismatch, identity)


def _classify_single(reader: Reader, name: str, arrays: ArraySpec) -> Classification:
    header = _read_header(reader.head, lambda length: reader.read(0, length), reader.size)
    if name.endswith(".npz"):
        raise Foreign("is a single array, not the archive that its name promises")
    if header.dtype.objects:
        raise Foreign("holds Python objects, which only a pickle can load")
    if header.start + header.length != reader.size:
        raise Damaged(f"has {reader.size - header.start} bytes of data where its header announces {header.length}")
    mismatch = arrays.single_mismatch(header)
    return Classification(OTHER if mismatch else FEATURE, mismatch, None)


def _headers(reader: Reader, members: Sequence[Member], starts: Sequence[int], full: bool) -> Dict[str, ArrayHeader]:
    """The arrays in the archive, by name, each as trustworthy as the kind of look promises."""
    headers: Dict[str, ArrayHeader] = {}
    budget = _QUICK_BYTES
    for member, start in zip(members, starts):
        check_method(member)
        header = _member_header(reader, member, start)
        # A header that numpy did not write may be a changed one, which only the checksum can tell.
        doubtful = header is not None and not header.as_written and SMALL < member.size <= budget
        if full or doubtful:
            for _piece in read_all(reader, member, start):
                pass
            budget -= member.size
        if header is None:
            continue
        if array_name(member.name) in headers:
            raise Damaged(f"has two arrays of one name ({shorten(array_name(member.name))})")
        headers[array_name(member.name)] = header
    return headers


def _member_header(reader: Reader, member: Member, start: int) -> Optional[ArrayHeader]:
    small = member.size <= SMALL
    content = b"".join(read_all(reader, member, start)) if small else read_start(reader, member, start, SMALL)
    if not content.startswith(MAGIC):
        if member.name.endswith(".npy"):
            raise Damaged(f"has an array that does not begin as one ({shorten(member.name)})")
        return None  # numpy hands it out as bytes
    try:
        header = _read_header(content, lambda length: read_start(reader, member, start, length), member.size)
    except Damaged as error:
        raise type(error)(f"{error} in {shorten(member.name)}") from None
    if header.start + header.length != member.size and not header.dtype.objects:
        raise Damaged(
            f"has {member.size - header.start} bytes of data in {shorten(member.name)}"
            f" where its header announces {header.length}"
        )
    return header


def _read_header(content: bytes, read: Callable[[int], bytes], size: int) -> ArrayHeader:
    start = header_start(content[:PREFIX])
    if start > size:
        raise Damaged("ends in an array's header")
    return parse_header(content[:start] if start <= len(content) else read(min(start, LONGEST)))


def identify(members: Sequence[Member]) -> bytes:
    """The identity of an archive with these members."""
    crcs = [member.crc for member in sorted(members, key=lambda member: member.raw_name)]
    described = describe([(member.raw_name, member.size) for member in members])
    return short_digest(described + struct.pack(f"<{len(crcs)}L", *crcs))


def content_digest(fd: int, name: str) -> bytes:
    """SHA-256 of what a feature holds: the names and contents of its arrays, however packed and ordered.

    For a C(.npy) file, of the file. Reads everything, in bounded memory. OSError where it cannot be read or is damaged.
    """
    size = os.fstat(fd).st_size
    digest = hashlib.sha256()
    try:
        reader = open_reader(fd, size)
        if reader.head.startswith(MAGIC):
            for position in range(0, size, 1 << 20):
                digest.update(reader.read(position, min(1 << 20, size - position)))
            return digest.digest()
        members, directory_start = read_directory(reader)
        starts = check_extents(reader, members, directory_start)
        for member, start in sorted(zip(members, starts), key=lambda pair: pair[0].raw_name):
            digest.update(struct.pack("<LQ", len(member.raw_name), member.size) + member.raw_name)
            check_method(member)
            for piece in read_all(reader, member, start):
                digest.update(piece)
    except Damaged as error:
        raise OSError(errno.EIO, f"the file {error}", name) from None
    return digest.digest()
