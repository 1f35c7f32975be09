# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of pairs (tests/system/test_pairs.py) has every pair of values that can be, and a reason for each that cannot."""

from __future__ import annotations

import pytest

from tests.support.pairs import IMPOSSIBLE, every_pair, pairs_of, table

ROWS = table(60)
SHORT = ROWS[: len(table(1))]


@pytest.mark.parametrize("rows", [SHORT, ROWS], ids=["short", "full"])
def test_every_pair_occurs_or_is_impossible(rows):
    found = {pair for row in rows for pair in pairs_of(row)}
    assert set(every_pair()) - found == set(IMPOSSIBLE)
    assert found <= set(every_pair())


def test_the_table_is_small_and_always_the_same():
    assert len(ROWS) == 60 and len(SHORT) <= 30
    assert table(60) == ROWS and table(1) == SHORT


def test_each_status_is_combined_with_each_staging_directory_and_state():
    assert len({(row["status"], row["staged"], row["state"]) for row in ROWS}) == 5 * 3 * 2
