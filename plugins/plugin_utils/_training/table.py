# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trainings of a fleet for a terminal: a table, or one paragraph per host if the terminal is too narrow. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.data import named
from ansible_collections.trainprep.features.plugins.plugin_utils._report.table import NOTHING, Line, differing, rows_of
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import count, fold

HEADINGS = ("HOST", "VERDICT", "EPOCH", "BEST", "EXPECTED END", "GPU", "DATA")


def training_table(report: Mapping[str, Any], width: int) -> list[Line]:
    """Return the lines, each with the verdict that it stands for ("" for none): the caller picks colours. Unhealthy hosts come first.

    report: the document of C(fleet.document); width: columns of the terminal.
    """
    hosts = attention_first(report["hosts"])
    rows = [(cells_of(host), _blocks(host), host["state"]) for host in hosts]
    return [*rows_of(HEADINGS, rows, width), *differing(report, width), *_summary(report, hosts, width)]


def _blocks(host: Mapping[str, Any]) -> list[Line]:
    message = [] if host["healthy"] else [(host["message"], host["state"])]
    return message + ([(host["gpu_problem"], "failed")] if host["gpu_problem"] else [])


def attention_first(hosts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hosts, the unhealthy ones first, else in their order."""
    return sorted(hosts, key=lambda host: bool(host["healthy"]))


def cells_of(host: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one host's cells, C(-) for what is not known."""
    epoch = NOTHING if host["epoch"] is None else f"{host['epoch']:g}" + (f"/{host['epochs']}" if host["epochs"] else "")
    best = host["runs"][0]["best"] if host["runs"] else None
    shown = f"{best['metric']} {best['value']:.4g} at {best['epoch']:g}" if best else NOTHING
    end = host["expected_end"][:16].replace("T", " ") + "Z" if host["expected_end"] else NOTHING
    data = {True: "changed", False: "unchanged"}.get(host["features"]["changed"], NOTHING)
    return host["host"], host["state"], epoch, shown, end, gpu_cell(host), data


def gpu_cell(host: Mapping[str, Any]) -> str:
    """Return the use of a host's GPUs in few characters."""
    if host["gpu_problem"]:
        return "trouble"
    uses = [gpu["use"] for gpu in host["gpus"] if gpu["use"] is not None]
    if not uses:
        return f"{len(host['gpus'])}" if host["gpus"] else NOTHING
    use = f"{min(uses)} %" if min(uses) == max(uses) else f"{min(uses)}-{max(uses)} %"
    return use if len(host["gpus"]) == 1 else f"{len(host['gpus'])}: {use}"


def _summary(report: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    states = ", ".join(f"{amount} {state}" for state, amount in report["summary"]["states"].items() if amount)
    lines = [(line, "") for line in fold(f"{count(report['summary']['hosts'], 'host')}: {states}.", width, "", "  ")]
    bad = [host["host"] for host in hosts if not host["healthy"]]
    return lines + [(line, "failed") for line in (fold(f"Need attention: {named(bad)}", width, "", "  ") if bad else [])]
