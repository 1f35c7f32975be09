# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.npy): one array behind its header, read without numpy. It has no checksum; what follows the array is not read, as numpy does not.

A header is a Python literal, which ast.literal_eval reads as numpy does: it evaluates no names and calls nothing.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
import struct
from typing import Any, Callable, List, Tuple

from . import damage, dtypes, interface
from .reader import Reader

KIND = interface.Kind("npy", "a .npy array", (".npy",), True)

MAGIC = b"\x93NUMPY"
# What numpy itself refuses to read without pickle.
MAX_TEXT = 10000
# Bytes that have to be read to know how long a header is, and to know all of the longest one.
PREFIX = 12
LONGEST = PREFIX + 4 * MAX_TEXT

_MAX_BYTES = 2**62
# Bytes of an ordinary header, and how many more count as one step.
_ORDINARY, _STEP = 128, 8


def header_start(prefix: bytes) -> int:
    """Number of bytes before the data, from the first C(PREFIX) bytes; Damaged if no array begins there."""
    if prefix[:6] != MAGIC:
        raise damage.Damaged("does not begin as an array")
    version = prefix[6:8]
    if version == b"\x01\x00" and len(prefix) >= 10:
        start = 10 + prefix[8] + 256 * prefix[9]
    elif version in (b"\x02\x00", b"\x03\x00") and len(prefix) >= 12:
        start = 12 + int(struct.unpack_from("<I", prefix, 8)[0])
    elif len(prefix) < 12:
        raise damage.Damaged("ends in an array's header")
    else:
        raise damage.NotUnderstood(f"has an array header of version {prefix[6]}.{prefix[7]}")
    if start > LONGEST:
        raise damage.NotUnderstood(f"has an array header of {start} bytes, more than numpy reads by default")
    return start


_CACHED_LENGTH = 1024

_AS_WRITTEN = re.compile(
    r"\{'descr': '[^'\\]*', 'fortran_order': (?:True|False), 'shape': \((?:|\d+,|\d+(?:, \d+)+)\), \} *\n\Z"
)


def read_header(content: bytes, read: Callable[[int], bytes], size: int, step: Callable[[int], None]) -> interface.ArrayHeader:
    """Return the header at the start of an array of C(size) bytes.

    content: what was read of it; read: so many bytes of it; step: counts what takes time, as long headers do.
    """
    start = header_start(content[:PREFIX])
    if start > size:
        raise damage.Damaged("ends in an array's header")
    step(max(0, start - _ORDINARY) // _STEP)
    return parse_header(content[:start] if start <= len(content) else read(start))


def parse_header(raw: bytes) -> interface.ArrayHeader:
    """The header that consists of exactly these bytes; Damaged where numpy would not load it."""
    return (_known_header if len(raw) <= _CACHED_LENGTH else _parse_header)(raw)


def _parse_header(raw: bytes) -> interface.ArrayHeader:
    if header_start(raw[:PREFIX]) != len(raw):
        raise damage.Damaged("has a broken array header")
    text_start = 10 if raw[6:7] == b"\x01" else 12
    try:
        text = raw[text_start:].decode("utf-8" if raw[6:7] == b"\x03" else "latin-1")
    except UnicodeDecodeError:
        raise damage.Damaged("has an array header that is not text") from None
    if len(text) > MAX_TEXT:
        raise damage.NotUnderstood(f"has an array header of {len(text)} characters, more than numpy reads by default")
    literal = _literal(text, raw[6:7] != b"\x03")
    if not isinstance(literal, dict) or set(literal) != {"descr", "fortran_order", "shape"}:
        raise damage.Damaged("has a broken array header (its keys are not descr, fortran_order and shape)")
    if not isinstance(literal["fortran_order"], bool):
        raise damage.Damaged("has a broken array header (fortran_order is neither True nor False)")
    shape = _shape(literal["shape"])
    if isinstance(literal["descr"], tuple):  # numpy refuses some of them
        raise damage.NotUnderstood("has an array header with an unknown dtype")
    dtype = _dtype(literal["descr"])
    length = dtype.itemsize
    for dimension in shape:
        length *= dimension
    # numpy refuses what it cannot count, also where the product with an empty dimension is nothing.
    span = max(dtype.itemsize, 1)
    for dimension in shape:
        span *= max(dimension, 1)
    if span > _MAX_BYTES:
        raise damage.Damaged("has an array header with an absurd size")
    # Of a structured type only some of the text is understood, so that it never counts as known in full.
    as_written = raw[6:8] == b"\x01\x00" and literal["descr"] == dtype.text and _AS_WRITTEN.match(text) is not None
    return interface.ArrayHeader(dtype, shape, len(raw), length, as_written)


_known_header = functools.lru_cache(4096)(_parse_header)


def _shape(value: Any) -> Tuple[int, ...]:
    if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value) or any(item < 0 for item in value):
        raise damage.Damaged("has a broken array header (its shape is not a tuple of lengths)")
    if len(value) > dtypes.MAX_DIMENSIONS or any(isinstance(item, bool) for item in value):
        raise damage.NotUnderstood("has an array header with an unusual shape")
    return value


