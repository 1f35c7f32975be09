# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All in the targets: nothing is to be done, and nothing is."""

from __future__ import annotations


def test_the_facts_say_target_only(before, after):
    for facts in (before, after):
        assert facts["feature_status"] == 1
        assert facts["features_ready"] is True
        assert {name: (s["status"], s["features"], s["to_link"]) for name, s in facts["feature_sets"].items()} == {
            "wav2vec": (1, 8, 0), "wav2vec_crema_d": (1, 24, 0)}


def test_no_file_was_touched(tree_before, tree):
    mine = [line for line in tree if line.startswith("/data")]
    assert mine == [line for line in tree_before if line.startswith("/data")]
    assert len(mine) == 1 + 2 + 32
