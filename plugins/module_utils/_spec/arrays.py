# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The C(arrays) option of a set: what a user writes, checked once."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple

from .. import errors
from .._formats import arrays, dtypes, registry


def parse_arrays(raw: Optional[Mapping[str, Any]]) -> arrays.ArraySpec:
    """The C(arrays) option of a set: array name to C({dtype, shape}); FeatureError names the key that is wrong.

    A dtype or shape that is left out or null matches any. For a C(.npy) file, whose array has no name, give one
    array under any name.
    """
    if raw is None:
        return arrays.ArraySpec()
    if not isinstance(raw, Mapping):
        raise errors.FeatureError("arrays: must be a dictionary of array names, each with dtype and shape")
    asked = [_parse_array(name, raw[name]) for name in sorted(raw, key=str)]
    return arrays.ArraySpec(tuple(asked))


def check_arrays_are_told(form: str, patterns: Sequence[str]) -> None:
    """Raise FeatureError if arrays are required of a format whose arrays cannot be read here."""
    if form == "any":
        raise errors.FeatureError("arrays: files of format 'any' are not looked into; leave 'arrays' out, or set format: auto")
    further = [pattern for pattern in patterns if not pattern.endswith((".npz", ".npy"))]
    if not further:
        return
    for pattern in further:
        kinds = registry.promised(pattern)
        if kinds and not any(kind.tells_arrays for kind in kinds):
            raise errors.FeatureError(
                f"arrays: the arrays of {kinds[0].label} (pattern '{pattern}') cannot be checked, only whether it is intact;"
                " leave 'arrays' out"
            )


def _parse_array(name: Any, wanted: Any) -> arrays.Asked:
    if isinstance(name, bool) or not isinstance(name, (str, int)) or str(name) == "":
        raise errors.FeatureError(f"arrays: {name!r} is not a name of an array; use the name that numpy.load shows")
    key = f"arrays: {name}"
    if wanted is None:
        wanted = {}
    if not isinstance(wanted, Mapping):
        raise errors.FeatureError(f"{key}: must be a dictionary with dtype and shape, not {dtypes.shorten(repr(wanted))}")
    unknown = sorted(str(item) for item in wanted if item not in ("dtype", "shape"))
    if unknown:
        raise errors.FeatureError(f"{key}: the key '{unknown[0]}' is unknown; the keys are dtype and shape")
    dtype, is_open = _parse_dtype(wanted.get("dtype"), key)
    return arrays.Asked(str(name), dtype, is_open, _parse_shape(wanted.get("shape"), key))


def _parse_dtype(value: Any, key: str) -> Tuple[Optional[str], bool]:
    if value is None:
        return None, False
    if isinstance(value, str):
        text = value.strip()
        if text in arrays.OPEN_NAMES:
            return arrays.OPEN_NAMES[text], True
        if text in ("object", "O", "|O"):
            raise errors.FeatureError(f"{key}: dtype '{text}' needs a pickle, which is never loaded; use another array")
        if text in arrays.FURTHER_DTYPES:
            return text, False
        dtype = dtypes.parse_dtype(dtypes.DTYPE_NAMES.get(text, text))
        if dtype is None and text.startswith(("datetime64[", "timedelta64[")):
            dtype = dtypes.parse_dtype(("<M8[" if text[0] == "d" else "<m8[") + text.partition("[")[2])
        if dtype is not None:
            return dtype.text, False
    raise errors.FeatureError(f"{key}: dtype {dtypes.shorten(repr(value))} is unknown; use a numpy name such as float32")


def _parse_shape(value: Any, key: str) -> Optional[arrays.Shape]:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise errors.FeatureError(
            f"{key}: shape {dtypes.shorten(repr(value))} is not a list; write it as [null, 768], null for any length"
        )
    if len(value) > dtypes.MAX_DIMENSIONS:
        raise errors.FeatureError(f"{key}: shape has {len(value)} dimensions; numpy reads at most {dtypes.MAX_DIMENSIONS}")
    lengths: List[Optional[int]] = []
    for item in value:
        if isinstance(item, str) and item.strip().isdigit():
            item = int(item)  # a templated number
        if item is not None and (isinstance(item, bool) or not isinstance(item, int) or item < 0):
            raise errors.FeatureError(
                f"{key}: shape has the length {dtypes.shorten(repr(item))}; use whole numbers, and null for any length"
            )
        lengths.append(item)
    return tuple(lengths)
