# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report for a terminal: a table where it fits, a stacked form where the terminal is narrow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.data import differing_sentence, named
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import count

HEADINGS = ("HOST", "SET", "STATUS", "FOUND", "LINKED", "UPLOADED", "READABLE")
NUMBERS = frozenset((3, 4, 5))
SHORT_STATUS = {
    0: "no features",
    1: "in target",
    2: "in legacy only",
    3: "target and legacy",
    None: "unknown",
}
OUTCOME_WORDS = {
    "ready": "ready",
    "done": "done",
    "not_ready": "not ready",
    "failed": "failed",
    "unreachable": "unreachable",
    "not_looked_at": "not looked at",
}
LEAST_TEXT = 40

Line = tuple[str, str]


def fleet_table(report: dict[str, Any], width: int) -> list[Line]:
    """The lines of the fleet report, each with the outcome it stands for ("" for neutral): the caller picks colours.

    ``report`` is the document that ``fleet.document`` returns; ``width`` is the terminal's, in columns.
    """
    rows = list(_rows(report))
    widths = [max([len(HEADINGS[column]), *(len(row[0][column]) for row in rows)]) for column in range(len(HEADINGS))]
    table_width = sum(widths) + 2 * (len(widths) - 1)
    if table_width > width:
        lines = _stacked(report, width)
    elif table_width + 2 + LEAST_TEXT <= width:
        lines = _beside(rows, widths, width)
    else:
        lines = _below(rows, widths, width)
    return [*lines, *_shared(report, width), *_differing(report, width), *_summary(report, width)]


def _rows(report: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], list[str], str]]:
    """Cells, sentences of what blocks, outcome; one row a set, or one for a host of which no set is known."""
    for host in report["hosts"]:
        if not host["sets"]:
            words = OUTCOME_WORDS[host["outcome"]]
            yield (host["host"], "-", words, "-", "-", "-", "-"), _blocks(host, None), host["outcome"]
        for index, one in enumerate(host["sets"]):
            cells = (
                host["host"] if index == 0 else "",
                one["name"],
                SHORT_STATUS.get(one["status"], "?"),
                f"{one['found']:,}",
                f"{one['linked']:,}",
                f"{one['uploaded']:,}",
                one["readable"],
            )
            outcome = host["outcome"] if host["outcome"] in ("failed", "unreachable") and index == 0 else ""
            blocks = [*(_blocks(host, one) if index == 0 else []), *(one["problems"] if not one["ready"] else [])]
            yield cells, list(dict.fromkeys(blocks)), outcome or _outcome(one)


def _outcome(one: dict[str, Any]) -> str:
    return "ready" if one["ready"] else "" if one["may_stay_empty"] else "not_ready"


def _blocks(host: dict[str, Any], one: dict[str, Any] | None) -> list[str]:
    """The host's own sentence, where no problem of a set says the same."""
    if not host["message"]:
        return []
    prefix = OUTCOME_WORDS[host["outcome"]] + ": " if host["outcome"] in ("failed", "unreachable") else ""
    if one is not None and not prefix and any(other["problems"] for other in host["sets"]):
        return []
    return [prefix + host["message"]]


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(width) if column in NUMBERS else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _beside(rows: list[Any], widths: Sequence[int], width: int) -> list[Line]:
    lines: list[Line] = [(_cells(HEADINGS, widths) + "  WHAT BLOCKS", "")]
    room = width - sum(widths) - 2 * len(widths)
    for cells, blocks, outcome in rows:
        texts = [line for text in blocks for line in _fold(text, room)] or [""]
        lines.append(((_cells(cells, widths) + "  " + texts[0]).rstrip(), outcome))
        lines += [(" " * (width - room) + text, outcome) for text in texts[1:]]
    return lines


def _below(rows: list[Any], widths: Sequence[int], width: int) -> list[Line]:
    lines: list[Line] = [(_cells(HEADINGS, widths).rstrip(), "")]
    for cells, blocks, outcome in rows:
        lines.append((_cells(cells, widths).rstrip(), outcome))
        lines += [(line, outcome) for text in blocks for line in _fold(text, width, "  ! ", "    ")]
    return lines


def _stacked(report: dict[str, Any], width: int) -> list[Line]:
    lines: list[Line] = []
    for host in report["hosts"]:
        lines.append((f"{host['host']}: {OUTCOME_WORDS[host['outcome']]}", host["outcome"]))
        first = host["sets"][0] if host["sets"] else None
        lines += [
            (line, host["outcome"]) for text in _blocks(host, first) for line in _fold(text, width, "  ! ", "    ")
        ]
        for one in host["sets"]:
            outcome = _outcome(one)
            parts = [SHORT_STATUS.get(one["status"], "?"), f"{one['found']:,} found"]
            parts += [f"{one[key]:,} {key}" for key in ("linked", "uploaded") if one[key]]
            parts.append(f"readable: {one['readable']}")
            lines += [(line, outcome) for line in _fold(", ".join(parts), width, f"  {one['name']}: ", "    ")]
            if not one["ready"]:
                lines += [
                    (line, outcome) for text in one["problems"] for line in _fold(text, width, "    ! ", "      ")
                ]
    return lines


def _shared(report: dict[str, Any], width: int) -> list[Line]:
    lines: list[Line] = []
    for place in report["shared"]:
        text = (
            f"{place['path']} of {named(place['hosts'])} is one and the same directory"
            f" ({place['type']} {place['source']}): its features are there once."
        )
        lines += [(line, "") for line in _fold(text, width)]
    return lines


def _differing(report: dict[str, Any], width: int) -> list[Line]:
    return [(line, "not_ready") for entry in report["differing"] for line in _fold(differing_sentence(entry), width, "! ", "  ")]


def _summary(report: dict[str, Any], width: int) -> list[Line]:
    summary = report["summary"]
    parts = [f"{summary[key]:,} {words}" for key, words in OUTCOME_WORDS.items() if summary[key]]
    mode = " Check mode: nothing was changed." if report["check_mode"] else ""
    lines: list[Line] = [
        (line, "") for line in _fold(f"{count(summary['hosts'], 'host')}: {', '.join(parts)}.{mode}", width)
    ]
    for key in ("not_ready", "failed", "unreachable", "not_looked_at"):
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
