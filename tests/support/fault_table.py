# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the fault suite, from what its tests left in .build/faults. As a script it writes it into docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.faults import BUILD, Tally
from tests.support.hosts import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "reliability.md"
MARKS = ("<!-- table: written by make faults -->", "<!-- end of the table -->")


def read() -> list[Tally]:
    """The tallies of the last run, those of one title added up."""
    found: dict[str, Tally] = {}
    for file in sorted((BUILD / "results").glob("*.json")):
        for entry in json.loads(file.read_text()):
            one = Tally(**entry)
            sum_of = found.setdefault(one.title, Tally(one.title))
            sum_of.runs += one.runs
            sum_of.promises += one.promises
            sum_of.violations += one.violations
            sum_of.not_run += one.not_run
    return sorted(found.values(), key=lambda one: one.title)


def table(tallies: Sequence[Tally]) -> list[str]:
    """Markdown: a row a scenario, and their sum."""
    lines = ["| scenario | runs | promises checked | violations |", "|---|---:|---:|---:|"]
    for one in tallies:
        runs = f"{one.runs:,}" if one.runs else "not run"
        lines.append(f"| {one.title} | {runs} | {one.promises:,} | {len(one.violations)} |")
    total = [sum(values) for values in zip(*((one.runs, one.promises, len(one.violations)) for one in tallies), strict=True)] or [0, 0, 0]
    lines.append(f"| **{len(tallies)} scenarios** | **{total[0]:,}** | **{total[1]:,}** | **{total[2]}** |")
    return lines


def summary(tallies: Sequence[Tally]) -> str:
    """The last line of a run."""
    return (
        f"faults: {len(tallies)} scenarios, {sum(one.runs for one in tallies):,} runs,"
        f" {sum(one.promises for one in tallies):,} promises checked,"
        f" {sum(len(one.violations) for one in tallies)} violations, {sum(len(one.not_run) for one in tallies)} not run"
    )


def write() -> None:
    """Puts the last run's table into the documentation."""
    before, rest = DOCUMENT.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    DOCUMENT.write_text("\n".join([before + MARKS[0], "", *table(read()), "", MARKS[1] + after]))


if __name__ == "__main__":
    write()
