# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report for a terminal: a table, or a stacked form if the terminal is too narrow. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from .data import differing_sentence, named
from .words import OUTCOME_WORDS, count, shouted

HEADINGS = ("HOST", "SET", "RESULT", "STATUS", "FEATURES")
NUMBERS = frozenset((4,))
LEAST_TEXT = 40
ATTENTION = ("not_ready", "failed", "unreachable", "not_looked_at")

Line = tuple[str, str]


def fleet_table(report: dict[str, Any], width: int) -> list[Line]:
    """Return the lines of the fleet report, each with the outcome that it stands for ("" for none): the caller picks colours.

    ``report`` is the document of ``fleet.document``; ``width`` is the terminal's, in columns.
    """
    rows = list(_rows(report))
    headings = (*HEADINGS, "PLAN" if report["check_mode"] else "DONE")
    widths = [max([len(heading), *(len(row[0][column]) for row in rows)]) for column, heading in enumerate(headings)]
    table_width = sum(widths) + 2 * (len(widths) - 1)
    if table_width > width:
        lines = _stacked(report, width)
    elif table_width + 2 + LEAST_TEXT <= width:
        lines = _beside(headings, rows, widths, width)
    else:
        lines = _below(headings, rows, widths, width)
    return [*lines, *_shared(report, width), *_differing(report, width), *_summary(report, width)]


def _rows(report: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], list[str], str]]:
    """Yield cells, what blocks, outcome: a row per set; one for a host without facts, or that is ready and unchanged."""
    for host in report["hosts"]:
        sets = host["sets"]
        if not sets:
            yield (host["host"], "-", shouted(host["outcome"]), "-", "-", "-"), _blocks(host), host["outcome"]
            continue
        if _is_quiet(host):
            yield (host["host"], f"{len(sets)} sets", "READY", host["status_words"], f"{_features(host):,}", "-"), [], "ready"
            continue
        shown = _blocks(host)
        for index, one in enumerate(sets):
            done = ", ".join(_done(one, report["check_mode"])) or "-"
            found = f"{one['found']:,}"
            cells = (host["host"] if index == 0 else "", one["name"], shouted(one["outcome"]), one["status_words"], found, done)
            outcome = host["outcome"] if host["outcome"] in ("failed", "unreachable") and index == 0 else one["outcome"]
            blocks = [*(shown if index == 0 else []), *(text for text in _problems(one) if text not in shown)]
            shown = [*shown, *blocks]
            yield cells, list(dict.fromkeys(blocks)), outcome


def _is_quiet(host: dict[str, Any]) -> bool:
    """True for a host with several sets that is ready and unchanged."""
    return len(host["sets"]) > 1 and host["outcome"] == "ready" and not any(one["did"] or one["problems"] for one in host["sets"])


def _features(host: dict[str, Any]) -> int:
    return sum(one["found"] for one in host["sets"])


def _problems(one: dict[str, Any]) -> list[str]:
    return [] if one["ready"] else one["problems"]


def _done(one: dict[str, Any], check_mode: bool) -> list[str]:
    counts = (("linked", "link", one["linked"]), ("uploaded", "upload", one["uploaded"]), ("removed", "remove", one["counts"]["removed"]))
    return [f"{base if check_mode else past} {amount:,}" for past, base, amount in counts if amount]


def _blocks(host: dict[str, Any]) -> list[str]:
    """Return the host's own message, unless a problem of a set says the same."""
    broke = host["outcome"] in ("failed", "unreachable")
    return [host["message"]] if host["message"] and (broke or not any(one["problems"] for one in host["sets"])) else []


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(width) if column in NUMBERS else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _beside(headings: Sequence[str], rows: list[Any], widths: Sequence[int], width: int) -> list[Line]:
    lines: list[Line] = [((_cells(headings, widths) + ("  WHAT BLOCKS" if any(row[1] for row in rows) else "")).rstrip(), "")]
    room = width - sum(widths) - 2 * len(widths)
    for cells, blocks, outcome in rows:
        texts = [line for text in blocks for line in _fold(text, room)] or [""]
        lines.append(((_cells(cells, widths) + "  " + texts[0]).rstrip(), outcome))
        lines += [(" " * (width - room) + text, outcome) for text in texts[1:]]
    return lines


def _below(headings: Sequence[str], rows: list[Any], widths: Sequence[int], width: int) -> list[Line]:
    lines: list[Line] = [(_cells(headings, widths).rstrip(), "")]
    for cells, blocks, outcome in rows:
        lines.append((_cells(cells, widths).rstrip(), outcome))
        lines += [(line, outcome) for text in blocks for line in _fold(text, width, "  ! ", "    ")]
    return lines


def _stacked(report: dict[str, Any], width: int) -> list[Line]:
    lines: list[Line] = []
    for host in report["hosts"]:
        outcome = host["outcome"]
        if _is_quiet(host):
            text = f"{host['host']}: READY, {host['status_words']}, {count(_features(host), 'feature')}"
            lines += [(line, outcome) for line in _fold(text, width, "", "  ")]
            continue
        shown = _blocks(host)
        lines.append((f"{host['host']}: {shouted(outcome)}", outcome))
        lines += [(line, outcome) for text in shown for line in _fold(text, width, "  ! ", "    ")]
        for one in host["sets"]:
            parts = [shouted(one["outcome"]), one["status_words"], count(one["found"], "feature"), *_done(one, report["check_mode"])]
            lines += [(line, one["outcome"]) for line in _fold(", ".join(parts), width, f"  {one['name']}: ", "    ")]
            problems = [text for text in _problems(one) if text not in shown]
            shown = [*shown, *problems]
            lines += [(line, one["outcome"]) for text in problems for line in _fold(text, width, "    ! ", "      ")]
    return lines


def _shared(report: dict[str, Any], width: int) -> list[Line]:
    lines: list[Line] = []
    for place in report["shared"]:
        text = (
            f"{place['path']} is one directory that {named(place['hosts'])} share"
            f" ({place['type']} {place['source']}): its features exist once."
        )
        lines += [(line, "") for line in _fold(text, width)]
    return lines


def _differing(report: dict[str, Any], width: int) -> list[Line]:
    return [(line, "not_ready") for entry in report["differing"] for line in _fold(differing_sentence(entry), width, "! ", "  ")]


def _summary(report: dict[str, Any], width: int) -> list[Line]:
    summary = report["summary"]
    parts = [f"{summary[key]:,} {words}" for key, words in OUTCOME_WORDS.items() if summary.get(key)]
    mode = " Check mode: nothing was changed." if report["check_mode"] else ""
    lines: list[Line] = [
        (line, "") for line in _fold(f"{count(summary['hosts'], 'host')}: {', '.join(parts)}.{mode}", width)
    ]
    for key in ATTENTION:
        names = [host["host"] for host in report["hosts"] if host["outcome"] == key]
        if names:
            words = OUTCOME_WORDS[key]
            lines += [(line, key) for line in _fold(f"{words[0].upper()}{words[1:]}: {named(names)}", width, "", "  ")]
    return lines


def _fold(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