def _dtype(descr: Any) -> dtypes.DType:
    """The type that a part of a literal describes; it nests no deeper than the literal may."""
    if isinstance(descr, str):
        dtype = dtypes.parse_dtype(dtypes.DTYPE_NAMES.get(descr, descr))
        if dtype is None:
            raise damage.NotUnderstood(f"has an array header with the unknown dtype {dtypes.shorten(descr)}")
        return dtype
    if isinstance(descr, tuple) and len(descr) == 2:
        return _repeated(_dtype(descr[0]), descr[1])
    if not isinstance(descr, list):
        raise damage.NotUnderstood("has an array header with an unknown dtype")
    return _structure(descr)


def _repeated(dtype: dtypes.DType, shape: Any) -> dtypes.DType:
    """A type that holds an array of others."""
    if not (isinstance(shape, tuple) and shape):
        raise damage.NotUnderstood("has an array header with an unknown dtype")
    size = dtype.itemsize
    for length in _shape(shape):
        size *= length
        if size > dtypes.MAX_ITEM:
            raise damage.Damaged("has an array header with an absurd size")
    return dtypes.DType(f"array of {dtype.text}", size, dtype.objects)


def _structure(fields: List[Any]) -> dtypes.DType:
    """A structured type: only its size and whether it needs a pickle matter, since no set can ask for one."""
    itemsize, objects, names = 0, False, set()
    for field in fields:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise damage.NotUnderstood("has an array header with an unknown dtype")
        dtype = _dtype(field[1])
        itemsize += (_repeated(dtype, field[2]) if len(field) == 3 else dtype).itemsize
        objects = objects or dtype.objects
        if itemsize > dtypes.MAX_ITEM:
            raise damage.Damaged("has an array header with an absurd size")
        if field[0] == "" and len(field) == 2 and dtype.text[1:2] == "V":
            continue  # padding between fields
        for name in field[0] if isinstance(field[0], tuple) and len(field[0]) == 2 else (field[0],):
            if not isinstance(name, str) or name == "" or name in names:
                raise damage.NotUnderstood("has an array header with an unknown dtype")
            names.add(name)
    return dtypes.DType("structured " + dtypes.shorten(repr(fields)), itemsize, objects)


# Also one without an end, or each quote in it would be searched for one.
_TEXT = r"""'(?:[^'\\\n\r]|\\[\\'"abfnrtvxuU])*'?|"(?:[^"\\\n\r]|\\[\\'"abfnrtvxuU])*"?"""
_TEXTS = re.compile(_TEXT)
_LONGS = re.compile(rf"({_TEXT}|\d)|(?<=\d)L\b")
_NESTING = {**dict.fromkeys("([{+-", 1), **dict.fromkeys(")]}", -1)}
_MAX_DEPTH = 100


def _literal(text: str, longs: bool) -> Any:
    """Return the literal as numpy reads it, by ast.literal_eval; Damaged if that refuses it. longs: Python 2's 3L is a number.

    Texts that could nest deep, or that versions of numpy and Python read differently, are left alone.
    """
    around = _TEXTS.sub("'", text)
    depth = max(itertools.accumulate(_NESTING.get(one, 0) for one in around), default=0)
    if "#" in around or "\\" in around or depth > _MAX_DEPTH:
        raise damage.NotUnderstood("has an array header that is not read here")
    try:
        # Leading blanks are left out as later versions of Python do.
        return ast.literal_eval((_LONGS.sub(r"\1", text) if longs and "L" in around else text).lstrip(" \t"))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise damage.Damaged("has a broken array header (not a Python literal)") from None


def _begins(reader: Reader) -> bool:
    return reader.head.startswith(MAGIC)


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    header = read_header(reader.head, lambda length: reader.read(0, length), reader.size, reader.step)
    if header.start + header.length > reader.size and not header.dtype.objects:
        raise damage.Damaged(f"has {reader.size - header.start} bytes of data where its header announces {header.length}")
    if criteria.full:
        reader.read_everything()
    return interface.Content(KIND, {}, header)


FORMAT = interface.Format((KIND,), _begins, _read)
