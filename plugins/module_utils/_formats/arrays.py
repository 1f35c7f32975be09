# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a set asks of a file's arrays: the C(arrays) option, checked once and compared often."""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Optional, Tuple

from . import dtypes, interface

Shape = Tuple[Optional[int], ...]

# Types without a length match every length.
OPEN_NAMES = {"str": "<U", "U": "<U", "bytes": "|S", "S": "|S", "datetime64": "<M8", "timedelta64": "<m8"}
# Types that numpy has no name of its own for, and other formats have.
FURTHER_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")
_WHOLE = {text: name for name, text in OPEN_NAMES.items() if len(name) > 1}


class Asked(NamedTuple):
    """One array asked for. dtype: the short form, or the start of one (is_open); None: any. shape: None: any."""

    name: str
    dtype: Optional[str]
    is_open: bool
    shape: Optional[Shape]

    def accepts(self, header: interface.ArrayHeader) -> bool:
        """Whether an array with this header is the one asked for."""
        text = header.dtype.text
        if self.dtype is not None and not (text.startswith(self.dtype) if self.is_open else text == self.dtype):
            return False
        if self.shape is None:
            return True
        if len(self.shape) != len(header.shape):
            return False
        return all(wanted is None or wanted == found for wanted, found in zip(self.shape, header.shape))

    def __str__(self) -> str:
        words = []
        if self.dtype is not None:
            words.append(_WHOLE[self.dtype] if self.is_open else dtypes.dtype_name(self.dtype))
        if self.shape is not None:
            words.append(_shape_text(["any" if length is None else str(length) for length in self.shape]))
        return " ".join(words) or "any array"


class ArraySpec:
    """The arrays that a set asks for; equal, and equally hashed, where the same is asked."""

    __slots__ = ("_hash", "asked")

    def __init__(self, asked: Tuple[Asked, ...] = ()) -> None:
        self.asked = asked
        self._hash = hash(asked)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArraySpec) and self.asked == other.asked

    def __repr__(self) -> str:
        return "ArraySpec({})".format(", ".join(f"{one.name}: {one}" for one in self.asked))

    def mismatch(self, arrays: Mapping[str, interface.ArrayHeader]) -> str:
        """What keeps these arrays from being what is asked for, completing "the file ..."; empty: nothing."""
        missing = [one.name for one in self.asked if one.name not in arrays]
        if missing and len(missing) == len(self.asked):
            return f"has arrays {_listed(sorted(arrays))} instead of {_listed(missing)}"
        if missing:
            return f"lacks the array {_listed(missing)}"
        for one in self.asked:
            if not one.accepts(arrays[one.name]):
                return f"has {_shown(one.name)} as {_header_text(arrays[one.name])}, not {one}"
        return ""

    def single_mismatch(self, header: interface.ArrayHeader) -> str:
        """The same for a C(.npy) file: its one array has no name, so a set that asks for one array means it."""
        if len(self.asked) > 1:
            return f"is one array without a name instead of {_listed([one.name for one in self.asked])}"
        if self.asked and not self.asked[0].accepts(header):
            return f"is {_header_text(header)}, not {self.asked[0]}"
        return ""


def _header_text(header: interface.ArrayHeader) -> str:
    return f"{header.dtype} {_shape_text([str(length) for length in header.shape])}"


def _shape_text(lengths: List[str]) -> str:
    return "({}{})".format(", ".join(lengths), "," if len(lengths) == 1 else "")


def _shown(name: str) -> str:
    return dtypes.shorten(name, 40)


def _listed(names: List[str]) -> str:
    text = ", ".join(_shown(name) for name in names[:5])
    return text if len(names) <= 5 else f"{text} and {len(names) - 5} more"
