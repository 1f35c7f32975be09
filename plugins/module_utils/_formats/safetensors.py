# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.safetensors): eight bytes with the length of a header, the header in JSON, the arrays' data.

The header is told by what lies in it: the offsets of the arrays fill the rest of the file without gap or overlap.
Data have no checksums, so that there is nothing more to compare in full.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, List, Tuple

from . import damage, dtypes, interface
from . import zip_central_directory as central

KIND = interface.Kind("safetensors", "a safetensors file", (".safetensors",), True)

# Bytes: what the library itself refuses, and what is read here.
_LONGEST = 100000000
_MAX_HEADER = 4 << 20
_LENGTH = struct.Struct("<Q")
_FULL8 = 1 << 64

_DTYPES: Dict[str, dtypes.DType] = {
    name: dtypes.DType(text, size, False)
    for name, text, size in (
        ("BOOL", "|b1", 1),
        ("U8", "|u1", 1),
        ("I8", "|i1", 1),
        ("U16", "<u2", 2),
        ("I16", "<i2", 2),
        ("F16", "<f2", 2),
        ("BF16", "bfloat16", 2),
        ("U32", "<u4", 4),
        ("I32", "<i4", 4),
        ("F32", "<f4", 4),
        ("C64", "<c8", 8),
        ("U64", "<u8", 8),
        ("I64", "<i8", 8),
        ("F64", "<f8", 8),
        ("F8_E4M3", "float8_e4m3fn", 1),
        ("F8_E5M2", "float8_e5m2", 1),
        ("F8_E8M0", "float8_e8m0fnu", 1),
    )
}

# The headers of one extractor's files are often the same, byte for byte.
_cache: Dict[bytes, Tuple[int, Dict[str, interface.ArrayHeader]]] = {}
_CACHE_LIMIT = 256
_CACHED_LENGTH = 1 << 16


def _begins(reader: central.Reader) -> bool:
    head = reader.head
    return head[8:9] == b"{" and _LENGTH.unpack_from(head)[0] <= _LONGEST


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    length = _LENGTH.unpack_from(reader.head)[0]
    if 8 + length > reader.size:
        raise damage.Damaged("is truncated (its header does not fit)")
    if length > _MAX_HEADER:
        raise damage.Foreign(f"has a header of {length} bytes, more than is read here")
    raw = reader.read(8, length)
    known = _cache.get(raw)
    if known is None:
        known = _parse(raw)
        if length <= _CACHED_LENGTH:
            if len(_cache) >= _CACHE_LIMIT:
                _cache.clear()
            _cache[raw] = known
    data, arrays = known
    if data != reader.size - 8 - length:
        raise damage.Damaged(f"has {reader.size - 8 - length} bytes of data where its header announces {data}")
    if not arrays:
        raise damage.Foreign(f"is {KIND.label} without arrays")
    return interface.Content(KIND, arrays)


def _parse(raw: bytes) -> Tuple[int, Dict[str, interface.ArrayHeader]]:
    """The bytes of data that the header announces, and the arrays."""
    try:
        header = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse,
            parse_int=_length,
            parse_constant=_refuse,
        )
    except RecursionError:
        raise damage.Damaged("has a broken header (its JSON nests too deep)") from None
    except damage.Damaged:
        raise
    except ValueError:
        raise damage.Damaged("has a broken header (no JSON)") from None
    if not isinstance(header, dict):
        raise _broken("no dictionary")
    metadata = header.pop("__metadata__", None)
    if metadata is not None:
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise _broken("its metadata are not texts")
    spans: List[Tuple[int, int]] = []
    arrays = {name: _array(name, value, spans) for name, value in header.items()}
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise damage.Damaged("has a header whose arrays overlap, or leave a gap")
        end = stop
    return end, arrays


def _array(name: str, value: Any, spans: List[Tuple[int, int]]) -> interface.ArrayHeader:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _broken(f"{dtypes.shorten(name)} lacks dtype, shape or data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or not _are_lengths(shape) or not _are_lengths(offsets) or len(offsets) != 2:
        raise _broken(f"{dtypes.shorten(name)} is not described as an array")
    if dtype not in _DTYPES:
        raise damage.Foreign(f"has {dtypes.shorten(name)} in the unknown dtype {dtypes.shorten(dtype)}")
    count = 1
    for length in shape:
        count *= length
        if count >= _FULL8:
            raise _broken(f"{dtypes.shorten(name)} has an absurd size")
    length = count * _DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != length:
        raise _broken(f"{dtypes.shorten(name)} has other offsets than its shape needs")
    spans.append((offsets[0], offsets[1]))
    return interface.ArrayHeader(_DTYPES[dtype], tuple(shape), offsets[0], length, True)


def _are_lengths(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _broken("a name stands twice")
    for name, value in pairs:
        # JSON can escape half a character, which is not text to other readers.
        name.encode("utf-8")
        if isinstance(value, str):
            value.encode("utf-8")
    return found


def _length(text: str) -> int:
    if text.startswith("-") or len(text) > 20 or int(text) >= _FULL8:
        raise _broken(f"{dtypes.shorten(text)} is not a length")
    return int(text)


def _refuse(text: str) -> Any:
    raise _broken(f"{dtypes.shorten(text)} is not a length")


def _broken(what: str) -> damage.Damaged:
    return damage.Damaged(f"has a broken header ({what})")


FORMAT = interface.Format((KIND,), _begins, _read)
