# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one host as plain lines: enough to diagnose it, from 60 columns on, without colour. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.model import (
    Directory,
    SetView,
    mapping,
    sequence,
    views_of,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import (
    count,
    number,
    plain,
    sentence,
    shouted,
    status_words,
)

WIDTH = 80
LABEL = 9
FEW = 3


def host_report(
    host: str,
    facts: Mapping[str, Any],
    done: Mapping[str, Any] | None = None,
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
    views = views_of(facts, done or {}, check_mode, state)
    first = headline(facts, views, check_mode, state) + (f"; {note}" if note else "")
    if detail == "short" and is_quiet(facts, views, state):
        sets = f" in {len(views)} sets" if len(views) > 1 else ""
        return [f"{plain(host)}: {first}; {count(sum(view.found for view in views), 'feature')}{sets}, unchanged"]
    lines = ["-" * width]
    lines += _wrap(f"{plain(host)}: ", first, width, indent=2)
    for view in views:
        lines.append("")
        lines += _set_lines(view, check_mode, state, width)
    lines.append("-" * width)
    return lines


def is_quiet(facts: Mapping[str, Any], views: list[SetView], state: str) -> bool:
    """True for a host that is ready, where nothing was done and nothing has to be said."""
    return bool(
        state == "present" and facts.get("features_ready") is True and not any(view.acted or view.warnings for view in views)
    )


def failures(facts: Mapping[str, Any], fail_on: str, check_mode: bool = False) -> list[str]:
    """Return what fails the host, one sentence each. fail_on: see the option of feature_report.

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


def headline(facts: Mapping[str, Any], views: list[SetView], check_mode: bool, state: str) -> str:
    if not views:
        return "no feature set was inspected"
    mode = " (check mode: nothing was changed)" if check_mode else ""
    status = facts.get("feature_status")
    words = f"status {'null' if status is None else status}: {status_words(status)}"
    return f"{shouted(host_outcome(facts, check_mode, state))}, {words}{mode}"


def host_outcome(facts: Mapping[str, Any], check_mode: bool, state: str) -> str:
    """Return the outcome of a host from its facts alone."""
    if state == "absent":
        return "done"
    if facts.get("features_ready") is True:
        return "ready"
    return "would_be_ready" if check_mode and facts.get("features_will_be_ready") is True else "not_ready"


def _set_lines(view: SetView, check_mode: bool, state: str, width: int) -> list[str]:
    lines = _wrap(f"  {plain(view.name)}: ", shouted(view.outcome), width)
    status = "null" if view.status is None else str(view.status)
    found = f", {count(view.found, 'distinct feature')}" if view.found else ""
    lines += _field("status", [f"{status}: {view.words}{found}"], width)
    lines += _directory_lines(view.directories, width)
    lines += _field("done" if not check_mode else "plan", view.did or [nothing_done(view, check_mode)], width)
    lines += _field("access", access_sentences(view), width)
    lines += _field("PROBLEM", [sentence(text) for text in view.problems], width, every=True)
    lines += _field("warning", [sentence(text) for text in view.warnings], width, every=True)
    lines += _field("conflict", [_sample(item) for item in sequence(view.conflicts.get("samples"))][:FEW], width)
    lines += _field("rejected", _rejected(view), width)
    if state != "absent":
        lines += _field("TO DO", view.to_do, width, every=True)
    return lines


def nothing_done(view: SetView, check_mode: bool) -> str:
    if view.status is None:
        return "nothing: the status is unknown"
    return "nothing to change"


def access_sentences(view: SetView) -> list[str]:
    """Return if the training user can read the features; if not, what blocks, component by component."""
    user = plain(view.access.get("user") or "the training user")
    blocked = number(view.access.get("unreadable"))
    if not view.features and not blocked:
        return []
    if not blocked:
        return [f"{user} can read every feature"]
    grantable = number(view.access.get("to_grant"))
    text = f"{user} CANNOT READ {count(blocked, 'feature')}"
    if grantable:
        text += f" ({count(grantable, 'object')} would have to be granted)"
    return [text, *(_sample(item) for item in sequence(view.access.get("samples"))[:FEW])]


def _directory_lines(directories: Iterable[Directory], width: int) -> list[str]:
    lines: list[str] = []
    silent: dict[str, list[str]] = {}
    legacy: list[str] = []
    for directory in directories:
        if directory.role == "legacy":
            if directory.state in ("absent", "empty") and not directory.same_as:
                silent.setdefault(directory.state, []).append(plain(directory.path))
            else:
                legacy.append(f"{plain(directory.path)}: {directory.words()}")
        else:
            text = f"{plain(directory.path)}: {directory.words()}"
            if directory.owner and directory.state != "absent":
                text += f"; {plain(directory.owner)}"
            if directory.filesystem:
                text += "; on " + " ".join(plain(value) for value in directory.filesystem.values())
            lines += _field(directory.role, [text], width)
    legacy += [f"{state}: {', '.join(paths)}" for state, paths in silent.items()]
    return lines + _field("legacy", legacy, width)


def _rejected(view: SetView) -> list[str]:
    """Return one example for each directory and reason."""
    total = number(view.rejected.get("count"))
    shown: dict[tuple[str, str], str] = {}
    for item in sequence(view.rejected.get("samples")):
        sample = mapping(item)
        place = str(sample.get("path", "")).rpartition("/")[0]
        shown.setdefault((place, str(sample.get("reason", ""))), _sample(item))
    lines = list(shown.values())[:FEW]
    rest = total - len(lines)
    return [*lines, f"and {count(rest, 'more file')}"] if lines and rest > 0 else lines


def _sample(item: object) -> str:
    sample = mapping(item)
    path, reason = plain(sample.get("path", "")), plain(sample.get("reason", ""))
    return f"{path}: {reason}" if path and reason else path or reason or plain(item)


def _field(label: str, texts: Iterable[str], width: int, every: bool = False) -> list[str]:
    """Return a labelled block: the label once (or before each text), continuation lines below the text."""
    lines: list[str] = []
    for index, text in enumerate(texts):
        shown = label if every or index == 0 else ""
        lines += _wrap(f"    {shown:<{LABEL}}", text, width, indent=4 + LABEL + 2)
    return lines


def _wrap(prefix: str, text: str, width: int, indent: int = 4) -> list[str]:
    """Wrap at blanks only: a path stays in one piece, so that it can be copied."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=prefix,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [prefix.rstrip()]
