# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.safetensors): eight bytes with the length of a header, the header in JSON, the arrays' data.

Accepts what the format's own library accepts. The arrays' offsets fill the rest of the file without gap or overlap. Data have no
checksums, so a full inspection has nothing more to compare.
"""

from __future__ import annotations

import functools
import json
import math
import re
import struct
from typing import Any, Dict, List, Optional, Tuple

from . import damage, dtypes, interface
from .reader import Reader

KIND = interface.Kind("safetensors", "a safetensors file", (".safetensors",), True)

# Bytes: what the library itself refuses, and what is read here.
_LONGEST = 100000000
_MAX_HEADER = 4 << 20
_LENGTH = struct.Struct("<Q")
_FULL8 = 1 << 64
_BLANKS = b" \t\n\r"

# numpy's short forms and bits, by the library's names. Further types have their name as text, and the width that it says.
_DTYPES: Dict[str, Tuple[str, int]] = {
    "BOOL": ("|b1", 8), "U8": ("|u1", 8), "I8": ("|i1", 8), "U16": ("<u2", 16), "I16": ("<i2", 16), "F16": ("<f2", 16),
    "BF16": ("bfloat16", 16), "U32": ("<u4", 32), "I32": ("<i4", 32), "F32": ("<f4", 32), "C64": ("<c8", 64), "U64": ("<u8", 64),
    "I64": ("<i8", 64), "F64": ("<f8", 64), "F8_E4M3": ("float8_e4m3fn", 8), "F8_E5M2": ("float8_e5m2", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8), "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8), "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
}  # fmt: skip
_WIDTH = re.compile(r"(?:B?F|[IU]|C(?=64|128))(4|6|8|16|32|64|128)(?:_[A-Z0-9]{1,12})?\Z")

# The headers of one extractor's files are often the same, byte for byte.
_CACHED_LENGTH = 1 << 14


def _begins(reader: Reader) -> bool:
    head = reader.head
    return head[4:8] == bytes(4) and head[8:].lstrip(_BLANKS)[:1] == b"{" and _LENGTH.unpack_from(head)[0] <= _LONGEST


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    length = _LENGTH.unpack_from(reader.head)[0]
    if 8 + length > reader.size:
        raise damage.Damaged("is truncated (its header does not fit)")
    if length > _MAX_HEADER:
        raise damage.NotUnderstood(f"has a header of {length} bytes, more than is read here")
    reader.claim(length)
    raw = reader.read(8, length)
    data, arrays = (_known if length <= _CACHED_LENGTH else _parse)(raw)
    if data != reader.size - 8 - length:
        raise damage.Damaged(f"has {reader.size - 8 - length} bytes of data where its header announces {data}")
    if not arrays:
        raise damage.Foreign(f"is {KIND.label} without arrays")
    if criteria.full:
        reader.read_everything()
    return interface.Content(KIND, arrays)


def _parse(raw: bytes) -> Tuple[int, Dict[str, interface.ArrayHeader]]:
    """Return the bytes of data that the header announces, and the arrays."""
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_int=_count, parse_float=_ignore,
                            parse_constant=_refuse)  # fmt: skip
    except RecursionError:
        raise damage.NotUnderstood("has a header whose JSON nests deep") from None
    except ValueError:
        raise damage.Damaged("has a broken header (no JSON)") from None
    if not isinstance(header, dict):
        raise damage.Damaged("has a broken header (no dictionary)")
    metadata = header.pop("__metadata__", None)
    if metadata is not None:
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise damage.Damaged("has a broken header (its metadata are not texts)")
    spans: List[Tuple[int, int]] = []
    arrays = {name: _array(name, value, spans) for name, value in header.items()}
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise damage.Damaged("has a header whose arrays overlap, or leave a gap")
        end = stop
    return end, arrays


_known = functools.lru_cache(256)(_parse)


def _array(name: str, value: Any, spans: List[Tuple[int, int]]) -> interface.ArrayHeader:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise damage.NotUnderstood(f"has a header that describes {dtypes.shorten(name)} by a list")
        raise _broken(name, "is not described as an array")
    if len(value) > 3 and _nests(list(value.values())):
        raise damage.NotUnderstood("has a header whose JSON nests deep")
    dtype: Any = value.get("dtype")
    shape: Any = value.get("shape")
    offsets: Any = value.get("data_offsets")
    if not isinstance(dtype, str) or not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise _broken(name, "is not described as an array")
    text, bits = _DTYPES.get(dtype) or _by_width(dtype)
    if not bits:
        raise damage.NotUnderstood(f"has {dtypes.shorten(name)} in the unknown dtype {dtypes.shorten(dtype)}")
    count = 1
    for length in shape:
        count *= length
        if count >= _FULL8:
            raise _broken(name, "has an absurd size")
    length, rest = divmod(bits * count, 8)
    if rest or offsets[1] - offsets[0] != length:
        raise _broken(name, "has other offsets than its shape needs")
    spans.append((offsets[0], offsets[1]))
    return interface.ArrayHeader(dtypes.DType(text, bits // 8, False), tuple(shape), offsets[0], length, True)


def _nests(values: List[Any], most: int = 9) -> bool:
    """True if JSON nests deeper than needed; the library refuses more than 128 levels."""
    lists = [value for value in values if isinstance(value, (list, dict))]
    return any(not most or _nests(list(one.values() if isinstance(one, dict) else one), most - 1) for one in lists)


def _by_width(dtype: str) -> Tuple[str, int]:
    """Return a further type, and the width that its name says; 0: none."""
    found = _WIDTH.match(dtype)
    return dtype, int(found.group(1)) if found else 0


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise damage.NotUnderstood("has a header with a name twice")
    for name, value in pairs:
        # JSON can escape half a character, which is not text to other readers.
        name.encode("utf-8")
        if isinstance(value, str):
            value.encode("utf-8")
    return found


def _count(text: str) -> Optional[int]:
    """Return a whole number; None for one that no length is."""
    return int(text) if len(text) <= 20 and not text.startswith("-") and int(text) < _FULL8 else None


def _ignore(text: str) -> None:
    """Numbers with a fraction stand only where they mean nothing. Ones that are too large are no JSON to the library."""
    if float(text) in (math.inf, -math.inf):
        _refuse(text)


def _refuse(text: str) -> None:
    raise ValueError(text)


def _broken(name: str, what: str) -> damage.Damaged:
    return damage.Damaged(f"has a broken header ({dtypes.shorten(name)} {what})")


FORMAT = interface.Format((KIND,), _begins, _read)
