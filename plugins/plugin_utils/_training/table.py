# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trainings of a fleet for a terminal: a table, or one paragraph per host if the terminal is too narrow. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.data import differing_sentence, named
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import count

HEADINGS = ("HOST", "VERDICT", "EPOCH", "BEST", "EXPECTED END", "GPU", "DATA")
_NOTHING = "-"

Line = tuple[str, str]


def training_table(report: Mapping[str, Any], width: int) -> list[Line]:
    """Return the lines, each with the verdict that it stands for ("" for none): the caller picks colours. Unhealthy hosts come first.

    report: the document of C(fleet.document); width: columns of the terminal.
    """
    hosts = attention_first(report["hosts"])
    rows = [cells_of(host) for host in hosts]
    widths = [max(len(row[column]) for row in [HEADINGS, *rows]) for column in range(len(HEADINGS))]
    fits = sum(widths) + 2 * (len(widths) - 1) <= width
    lines: list[Line] = [(_row(HEADINGS, widths), "")] if fits else []
    for host, row in zip(hosts, rows, strict=True):
        if fits:
            lines.append((_row(row, widths), host["state"]))
        else:
            said = [f"{heading.lower()} {cell}" for heading, cell in zip(HEADINGS[2:], row[2:], strict=True) if cell != _NOTHING]
            lines += [(line, host["state"]) for line in _fold(f"{row[0]}: {', '.join([row[1], *said])}", width, "", "  ")]
        if not host["healthy"]:
            lines += [(line, host["state"]) for line in _fold(host["message"], width, "  ! ", "    ")]
        if host["gpu_problem"]:
            lines += [(line, "failed") for line in _fold(host["gpu_problem"], width, "  ! ", "    ")]
    lines += [(line, "failed") for entry in report["differing"] for line in _fold(differing_sentence(entry), width, "! ", "  ")]
    return [*lines, *_summary(report, hosts, width)]


def attention_first(hosts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hosts, the unhealthy ones first, else in their order."""
    return sorted(hosts, key=lambda host: bool(host["healthy"]))


def cells_of(host: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one host's cells, C(-) for what is not known."""
    epoch = _NOTHING if host["epoch"] is None else f"{host['epoch']:g}" + (f"/{host['epochs']}" if host["epochs"] else "")
    best = host["runs"][0]["best"] if host["runs"] else None
    shown = f"{best['metric']} {best['value']:.4g} at {best['epoch']:g}" if best else _NOTHING
    end = host["expected_end"][:16].replace("T", " ") + "Z" if host["expected_end"] else _NOTHING
    data = {True: "changed", False: "unchanged"}.get(host["features"]["changed"], _NOTHING)
    return host["host"], host["state"], epoch, shown, end, gpu_cell(host), data


def gpu_cell(host: Mapping[str, Any]) -> str:
    """Return the use of a host's GPUs in few characters."""
    if host["gpu_problem"]:
        return "trouble"
    uses = [gpu["use"] for gpu in host["gpus"] if gpu["use"] is not None]
    if not uses:
        return f"{len(host['gpus'])}" if host["gpus"] else _NOTHING
    use = f"{min(uses)} %" if min(uses) == max(uses) else f"{min(uses)}-{max(uses)} %"
    return use if len(host["gpus"]) == 1 else f"{len(host['gpus'])}: {use}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _summary(report: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    states = ", ".join(f"{amount} {state}" for state, amount in report["summary"]["states"].items() if amount)
    lines = [(line, "") for line in _fold(f"{count(report['summary']['hosts'], 'host')}: {states}.", width, "", "  ")]
    bad = [host["host"] for host in hosts if not host["healthy"]]
    return lines + [(line, "failed") for line in (_fold(f"Need attention: {named(bad)}", width, "", "  ") if bad else [])]


def _fold(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, max(width, 20), initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]
