# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this file a feature, and which one?

Decided from an archive's directory and its arrays' headers; data are read only if that is nearly free (small
arrays) or asked for (full). Nothing is ever unpickled. What is called a feature here, the format's own library loads; what is
called damaged, it refuses. The exception to the first, in a quick inspection, is a large array whose data were changed in place;
docs/formats.md has the table.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from typing import NamedTuple, Optional, Sequence

from . import damage, dtypes, interface, npz, reader, registry, tar, zip_archive
from .arrays import ArraySpec
from .reader import HEAD_SIZE, TAIL_SIZE

FEATURE, OTHER, DAMAGED, NOT_UNDERSTOOD = "feature", "other", "damaged", "not understood"

_KINDS = {damage.Foreign: OTHER, damage.Damaged: DAMAGED, damage.NotUnderstood: NOT_UNDERSTOOD}


class Classification(NamedTuple):
    """What a file is.

    kind: FEATURE, OTHER (intact, other arrays), DAMAGED or NOT_UNDERSTOOD (it may be a feature); reason: completes "the file ...",
    empty for a feature; identity: 16 bytes, equal if names, sizes and checksums of all arrays are; None if the format has none.
    """

    kind: str
    reason: str
    identity: Optional[bytes]


OBJECTS = "holds Python objects, which only a pickle can load"


def classify_file(fd: int, info: os.stat_result, name: str, criteria: interface.Criteria) -> Classification:
    """Return the classification of an open regular file. info: of C(os.fstat).

    A file with holes (e.g. a download that was to be filled later) is verified in full. File systems that compress take up less
    than the size as well: there it only takes longer.
    """
    return classify(fd, info.st_size, name, *criteria, stored=info.st_blocks * 512)


def classify(
    fd: int, size: int, name: str, arrays: ArraySpec, full: bool = False, opaque: bool = False, stored: Optional[int] = None
) -> Classification:
    """Return the classification of an open regular file of C(size) bytes. Reading it may raise OSError.

    stored: bytes that it takes up on disk. Any other exception is an internal error and says nothing about the file: only what was
    understood to be wrong with its bytes becomes a classification.
    """
    if opaque:
        return Classification(FEATURE, "", None) if size else Classification(DAMAGED, "is empty", None)
    stored = size if stored is None else stored
    sparse = stored < size
    try:
        # Both reads are done here, and nothing is built around them, since every file costs this.
        large = size > TAIL_SIZE
        tail = os.pread(fd, TAIL_SIZE, size - TAIL_SIZE if large else 0)
        head = os.pread(fd, HEAD_SIZE, 0) if large else tail[:HEAD_SIZE]
        if len(tail) != (TAIL_SIZE if large else size) or (large and len(head) != HEAD_SIZE):
            head, tail = reader.read_ends(fd, size)
        found = npz.layouts.recognise(head, tail, size, arrays) if not full and name[-4:] == ".npz" else None
        if found is not None and not sparse:
            return Classification(OTHER if found.mismatch else FEATURE, found.mismatch, found.identity)
        with reader.Reader(fd, size, head, tail) as opened:
            if full or sparse:
                opened.allow_full(stored)
            # The large array of an archive with holes has to be what its checksum says.
            if found is not None and zip_archive.crc_with_holes(opened, found.start, found.size) == found.crc:
                return Classification(OTHER if found.mismatch else FEATURE, found.mismatch, found.identity)
            content = read_content(opened, name, interface.Criteria(arrays, full or sparse))
        mismatch = _mismatch(content, arrays)
        return Classification(OTHER if mismatch else FEATURE, mismatch, content.identity)
    except damage.NotAFeature as error:
        return Classification(_KINDS[type(error)], str(error), None)


def read_content(opened: reader.Reader, name: str, criteria: interface.Criteria) -> interface.Content:
    """Return what an intact file of a known kind holds; NotAFeature for any other. name: which may promise a kind."""
    if opened.size == 0:
        raise damage.Damaged("is empty")
    expected = registry.promised(name)
    known = registry.recognise(opened)
    if known is None:
        raise _unknown(opened, expected)
    content = known.read(opened, criteria)
    if expected and content.kind not in expected:
        raise damage.Foreign(f"is {content.kind.label}, and its name promises {expected[0].label}")
    return content


def _unknown(opened: reader.Reader, expected: Sequence[interface.Kind]) -> damage.NotAFeature:
    label = registry.name_unknown(opened.head)
    if label is not None:
        return damage.Foreign(label)
    if not expected:
        return damage.NotUnderstood("is of a kind that is not known here")
    if tar.KIND in expected and tar.is_empty(opened):
        return damage.Foreign("is a tar archive without files")
    if npz.ends_as_zip(opened) and any(kind in expected for kind in npz.FORMAT.kinds):
        return damage.NotUnderstood("is a zip archive behind other bytes")
    return damage.Damaged(f"is not {expected[0].label}, which its name promises")


def _mismatch(content: interface.Content, arrays: ArraySpec) -> str:
    """Return what keeps the content from being what is asked for; empty: nothing."""
    if content.single is not None:
        if content.single.dtype.objects:
            return OBJECTS
        return arrays.single_mismatch(content.single)
    counted = [one.name for one in arrays.asked] or list(content.arrays)
    for name in counted:
        if name in content.arrays and content.arrays[name].dtype.objects:
            return f"{OBJECTS} ({dtypes.shorten(name)})"
    return arrays.mismatch(content.arrays)


def content_digest(fd: int, name: str) -> bytes:
    """Return the SHA-256 of what an archive with an identity holds: names and contents of its members, however packed and ordered.

    Reads everything, in bounded memory. OSError if it cannot be read, or not in full.
    """
    try:
        info = os.fstat(fd)
        with reader.open_reader(fd, info.st_size) as opened:
            opened.allow_full(info.st_size)
            archive, digest = zip_archive.Archive(opened), hashlib.sha256()
            for part, member in sorted(npz.told_apart(archive.members)):
                digest.update(struct.pack("<LQ", len(part), member.size) + part)
                for piece in archive.pieces(member):
                    digest.update(piece)
            return digest.digest()
    except damage.NotAFeature as error:
        raise OSError(errno.EIO, f"the file {error}", name) from None


def file_digest(fd: int) -> bytes:
    """Return the SHA-256 of a file's bytes, read in bounded memory. OSError if it cannot be read."""
    digest, position = hashlib.sha256(), 0
    while True:
        piece = os.pread(fd, 1 << 20, position)
        if not piece:
            return digest.digest()
        digest.update(piece)
        position += len(piece)
