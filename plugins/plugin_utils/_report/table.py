# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet report for a terminal: a table, or a paragraph for each row if the terminal is too narrow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .words import OUTCOME_WORDS, count, differing_sentence, fold, named, shouted

HEADINGS = ("HOST", "SET", "RESULT", "STATUS", "FEATURES")
NOTHING = "-"
ATTENTION = ("not_ready", "failed", "unreachable", "not_looked_at")

# A line, and the outcome that it stands for ("" for none): the caller picks colours.
Line = tuple[str, str]
# Cells, what blocks (below them), outcome. A row without a first cell goes on with the host of the row before.
Row = tuple[Sequence[str], Sequence[Line], str]


def fleet_table(report: dict[str, Any], width: int) -> list[Line]:
    """Return the lines of the fleet report.

    ``report`` is the document of ``fleet.document``; ``width`` is the terminal's, in columns.
    """
    headings = (*HEADINGS, "PLAN" if report["check_mode"] else "DONE")
    return [*rows_of(headings, list(_rows(report)), width, 4), *_shared(report, width), *differing(report, width), *_summary(report, width)]


def rows_of(headings: Sequence[str], rows: Sequence[Row], width: int, numbers: int = -1) -> list[Line]:
    """Return rows below headings, or as paragraphs if the terminal is too narrow. numbers: the column that is aligned to the right."""
    widths = [max(len(cells[column]) for cells in [headings, *(row[0] for row in rows)]) for column in range(len(headings))]
    fits = sum(widths) + 2 * (len(widths) - 1) <= width
    lines = [(_row(headings, widths, numbers), "")] if fits else []
    for cells, blocks, outcome in rows:
        lines += [(line, outcome) for line in ([_row(cells, widths, numbers)] if fits else _paragraph(headings, cells, width))]
        lines += [(line, kind) for text, kind in blocks for line in fold(text, width, "  ! ", "    ")]
    return lines


def _row(cells: Sequence[str], widths: Sequence[int], numbers: int) -> str:
    aligned = (f"{cell:{'>' if column == numbers else '<'}{widths[column]}}" for column, cell in enumerate(cells))
    return "  ".join(aligned).rstrip()


def _paragraph(headings: Sequence[str], cells: Sequence[str], width: int) -> list[str]:
    said = [f"{heading.lower()} {cell}" for heading, cell in zip(headings[2:], cells[2:], strict=True) if cell != NOTHING]
    text = ", ".join([cells[1], *said] if cells[1] != NOTHING else said)
    return fold(f"{cells[0]}: {text}" if cells[0] else f"  {text}", width, "", "    ")


def _rows(report: dict[str, Any]) -> Iterator[Row]:
    """Yield a row per set; one for a host without facts, or that is ready and unchanged."""
    for host in report["hosts"]:
        sets = host["sets"]
        shown = _blocks(host)
        if not sets:
            cells = (host["host"], NOTHING, shouted(host["outcome"]), NOTHING, NOTHING, NOTHING)
            yield cells, [(text, host["outcome"]) for text in shown], host["outcome"]
        elif _is_quiet(host):
            found = f"{sum(one['found'] for one in sets):,}"
            yield (host["host"], f"{len(sets)} sets", "READY", host["status_words"], found, NOTHING), [], "ready"
        else:
            yield from _set_rows(host, shown, report["check_mode"])


def _set_rows(host: dict[str, Any], shown: list[str], check_mode: bool) -> Iterator[Row]:
    blocks, name = list(shown), host["host"]
    for one in host["sets"]:
        outcome = host["outcome"] if host["outcome"] in ("failed", "unreachable") and name else one["outcome"]
        blocks += [text for text in dict.fromkeys(() if one["ready"] else one["problems"]) if text not in shown]
        done = ", ".join(_done(one, check_mode)) or NOTHING
        cells = (name, one["name"], shouted(one["outcome"]), one["status_words"], f"{one['found']:,}", done)
        yield cells, [(text, outcome) for text in blocks], outcome
        shown, blocks, name = [*shown, *blocks], [], ""


def _is_quiet(host: dict[str, Any]) -> bool:
    """True for a host with several sets that is ready and unchanged."""
    return len(host["sets"]) > 1 and host["outcome"] == "ready" and not any(one["did"] or one["problems"] for one in host["sets"])


def _done(one: dict[str, Any], check_mode: bool) -> list[str]:
    counts = (("linked", "link", one["linked"]), ("uploaded", "upload", one["uploaded"]), ("removed", "remove", one["counts"]["removed"]))
    return [f"{base if check_mode else past} {amount:,}" for past, base, amount in counts if amount]


def _blocks(host: dict[str, Any]) -> list[str]:
    """Return the host's own message, unless a problem of a set says the same."""
    broke = host["outcome"] in ("failed", "unreachable")
    return [host["message"]] if host["message"] and (broke or not any(one["problems"] for one in host["sets"])) else []


def _shared(report: dict[str, Any], width: int) -> list[Line]:
    texts = [
        f"{one['path']} is one directory that {named(one['hosts'])} share ({one['type']} {one['source']}): its features exist once."
        for one in report["shared"]
    ]
    return [(line, "") for text in texts for line in fold(text, width)]


def differing(report: Mapping[str, Any], width: int) -> list[Line]:
    return [(line, "failed") for entry in report["differing"] for line in fold(differing_sentence(entry), width, "! ", "  ")]


def _summary(report: dict[str, Any], width: int) -> list[Line]:
    summary = report["summary"]
    parts = [f"{summary[key]:,} {words}" for key, words in OUTCOME_WORDS.items() if summary.get(key)]
    mode = " Check mode: nothing was changed." if report["check_mode"] else ""
    lines = [(line, "") for line in fold(f"{count(summary['hosts'], 'host')}: {', '.join(parts)}.{mode}", width)]
    for key in ATTENTION:
        names = [host["host"] for host in report["hosts"] if host["outcome"] == key]
        if names:
            words = OUTCOME_WORDS[key]
            lines += [(line, key) for line in fold(f"{words[0].upper()}{words[1:]}: {named(names)}", width, "", "  ")]
    return lines
