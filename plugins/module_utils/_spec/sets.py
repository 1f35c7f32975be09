# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Feature sets: the argument specification, its checks, and the parsed form."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import errors
from .._formats import dtypes, interface, registry
from .._formats.arrays import FURTHER_DTYPES, OPEN_NAMES, ArraySpec, Asked, Shape
from .._system import paths
from .folders import FolderRule

# The keys of one set with their types and defaults, in the form of an AnsibleModule's options.
SET_OPTIONS: Dict[str, Dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "target": {"type": "str", "required": True},
    "legacy": {"type": "list", "elements": "str", "default": []},
    "patterns": {"type": "list", "elements": "str", "default": ["*.npz"]},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "hidden": {"type": "bool", "default": False},
    "reads": {"type": "list", "elements": "str"},
    "format": {"type": "str", "choices": ["auto", "any"], "default": "auto"},
    "arrays": {"type": "dict", "default": {}},
    "verify": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
    "layout": {"type": "str", "choices": ["flat", "tree"], "default": "flat"},
    "expected": {"type": "int"},
    "required": {"type": "raw", "default": True},
    "mount": {"type": "str"},
    "source": {"type": "str"},
}

_TRUTH = {"hidden": ("true", "false"), "required": ("true", "false", "any")}


@dataclass(frozen=True)
class FeatureSet:
    """One target, the legacy directories that may hold its features, and how to recognise them.

    Paths are as declared until C(resolve_sets), on the host, makes them absolute; globs are expanded by the scan.
    exclude: globs of file names; those of folders stand in folders. peers: other hosts of the run may hold it.
    """

    name: str
    target: str
    legacy: Tuple[str, ...]
    patterns: Tuple[str, ...]
    exclude: Tuple[str, ...]
    folders: FolderRule
    reads: Tuple[str, ...]
    format: str
    arrays: ArraySpec
    verify: str
    layout: str
    expected: Optional[int]
    required: str
    mount: Optional[str]
    source: Optional[str]
    peers: bool = False

    @property
    def can_be_sent(self) -> bool:
        """True if the set has a source, or other hosts of the run may hold it."""
        return self.source is not None or self.peers

    @property
    def criteria(self) -> interface.Criteria:
        """Return the criteria of the set. Sets with equal criteria share one classification of a file."""
        return interface.Criteria(self.arrays, self.verify == "full", self.format == "any")


def parse_sets(raw: Sequence[Mapping[str, Any]]) -> List[FeatureSet]:
    """Return the sets of one run; FeatureError names the set and the key."""
    if not raw:
        raise errors.FeatureError(f"{errors.named('sets')} is empty: name at least one feature set with 'name' and 'target'")
    sets = [_parse_set(item, number) for number, item in enumerate(raw, 1)]
    for index, one in enumerate(sets):
        for other in sets[:index]:
            if one.name == other.name:
                raise errors.FeatureError(
                    f"feature set '{one.name}' is listed twice in {errors.named('sets')}: give each set its own name"
                )
            if one.target.rstrip("/") == other.target.rstrip("/"):
                raise errors.FeatureError(
                    f"feature sets '{other.name}' and '{one.name}' have one target, {one.target}:"
                    " give each set a directory of its own"
                )
    return sets


def resolve_sets(sets: Sequence[FeatureSet], home: str) -> List[FeatureSet]:
    """Return the sets with absolute paths. Runs on the host. home: the training user's.

    FeatureError for a C(~name) whose account this host does not have.
    """
    return [
        replace(
            one,
            target=paths.expand_home(one.target, home),
            legacy=tuple(paths.expand_home(path, home) for path in one.legacy),
            mount=one.mount and paths.expand_home(one.mount, home),
        )
        for one in sets
    ]


def _parse_set(raw: Mapping[str, Any], number: int) -> FeatureSet:
    if not isinstance(raw, Mapping):
        raise errors.FeatureError(f"feature set {number} in {errors.named('sets')} is not a dictionary: give it 'name' and 'target'")
    name = _text(raw, "name")
    if not name:
        raise errors.FeatureError(f"feature set {number} in {errors.named('sets')} has no 'name': name it")
    try:
        return _parse_keys(name, raw)
    except errors.FeatureError as error:
        raise errors.FeatureError(f"feature set '{name}': {error}") from None


def _parse_keys(name: str, raw: Mapping[str, Any]) -> FeatureSet:
    """Return the set of this name; messages name the key."""
    _check_keys(raw)
    patterns, exclude, form = _patterns(raw, "patterns"), _patterns(raw, "exclude"), _choice(raw, "format")
    arrays = parse_arrays(raw.get("arrays") or {})
    if arrays.asked:
        _check_arrays_are_told(form, patterns)
    return FeatureSet(
        name=name,
        target=_target(raw),
        legacy=tuple(_checked_path(path, "legacy") for path in _texts(raw, "legacy")),
        patterns=patterns,
        exclude=tuple(pattern for pattern in exclude if not pattern.endswith("/")),
        folders=FolderRule(_choice(raw, "hidden") == "true", tuple(pattern[:-1] for pattern in exclude if pattern.endswith("/"))),
        reads=_patterns(raw, "patterns" if raw.get("reads") is None else "reads"),
        format=form,
        arrays=arrays,
        verify=_choice(raw, "verify"),
        layout=_choice(raw, "layout"),
        expected=_expected(raw.get("expected")),
        required=_choice(raw, "required"),
        mount=_checked_path(_text(raw, "mount"), "mount") if _text(raw, "mount") else None,
        source=_text(raw, "source") or None,
    )


