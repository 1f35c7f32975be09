# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host answers is data: every result of a module of ours is checked here, by a schema, before anything uses it.

A schema is written in Python's own types::

    {"changed": bool, "pid": Maybe(int), "state": OneOf("running", "ended"), "lines": [str],
     "point": (float, float), "sets": Each({"linked": int}), "text": LINES}

C(str) is one line. C(LINES) keeps line breaks and tabs. Keys that a schema does not name are dropped, and those that are missing stay
missing, but in C(Whole). Control characters are removed everywhere, from keys too. A number that is not finite is none.
"""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Schema = Any

LINES = object()  # a text that may have several lines
PLAIN = object()  # any data of JSON; for what is only handed on

_DEEPEST = 20  # levels of C(PLAIN)
_LARGEST = 2**63
# Control characters, those that change the direction of text, separators of lines and paragraphs, and half characters.
_REMOVED = frozenset(("Cc", "Cs", "Zl", "Zp"))
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INTERPRETER = re.compile(r"discovered_interpreter_[a-z]+")


class Maybe(NamedTuple):
    """A value of this schema, or null."""

    schema: Schema


class Each(NamedTuple):
    """A mapping of any texts (e.g. names of sets) to values of this schema. C(only): these keys alone, the others are dropped."""

    schema: Schema
    only: frozenset[str] | None = None


class Either(NamedTuple):
    """A value of the first of two schemas, else of the second."""

    first: Schema
    second: Schema


class Whole(NamedTuple):
    """A mapping that has all of these keys."""

    schema: Mapping[str, Schema]


class OneOf:
    """One of these values, equal in type too."""

    def __init__(self, *values: Any) -> None:
        self.values = values


class _OddError(Exception):
    """A value that the schema does not allow."""

    def __init__(self, place: str, wanted: str, value: Any) -> None:
        super().__init__(f"'{place}' is {_kind(value)} instead of {wanted}")


# What Ansible itself, or any module, may return.
_COMMON: dict[str, Schema] = {
    "changed": bool,
    "failed": bool,
    "unreachable": bool,
    "skipped": bool,
    "msg": LINES,
    "rc": int,
    "module_stdout": LINES,
    "module_stderr": LINES,
    "diff": [{"before": LINES, "after": LINES, "before_header": str, "after_header": str}],
    "ansible_job_id": str,
    "results_file": str,
    "started": Maybe(PLAIN),
    "finished": Maybe(PLAIN),
}
# Ansible's own objects since 2.19, text before.
_ANSIBLES = ("exception", "warnings", "deprecations")


def check_answer(answer: Mapping[str, Any], schema: Mapping[str, Schema], host: str, module: str) -> dict[str, Any]:
    """Return the part of a module's result that the schema allows; a failed result if a value is of another type."""
    try:
        checked = _record(answer, {**_COMMON, **schema}, "")
        checked.update({name: _foreign(answer[name]) for name in _ANSIBLES if name in answer})
        facts = answer.get("ansible_facts")
        found = {key: clean(facts[key]) for key in facts if _is_interpreter(key, facts[key])} if isinstance(facts, Mapping) else {}
    except _OddError as odd:
        return {
            "failed": True,
            "changed": False,
            "msg": f"{host}: the answer of {module} cannot be used, since {odd}: nothing was concluded from it. Look at what answers in"
            f" place of Python on {host}, and whether the module itself was changed",
        }
    if found:
        checked["ansible_facts"] = {**checked.get("ansible_facts", {}), **found}
    return checked


def clean(text: str, lines: bool = False) -> str:
    """Return a text without control characters; a line break or tab becomes a blank unless there may be several lines."""
    if text.isprintable():
        return str(text)
    if lines and "\n" in text:
        return "\n".join(clean(line, lines) for line in text.split("\n"))
    kept = []
    for char in str(text):
        if char in "\n\t":
            kept.append(char if lines else " ")
        elif unicodedata.category(char) not in _REMOVED and char not in _DIRECTION:
            kept.append(char)
    return "".join(kept)


def _is_interpreter(key: Any, value: Any) -> bool:
    """True for the fact by which Ansible keeps the interpreter that it discovered."""
    return isinstance(key, str) and isinstance(value, str) and _INTERPRETER.fullmatch(key) is not None


