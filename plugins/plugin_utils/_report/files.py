# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report: ``report.json``, and ``report.html`` that needs nothing but itself."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.data import differing_sentence
from ansible_collections.trainprep.features.plugins.plugin_utils._report.table import OUTCOME_WORDS
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import count, listed, size
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

TEMPLATE = Path(__file__).with_name("page.html.j2")
STYLE = Path(__file__).with_name("page.css")


def to_json(report: Mapping[str, Any]) -> str:
    """The document as JSON text, ASCII only."""
    return json.dumps(report, indent=2) + "\n"


def page_environment() -> Environment:
    """What pages are made with. Everything that comes from a host is escaped: a file name may hold markup."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(style=Markup(STYLE.read_text(encoding="utf-8")), count=count)
    return environment


def to_html(report: Mapping[str, Any]) -> str:
    """The document as one HTML page."""
    environment = page_environment()
    environment.filters.update(size=size, listed=listed, differing=differing_sentence)
    environment.globals.update(OUTCOME_WORDS=OUTCOME_WORDS)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(report=report)


def write_report(directory: str, report: Mapping[str, Any]) -> list[str]:
    """Writes both files and returns their paths. OSError where the directory cannot be made or written."""
    return write_files(directory, {"report.json": to_json(report), "report.html": to_html(report)})


def write_files(directory: str, files: Mapping[str, str]) -> list[str]:
    """Writes texts by file name and returns their paths. OSError where the directory cannot be made or written."""
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        _write_whole(folder / name, text)
        written.append(str(folder / name))
    return written


def _write_whole(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never half of one."""
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(file.fileno(), 0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise
