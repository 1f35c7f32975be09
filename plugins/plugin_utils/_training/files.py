# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet's trainings: ``training.json``, and ``training.html`` that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils._training.verdict import duration
from ansible_collections.trainprep.features.plugins.plugin_utils._report.data import differing_sentence
from ansible_collections.trainprep.features.plugins.plugin_utils._report.files import (
    page_environment,
    to_json,
    write_files,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import size
from ansible_collections.trainprep.features.plugins.plugin_utils._training import charts
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import gpu_text

TEMPLATE = Path(__file__).with_name("page.html.j2")


def to_html(report: Mapping[str, Any]) -> str:
    """The document as one HTML page."""
    environment = page_environment()
    environment.filters.update(
        size=size,
        duration=duration,
        differing=differing_sentence,
        shown=_shown,
        gpu_text=gpu_text,
        moment=_moment,
        charts=lambda host: charts.charts_of(host["runs"]),
    )
    environment.globals.update({name: getattr(charts, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")})
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(report=report)


def write_training(directory: str, report: Mapping[str, Any]) -> list[str]:
    """Writes both files and returns their paths. OSError where the directory cannot be made or written."""
    return write_files(directory, {"training.json": to_json(report), "training.html": to_html(report)})


def _shown(value: object = None) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "–" if not isinstance(value, str) else value


def _moment(text: str) -> str:
    """C(2026-01-31 22:30) out of ISO 8601."""
    return text[:16].replace("T", " ")