def _value(value: Any, schema: Schema, place: str) -> Any:
    if isinstance(schema, Maybe):
        return None if value is None or _is_endless(value) else _value(value, schema.schema, place)
    if isinstance(schema, Either):
        try:
            return _value(value, schema.first, place)
        except _OddError:
            return _value(value, schema.second, place)
    if isinstance(schema, Whole):
        return _whole(value, schema.schema, place)
    if isinstance(schema, OneOf):
        for one in schema.values:
            # Before ansible-core 2.19 the texts of an answer are of a subclass of str.
            alike = isinstance(value, str) if isinstance(one, str) else type(one) is type(value)
            if alike and one == value:
                return one
        raise _OddError(place, f"one of {', '.join(map(str, schema.values))}", value)
    if isinstance(schema, Each):
        return _each(value, schema, place)
    if isinstance(schema, Mapping):
        return _record(value, schema, place)
    if isinstance(schema, list):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _OddError(place, "a list", value)
        return [_value(item, schema[0], f"{place}[{index}]") for index, item in enumerate(value)]
    if schema is PLAIN:
        return _plain(value, place, _DEEPEST)
    if isinstance(schema, tuple):
        return _items(value, schema, place)
    return _scalar(value, schema, place)


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _items(value: Any, schema: tuple[Schema, ...], place: str) -> list[Any]:
    """A list of exactly these."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != len(schema):
        raise _OddError(place, f"a list of {len(schema)}", value)
    return [_value(value[index], one, f"{place}[{index}]") for index, one in enumerate(schema)]


def _whole(value: Any, schema: Mapping[str, Schema], place: str) -> dict[str, Any]:
    found = _record(value, schema, place)
    missing = next((key for key in schema if key not in found), None)
    if missing is not None:
        raise _OddError(place, f"one with '{missing}'", value)
    return found


def _scalar(value: Any, schema: Schema, place: str) -> Any:
    if schema is str or schema is LINES:
        if not isinstance(value, str):
            raise _OddError(place, "a text", value)
        return clean(value, lines=schema is LINES)
    if schema is bool:
        if not isinstance(value, bool):
            raise _OddError(place, "true or false", value)
        return bool(value)
    if isinstance(value, bool) or not isinstance(value, int if schema is int else (int, float)):
        raise _OddError(place, "a whole number" if schema is int else "a number", value)
    if _is_endless(value):
        raise _OddError(place, "a number", value)
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise _OddError(place, "a number of at most 64 bits", value)
    return value


def _record(value: Any, schema: Mapping[str, Schema], place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _OddError(place, "a mapping", value)
    return {key: _value(value[key], one, f"{place}.{key}".lstrip(".")) for key, one in schema.items() if key in value}


def _each(value: Any, schema: Each, place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _OddError(place, "a mapping", value)
    named = {clean(str(key)): item for key, item in value.items() if schema.only is None or key in schema.only}
    return {key: _value(item, schema.schema, f"{place}.{key}") for key, item in named.items()}


def _plain(value: Any, place: str, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if levels <= 0:
        raise _OddError(place, f"data of at most {_DEEPEST} levels", value)
    if isinstance(value, str):
        return clean(value, lines=True)
    if isinstance(value, (int, float)):
        return None if _is_endless(value) else _scalar(value, float, place)
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item, f"{place}.{clean(str(key))}", levels - 1) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, f"{place}[{index}]", levels - 1) for index, item in enumerate(value)]
    raise _OddError(place, "plain data", value)


def _foreign(value: Any) -> Any:
    """Warnings and tracebacks, in texts or in the frozen records that Ansible makes of them; of anything else nothing."""
    if isinstance(value, str):
        return clean(value, lines=True)
    if isinstance(value, (list, tuple)):
        return type(value)(item for item in map(_foreign, value) if item is not None)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _foreign(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return dataclasses.replace(value, **{name: item for name, item in changed.items() if item is not None})
    return None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "true or false"), (str, "a text"), ((int, float), "a number"), (Mapping, "a mapping"), (Sequence, "a list"))
    kind = next((word for kind, word in kinds if isinstance(value, kind)), type(value).__name__)
    return f"{kind} ({clean(str(value))[:40]})" if isinstance(value, (str, int, float)) else kind
