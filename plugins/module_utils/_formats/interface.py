# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every format is made of: how a file of it begins, and what can be read of it.

A format reads a bounded part of a file whatever the file says, never unpickles or executes any of it, and ends in
Content, or in Damaged or Foreign with the end of a sentence that begins with "the file".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Optional, Tuple

from . import damage, dtypes

if TYPE_CHECKING:
    from . import zip_central_directory as central


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
    """A kind of file. name: for facts; label: "a ..." for sentences; suffixes: names that promise it, in small letters;
    tells_arrays: whether a set can ask for arrays in it."""

    name: str
    label: str
    suffixes: Tuple[str, ...]
    tells_arrays: bool


class Content(NamedTuple):
    """What was read of an intact file.

    arrays: by name; single: the one array of a file whose array has no name; identity: as of Classification, None where the
    bytes have to decide which files are the same.
    """

    kind: Kind
    arrays: Mapping[str, ArrayHeader] = {}
    single: Optional[ArrayHeader] = None
    identity: Optional[bytes] = None


class Criteria(NamedTuple):
    """What a set asks of a file. arrays: an ArraySpec; full: all that can be checked, whatever has to be read for it;
    opaque: any file will do."""

    arrays: Any
    full: bool = False
    opaque: bool = False


class Format(NamedTuple):
    """begins: whether a file begins as one of these kinds; read: its content."""

    kinds: Tuple[Kind, ...]
    begins: Callable[[central.Reader], bool]
    read: Callable[[central.Reader, Criteria], Content]


def refuse_arrays(kind: Kind) -> damage.Foreign:
    """The answer to a set that asks for arrays where they are not known."""
    return damage.Foreign(f"is {kind.label}, of which no arrays can be told: leave out 'arrays' for such files")
