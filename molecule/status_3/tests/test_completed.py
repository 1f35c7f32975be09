# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some in a target already: only what it lacks is linked; files that were there stay files."""

from __future__ import annotations


def test_the_facts_say_both(before, after):
    assert before["feature_status"] == 3
    assert {name: (s["status"], s["to_link"]) for name, s in before["feature_sets"].items()} == {
        "wav2vec": (2, 8), "wav2vec_crema_d": (3, 14)}
    assert after["features_ready"] is True
    assert {name: (s["to_link"], s["features"]) for name, s in after["feature_sets"].items()} == {
        "wav2vec": (0, 8), "wav2vec_crema_d": (0, 24)}


def test_files_stay_files_and_the_rest_is_linked(look):
    seen = look("/data/wav2vec_crema_d")
    assert (len(seen["files"]), len(seen["links"]), seen["dangling"], seen["unreadable"]) == (10, 14, [], [])


def test_files_of_the_target_were_not_touched(tree_before, tree):
    def files(listing):
        return [line for line in listing if line.startswith("/data/wav2vec_crema_d/") and line.split("|")[1] == "f"]

    assert files(tree) == files(tree_before)
    assert len(files(tree)) == 10