def _check_keys(raw: Mapping[str, Any]) -> None:
    unknown = sorted(str(key) for key in raw if key not in SET_OPTIONS)
    if unknown:
        similar = difflib.get_close_matches(unknown[0], SET_OPTIONS, 1)
        hint = f"did you mean '{similar[0]}'? The keys are" if similar else "the keys are"
        raise errors.FeatureError(f"the key '{unknown[0]}' is unknown: {hint} {', '.join(SET_OPTIONS)}")


def _value(raw: Mapping[str, Any], key: str) -> Any:
    value = raw.get(key)
    return SET_OPTIONS[key].get("default") if value is None else value


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = _value(raw, key)
    return "" if value is None else str(value)


def _texts(raw: Mapping[str, Any], key: str) -> Tuple[str, ...]:
    value = _value(raw, key)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise errors.FeatureError(f"'{key}' must be a list of texts that are not empty")
    return tuple(value)


def _patterns(raw: Mapping[str, Any], key: str) -> Tuple[str, ...]:
    patterns = _texts(raw, key)
    for pattern in patterns:
        if "/" in (pattern[:-1] if key == "exclude" else pattern) or pattern == "/":
            raise errors.FeatureError(
                f"'{key}' has the pattern '{pattern}' with a slash: patterns are compared with the names of files, and of folders if"
                " one of 'exclude' ends in a slash; list directories in 'legacy'"
            )
    if not patterns and key != "exclude":
        raise errors.FeatureError(f"'{key}' is empty, so that no file could belong to the set: leave it out or give a pattern")
    return patterns


def _target(raw: Mapping[str, Any]) -> str:
    target = _text(raw, "target")
    if not target:
        raise errors.FeatureError("'target' is missing: name the directory that the trainer reads")
    if target.rstrip("/") == "":
        raise errors.FeatureError("target / cannot be a feature directory; name a directory of its own")
    return _checked_path(target, "target")


def _checked_path(path: str, key: str) -> str:
    if not path.startswith(("/", "~")):
        raise errors.FeatureError(f"{key} '{path}' is a relative path: write it from / on, or with ~ for the training user's home")
    if ".." in path.split("/"):
        raise errors.FeatureError(f"{key} '{path}' contains '..': write the path without it")
    if "\0" in path:
        raise errors.FeatureError(f"{key} {path!r} contains a NUL character: no path can; remove it")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise errors.FeatureError(f"{key} {path!r} cannot be a path of this host: write it in UTF-8") from None
    return path


def _choice(raw: Mapping[str, Any], key: str) -> str:
    """Return a word, which a truth value may be, too."""
    value = _value(raw, key)
    word = {"yes": "true", "no": "false"}.get(str(value).lower(), str(value).lower())
    choices = SET_OPTIONS[key].get("choices") or _TRUTH[key]
    if word not in choices:
        raise errors.FeatureError(f"{key} '{value}' is unknown: choose {' or '.join(choices)}")
    return word


def _expected(value: Any) -> Optional[int]:
    if value is None or value == "":
        return None
    if not str(value).strip().isdecimal():
        raise errors.FeatureError(f"expected '{value}' is not a number of features: give 0 or more")
    return int(str(value))


def parse_arrays(raw: Optional[Mapping[str, Any]]) -> ArraySpec:
    """The C(arrays) option of a set: array name to C({dtype, shape}); FeatureError names the key that is wrong.

    A dtype or shape that is left out or null matches any. For a C(.npy) file, whose array has no name, give one
    array under any name.
    """
    if raw is None:
        return ArraySpec()
    if not isinstance(raw, Mapping):
        raise errors.FeatureError("arrays: must be a dictionary of array names, each with dtype and shape")
    asked = [_parse_array(name, raw[name]) for name in sorted(raw, key=str)]
    return ArraySpec(tuple(asked))


def _check_arrays_are_told(form: str, patterns: Sequence[str]) -> None:
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


def _parse_array(name: Any, wanted: Any) -> Asked:
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
    return Asked(str(name), dtype, is_open, _parse_shape(wanted.get("shape"), key))


def _parse_dtype(value: Any, key: str) -> Tuple[Optional[str], bool]:
    if value is None:
        return None, False
    if isinstance(value, str):
        text = value.strip()
        if text in OPEN_NAMES:
            return OPEN_NAMES[text], True
        if text in ("object", "O", "|O"):
            raise errors.FeatureError(f"{key}: dtype '{text}' needs a pickle, which is never loaded; use another array")
        if text in FURTHER_DTYPES:
            return text, False
        dtype = dtypes.parse_dtype(dtypes.DTYPE_NAMES.get(text, text))
        if dtype is None and text.startswith(("datetime64[", "timedelta64[")):
            dtype = dtypes.parse_dtype(("<M8[" if text[0] == "d" else "<m8[") + text.partition("[")[2])
        if dtype is not None:
            return dtype.text, False
    raise errors.FeatureError(f"{key}: dtype {dtypes.shorten(repr(value))} is unknown; use a numpy name such as float32")


def _parse_shape(value: Any, key: str) -> Optional[Shape]:
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
