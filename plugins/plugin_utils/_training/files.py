# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet's trainings: ``training.json``, and ``training.html`` that needs nothing but itself.

At the end of a run, or without the callback host by host.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...module_utils._training.verdict import duration
from .. import run_id
from .._report.callbacks import TRAININGS, is_listening
from .._report.files import add_entry, link_to_trainings, page_environment, to_json, write_files
from .._report.words import by_message, differing_sentence, size
from . import charts
from .fleet import TrainingHost, assemble, host_entry, iso
from .text import best_text, cells_of, changes_of, gpu_text

TEMPLATE = Path(__file__).with_name("page.html.j2")


def to_html(report: Mapping[str, Any], features_page: bool = False) -> str:
    """Return the document as one HTML page. features_page: True if a page of the features is in the same directory."""
    environment = page_environment()
    environment.filters.update(
        size=size,
        duration=duration,
        differing=differing_sentence,
        shown=_shown,
        gpu_text=gpu_text,
        best_text=best_text,
        told_changes=changes_of,
        moment=_moment,
        moment_of=lambda seconds: _moment(iso(seconds) or "–"),
        cells=cells_of,
        by_message=lambda hosts: by_message({**host, "outcome": host["state"], "sets": ()} for host in hosts),
        charts=lambda host: charts.charts_of(host["runs"]),
        fleet_chart=charts.fleet_chart,
    )
    environment.globals.update({name: getattr(charts, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")})
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(report=report, features_page=features_page)


def write_training(directory: str, report: Mapping[str, Any]) -> list[str]:
    """Write both files and return their paths. OSError if the directory cannot be created or written."""
    features_page = (Path(directory).expanduser() / "report.html").is_file()
    written = write_files(directory, {"training.json": to_json(report), "training.html": to_html(report, features_page)})
    link_to_trainings(directory)
    return written


def add_host(directory: str, host: str, info: Mapping[str, Any], playbook: str) -> list[str]:
    """Add a host to training.json and training.html, unless the callback writes them; return their paths.

    OSError if the directory cannot be created or written.
    """
    if not directory or is_listening(TRAININGS):
        return []
    run, now = run_id.run_id(), datetime.now(UTC)

    def write(hosts: list[Any]) -> list[str]:
        return write_training(directory, assemble(hosts, playbook, now, run))

    return add_entry(directory, "training.json", run, host_entry(host, TrainingHost(info), now), write)


def _shown(value: object = None) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "–" if not isinstance(value, str) else value


def _moment(text: str) -> str:
    """C(2026-01-31 22:30) out of ISO 8601."""
    return text[:16].replace("T", " ")
