# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one host as plain lines: enough to diagnose it, from 60 columns on, without colour; and its colours in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible import constants as C
from ansible.utils import color

from .fleet import HostRecord, host_entry
from .model import mapping, results_of, sequence
from .words import count, fold, shouted

WIDTH = 80
LABEL = 9
FEW = 3
_BOLD = "bold"
# The words of a host's report that are coloured: at the head of the host's and a set's line, and labels.
_WORDS = {
    "READY": C.COLOR_OK,
    "NOT READY": C.COLOR_ERROR,
    "would be ready": C.COLOR_CHANGED,
    "PROBLEM": C.COLOR_ERROR,
    "warning": C.COLOR_WARN,
    "TO DO": _BOLD,
}
_MARKED = re.compile(rf"^(?P<before>(?:  )?\S[^:]*: |    )(?P<word>{'|'.join(sorted(_WORDS, reverse=True))})(?P<after>(?:\W.*)?)$")


def host_report(
    host: str,
    facts: Mapping[str, Any],
    done: Iterable[object] = (),
    check_mode: bool = False,
    state: str = "present",
    width: int = WIDTH,
    detail: str = "full",
    note: str = "",
) -> list[str]:
    """Return the lines of one host's report.

    facts, done: see ``model``. state: the role's (``absent``: links were removed). detail: ``short`` is one line for a host that is
    ready and unchanged. note: what the first line adds. Only a single path may make a line longer than ``width``.
    """
    entry = host_entry(host, HostRecord(facts=facts, done=list(results_of(done)), state=state), check_mode)
    sets = entry["sets"]
    first = _headline(entry, check_mode) + (f"; {note}" if note else "")
    if detail == "short" and state == "present" and entry["ready"] and not any(one["did"] or one["warnings"] for one in sets):
        where = f" in {len(sets)} sets" if len(sets) > 1 else ""
        return [f"{entry['host']}: {first}; {count(sum(one['found'] for one in sets), 'feature')}{where}, unchanged"]
    lines = ["-" * width, *fold(first, width, f"{entry['host']}: ", "  ")]
    for one in sets:
        lines += ["", *_set_lines(one, check_mode, width)]
    return [*lines, "-" * width]


def failures(facts: Mapping[str, Any], fail_on: str, check_mode: bool = False) -> list[str]:
    """Return what fails the host, one message each. fail_on: see the option of feature_report.

    In check mode readiness is predicted, not required, and an obstacle counts if it would have stopped the run: an upload
    could clear those of a set that has nothing.
    """
    sets = [mapping(one) for one in mapping(facts.get("feature_sets")).values()]
    if fail_on == "nothing":
        return []
    standing = [one for one in sets if not check_mode or one.get("status") != 0]
    obstacles = _distinct(standing, "obstacles")
    if obstacles or check_mode or fail_on == "obstacles" or facts.get("features_ready"):
        return obstacles
    return _distinct(sets, "problems")


def _distinct(sets: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(text) for one in sets for text in sequence(one.get(key))))


def _headline(entry: Mapping[str, Any], check_mode: bool) -> str:
    if not entry["sets"]:
        return "no feature set was inspected"
    mode = " (check mode: nothing was changed)" if check_mode else ""
    status = "null" if entry["status"] is None else entry["status"]
    return f"{shouted(entry['outcome'])}, status {status}: {entry['status_words']}{mode}"


def _set_lines(one: Mapping[str, Any], check_mode: bool, width: int) -> list[str]:
    status = "null" if one["status"] is None else one["status"]
    found = f", {count(one['found'], 'distinct feature')}" if one["found"] else ""
    nothing = "nothing: the status is unknown" if one["status"] is None else "nothing to change"
    return [
        *fold(shouted(one["outcome"]), width, f"  {one['name']}: ", "    "),
        *_field("status", [f"{status}: {one['status_words']}{found}"], width),
        *_directory_lines(one["directories"], width),
        *_field("plan" if check_mode else "done", one["did"] or [nothing], width),
        *_field("access", _access(one), width),
        *_field("PROBLEM", one["problems"], width, every=True),
        *_field("warning", one["warnings"], width, every=True),
        *_field("conflict", map(_sample, one["conflicts"]["samples"][:FEW]), width),
        *_field("rejected", _rejected(one["rejected"]), width),
        *_field("TO DO", one["to_do"], width, every=True),
    ]


def _access(one: Mapping[str, Any]) -> list[str]:
    """Return if the training user can read the features; if not, what blocks, component by component."""
    access = one["access"]
    user, blocked = access["user"] or "the training user", access["unreadable"]
    if not blocked:
        return [f"{user} can read every feature"] if one["found"] else []
    text = f"{user} CANNOT READ {count(blocked, 'feature')}"
    if access["to_grant"]:
        text += f" (a grant would open {'them' if access['to_grant'] >= blocked else format(access['to_grant'], ',') + ' of them'})"
    return [text, *map(_sample, access["samples"][:FEW])]


def _directory_lines(directories: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    lines: list[str] = []
    silent: dict[str, list[str]] = {}
    legacy: list[str] = []
    for one in directories:
        text = f"{one['path']}: {one['words']}"
        if one["role"] != "legacy":
            if one["owner"] and one["state"] != "absent":
                text += f"; {one['owner']}"
            if one["filesystem"]:
                text += "; on " + " ".join(one["filesystem"].values())
            lines += _field(one["role"], [text], width)
        elif one["state"] in ("absent", "empty") and not one["same_as"]:
            silent.setdefault(one["state"], []).append(one["path"])
        else:
            legacy.append(text)
    legacy += [f"{state}: {', '.join(paths)}" for state, paths in silent.items()]
    return lines + _field("legacy", legacy, width)


def _rejected(rejected: Mapping[str, Any]) -> list[str]:
    """Return one example for each directory and reason."""
    shown: dict[tuple[str, str], str] = {}
    for sample in rejected["samples"]:
        shown.setdefault((sample.get("path", "").rpartition("/")[0], sample.get("reason", "")), _sample(sample))
    lines = list(shown.values())[:FEW]
    rest = rejected["count"] - len(lines)
    return [*lines, f"and {count(rest, 'more file')}"] if lines and rest > 0 else lines


def _sample(sample: Mapping[str, str]) -> str:
    return ": ".join(filter(None, (sample.get("path"), sample.get("reason"))))


def _field(label: str, texts: Iterable[str], width: int, every: bool = False) -> list[str]:
    """Return a labelled block: the label once (or before each text), continuation lines below the text."""
    lines: list[str] = []
    for index, text in enumerate(texts):
        shown = label if every or index == 0 else ""
        lines += fold(text, width, f"    {shown:<{LABEL}}", " " * (4 + LABEL + 2))
    return lines


def coloured(lines: Iterable[str]) -> str:
    """Return the lines of a host's report as one text, outcomes and labels in colour."""
    return "\n".join(map(_coloured, lines))


def _coloured(line: str) -> str:
    found = _MARKED.match(line)
    if not found or not color.ANSIBLE_COLOR:
        return line
    wanted = _WORDS[found["word"]]
    word = f"\033[1m{found['word']}\033[0m" if wanted == _BOLD else color.stringc(found["word"], wanted)
    return found["before"] + word + found["after"]
