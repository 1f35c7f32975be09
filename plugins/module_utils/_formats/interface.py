# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of a format: how a file of it begins, and what can be read of it.

A format reads through a Reader, whose budget bounds its work whatever the file says, never unpickles or executes anything, and
returns Content or raises one of damage's answers. Damaged is only for what the frame proves (length, checksum, end mark) or
the format's own reader in the standard library refuses.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Callable, Mapping, NamedTuple, Optional, Tuple

from . import damage, dtypes
from .reader import Reader


class ArrayHeader(NamedTuple):
    """What precedes an array's data.

    start: bytes before the data; length: bytes of the data; as_written: numpy would write exactly this text,
    so that a changed byte would show.
    """

    dtype: dtypes.DType
    shape: Tuple[int, ...]
    start: int
    length: int
    as_written: bool


class Kind(NamedTuple):
    """A kind of file. name: for facts; label: "a ..." for messages; suffixes: names that promise it, in lower case;
    tells_arrays: a set can ask for arrays in it."""

    name: str
    label: str
    suffixes: Tuple[str, ...]
    tells_arrays: bool


class Content(NamedTuple):
    """What was read of an intact file.

    arrays: by name; single: the one array of a file whose array has no name; identity: see Classification, None if the
    bytes have to decide which files are the same.
    """

    kind: Kind
    arrays: Mapping[str, ArrayHeader] = {}
    single: Optional[ArrayHeader] = None
    identity: Optional[bytes] = None


class Criteria(NamedTuple):
    """What a set asks of a file. arrays: an ArraySpec; full: verify all that can be verified, whatever has to be read for it;
    opaque: accept any file."""

    arrays: Any
    full: bool = False
    opaque: bool = False


class Format(NamedTuple):
    """begins: whether a file begins as one of these kinds; read: its content."""

    kinds: Tuple[Kind, ...]
    begins: Callable[[Reader], bool]
    read: Callable[[Reader, Criteria], Content]


def short_digest(content: bytes) -> bytes:
    """SHA-256, cut to 16 bytes, of which identities are made: hosts in FIPS mode have it, and lack most other digests."""
    return sha256(content).digest()[:16]


def frame_only(kind: Kind, reader: Reader, criteria: Criteria) -> Content:
    """Return the content of a file whose frame is intact and whose arrays are not read here."""
    if criteria.arrays.asked:
        raise damage.Foreign(f"is {kind.label}, whose arrays are not read here: leave out 'arrays' for such files")
    if criteria.full:
        reader.read_everything()
    return Content(kind)
