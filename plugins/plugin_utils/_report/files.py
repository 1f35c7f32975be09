# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report: ``report.json`` and the self-contained page ``report.html``."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError
from markupsafe import Markup

from .data import by_message, differing_sentence, named
from .table import ATTENTION
from .words import OUTCOME_WORDS, count

TEMPLATE = Path(__file__).with_name("page.html.j2")
STYLE = Path(__file__).with_name("page.css")


def to_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2) + "\n"


def page_environment() -> Environment:
    """Return the template environment of the pages. It escapes all values: a file name may contain markup."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(style=Markup(STYLE.read_text(encoding="utf-8")), count=count)
    return environment


def to_html(report: Mapping[str, Any], training_page: bool = False) -> str:
    """Return the document as one HTML page. training_page: True if a page of the trainings is in the same directory."""
    environment = page_environment()
    environment.filters.update(named=named, by_message=by_message, differing=differing_sentence)
    environment.globals.update(OUTCOME_WORDS=OUTCOME_WORDS, ATTENTION=ATTENTION)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(report=report, training_page=training_page)


def write_report(directory: str, report: Mapping[str, Any]) -> list[str]:
    """Write both files and return their paths. OSError if the directory cannot be created or written."""
    training_page = (Path(directory).expanduser() / "training.html").is_file()
    return write_files(directory, {"report.json": to_json(report), "report.html": to_html(report, training_page)})


def link_to_trainings(directory: str) -> None:
    """Give an existing page of the features its link to the page of the trainings, if its report can be read."""
    folder = Path(directory).expanduser()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, TemplateError):
        if (folder / "report.html").is_file():
            _write_whole(folder / "report.html", to_html(json.loads((folder / "report.json").read_text(encoding="utf-8")), True))


def add_entry(directory: str, name: str, run: str, entry: Mapping[str, Any], write: Callable[[list[Any]], list[str]]) -> list[str]:
    """Write a report of the hosts that this run has in that file already, and of this one; return what C(write) returns.

    A report of another run is replaced. OSError if the directory cannot be created or written.
    """
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return write([*(one for one in _hosts_of(folder / name, run) if one["host"] != entry["host"]), entry])
    finally:
        os.close(lock)


def _hosts_of(path: Path, run: str) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["run"] == run:
            return list(found["hosts"])
    return []


def write_files(directory: str, files: Mapping[str, str]) -> list[str]:
    """Write texts by file name and return their paths. OSError if the directory cannot be created or written."""
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        _write_whole(folder / name, text)
        written.append(str(folder / name))
    return written


def _write_whole(path: Path, text: str) -> None:
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
