# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data types of arrays: numpy's names and short forms of them, without numpy."""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Tuple

# The most bytes that one item may have, as numpy has it.
MAX_ITEM = 2**31 - 1
# The most dimensions that an array may have.
MAX_DIMENSIONS = 64


class DType(NamedTuple):
    """A data type. text: numpy's short form, as in C(<f4); itemsize: bytes; objects: needs a pickle."""

    text: str
    itemsize: int
    objects: bool

    def __str__(self) -> str:
        return dtype_name(self.text)


_SIZES: Dict[str, Tuple[int, ...]] = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 16),
    "c": (8, 16, 32),
    "M": (8,),
    "m": (8,),
}
_CHARACTER = {"S": 1, "U": 4, "V": 1}
_WORDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_DTYPE = re.compile(
    r"([<>|=]?)([biufcSUVMm])(0|[1-9]\d{0,9})(\[(?:[1-9]\d{0,5})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?\Z"
)

# Names of types as people write them: numpy's names and short forms in the order of little-endian machines.
DTYPE_NAMES: Dict[str, str] = {"bool": "|b1", "?": "|b1", "float": "<f8", "int": "<i8", "complex": "<c16"}
for _kind, _sizes in _SIZES.items():
    if _kind not in "bMm":
        for _size in _sizes:
            DTYPE_NAMES[f"{_WORDS[_kind]}{_size * 8}"] = ("|" if _size == 1 else "<") + _kind + str(_size)
_SHORT_NAMES = {text: name for name, text in DTYPE_NAMES.items() if name not in ("?", "float", "int", "complex")}


def dtype_name(text: str) -> str:
    """A type's name for people: C(float32) for C(<f4)."""
    if text in _SHORT_NAMES:
        return _SHORT_NAMES[text]
    swapped = "<" + text[1:]
    if text[:1] == ">" and swapped in _SHORT_NAMES:
        return "big-endian " + _SHORT_NAMES[swapped]
    return text


def parse_dtype(text: str) -> Optional[DType]:
    """The type that a short form such as C(<f4) names; None where it names none."""
    if text in ("|O", "O", "|O8", "<O", ">O"):
        return DType("|O", 8, True)
    match = _DTYPE.match(text)
    if match is None:
        return None
    order, kind, digits, unit = match.groups()
    size = int(digits)
    if kind in _CHARACTER:
        itemsize = size * _CHARACTER[kind]
        if itemsize > MAX_ITEM or unit:
            return None
    elif size not in _SIZES[kind] or (unit and kind not in "Mm"):
        return None
    else:
        itemsize = size
    if kind in "bSV" or (kind in "iu" and size == 1):
        order = "|"
    elif order in "|=":
        order = "<"
    return DType(order + kind + str(size) + (unit or ""), itemsize, False)


def shorten(text: str, limit: int = 60) -> str:
    """A text from a file as it may stand in a message: printable and not long."""
    printable = "".join(character if character.isprintable() else "?" for character in text[: limit + 1])
    return printable if len(text) <= limit else printable[: limit - 1] + "…"
