# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of pairs (tests/system/test_pairs.py) has every pair of values that can be, and a reason for each that cannot."""

from __future__ import annotations

from tests.support.pairs import IMPOSSIBLE, every_pair, pairs_of, table

ROWS = table(60)


def test_every_pair_occurs_or_is_impossible():
    found = {pair for row in ROWS for pair in pairs_of(row)}
    assert set(every_pair()) - found == set(IMPOSSIBLE)
    assert found <= set(every_pair())


def test_the_table_is_small_and_always_the_same():
    assert 60 <= len(ROWS) <= 66
    assert table(60) == ROWS


def test_each_status_stands_with_each_staging_directory_and_state():
    assert len({(row["status"], row["staged"], row["state"]) for row in ROWS}) == 5 * 3 * 2
