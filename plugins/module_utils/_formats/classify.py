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
from typing import NamedTuple, Optional, Sequence

from . import damage, dtypes, interface, npz, registry, unknown, zip_layout, zip_members
from . import zip_central_directory as central
from .arrays import ArraySpec

FEATURE, OTHER, DAMAGED = "feature", "other", "damaged"


class Classification(NamedTuple):
    """What a file is.

    kind: FEATURE, OTHER (intact, other arrays) or DAMAGED; reason: completes "the file ...", empty for a feature;
    identity: 16 bytes, equal where names, sizes and checksums of all arrays are; None where there are none.
    """

    kind: str
    reason: str
    identity: Optional[bytes]


_OBJECTS = "holds Python objects, which only a pickle can load"


def classify_file(fd: int, info: os.stat_result, name: str, criteria: interface.Criteria) -> Classification:
    """The classification of an open regular file. info: of C(os.fstat).

    Of a file with holes, as a download leaves it that was to be filled later, checksums are compared before it is believed. (File
    systems that compress take up less than the size as well: there it is only the longer look.)
    """
    return classify(fd, info.st_size, name, *criteria, sparse=info.st_blocks * 512 < info.st_size)


def classify(
    fd: int, size: int, name: str, arrays: ArraySpec, full: bool = False, opaque: bool = False, sparse: bool = False
) -> Classification:
    """The classification of an open regular file of C(size) bytes. Reading it may raise OSError.

    Any other exception is a fault of ours, and says nothing about the file: only what was understood to be wrong with its
    bytes (Damaged, Foreign) becomes a classification.
    """
    if opaque:
        return Classification(FEATURE, "", None) if size else Classification(DAMAGED, "is empty", None)
    try:
        # Both reads are done here, and nothing is built around them, since this is what every file costs.
        tail = os.pread(fd, central.TAIL_SIZE, size - central.TAIL_SIZE if size > central.TAIL_SIZE else 0)
        head = os.pread(fd, central.HEAD_SIZE, 0) if size > central.TAIL_SIZE else tail[:central.HEAD_SIZE]
        if len(tail) != central.TAIL_SIZE or len(head) != central.HEAD_SIZE:
            tail = central.read_on(fd, tail, min(size, central.TAIL_SIZE), max(0, size - central.TAIL_SIZE))
            head = central.read_on(fd, head, central.HEAD_SIZE, 0) if size > central.TAIL_SIZE else tail[:central.HEAD_SIZE]
        if not full and name[-4:] == ".npz":
            found = npz.layouts.recognise(head, tail, size, arrays)
            if found is not None and not (sparse and _is_hollow(central.make_reader(fd, size, head, tail), found)):
                return Classification(OTHER if found.mismatch else FEATURE, found.mismatch, found.identity)
        criteria = interface.Criteria(arrays, full or sparse)
        content = read_content(central.make_reader(fd, size, head, tail), name, criteria)
        mismatch = _mismatch(content, arrays)
        return Classification(OTHER if mismatch else FEATURE, mismatch, content.identity)
    except damage.Foreign as error:
        return Classification(OTHER, str(error), None)
    except damage.Damaged as error:
        return Classification(DAMAGED, str(error), None)


def _is_hollow(reader: central.Reader, found: zip_layout.Found) -> bool:
    """Whether the large array of an archive with holes is not what its checksum says."""
    return zip_members.crc_with_holes(reader, found.start, found.size) != found.crc


def read_content(reader: central.Reader, name: str, criteria: interface.Criteria) -> interface.Content:
    """What an intact file of a known kind holds; Foreign or Damaged for any other. name: which may promise a kind."""
    if reader.size == 0:
        raise damage.Damaged("is empty")
    expected = registry.promised(name)
    known = registry.recognise(reader)
    if known is None:
        raise _unknown(reader, expected)
    content = known.read(reader, criteria)
    if expected and content.kind not in expected:
        raise damage.Foreign(f"is {content.kind.label}, and its name promises {expected[0].label}")
    return content


def _unknown(reader: central.Reader, expected: Sequence[interface.Kind]) -> damage.Damaged:
    label = unknown.name_unknown(reader.head)
    if label is not None:
        return damage.Foreign(label)
    if expected:
        return damage.Damaged(f"is not {expected[0].label}, which its name promises")
    return damage.Foreign("is of a kind that is not known here")


def _mismatch(content: interface.Content, arrays: ArraySpec) -> str:
    """What keeps the content from being what is asked for; empty: nothing."""
    if content.single is not None:
        if content.single.dtype.objects:
            return _OBJECTS
        return arrays.single_mismatch(content.single)
    counted = [one.name for one in arrays.asked] or list(content.arrays)
    for name in counted:
        if name in content.arrays and content.arrays[name].dtype.objects:
            return f"{_OBJECTS} ({dtypes.shorten(name)})"
    return arrays.mismatch(content.arrays)


def content_digest(fd: int, name: str) -> bytes:
    """SHA-256 of what an archive that has an identity holds: names and contents of its members, however packed and ordered.

    Reads everything, in bounded memory. OSError where it cannot be read or is damaged.
    """
    digest = hashlib.sha256()
    try:
        reader = central.open_reader(fd, os.fstat(fd).st_size)
        members, directory_start = central.read_directory(reader)
        starts = dict(zip(members, central.check_extents(reader, members, directory_start)))
        for part, member in sorted(npz.told_apart(members)):
            digest.update(struct.pack("<LQ", len(part), member.size) + part)
            zip_members.check_method(member)
            for piece in zip_members.read_all(reader, member, starts[member]):
                digest.update(piece)
    except damage.Damaged as error:
        raise OSError(errno.EIO, f"the file {error}", name) from None
    return digest.digest()


def file_digest(fd: int) -> bytes:
    """SHA-256 of a file's bytes, read in bounded memory. OSError where it cannot be read."""
    digest, position = hashlib.sha256(), 0
    while True:
        piece = os.pread(fd, 1 << 20, position)
        if not piece:
            return digest.digest()
        digest.update(piece)
        position += len(piece)
