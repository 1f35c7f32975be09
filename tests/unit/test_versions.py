# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that are documented are those that the matrix runs."""

from __future__ import annotations

from tests.matrix.combinations import CORES, pin, pinned
from tests.matrix.table import split_page, tables


def _without_results(text):
    return [line.rsplit("|", 2)[0] for line in text.splitlines()]


def test_the_documented_combinations_are_those_that_are_run():
    assert _without_results(split_page()[1]) == _without_results(tables({}, pinned()[0]))


def test_the_pinned_versions_are_among_them():
    assert {pin("ansible-core", python) for python in pinned()} <= {core.version for core in CORES if core.is_final}
