# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts in different states in one run: each gets what it lacks."""

from __future__ import annotations

EXPECTED = {
    "mixed-legacy": {"before": 2, "links": {"wav2vec_features": 8, "wav2vec_crema_d": 24}},
    "mixed-target": {"before": 1, "links": {"wav2vec_crema_d": 0}},
}


def test_the_facts_are_each_host_s_own(name, before, after):
    assert before["feature_status"] == EXPECTED[name]["before"]
    assert after["features_ready"] is True
    assert sum(s["to_link"] for s in after["feature_sets"].values()) == 0


def test_the_disk_is_each_host_s_own(name, look):
    for target, links in EXPECTED[name]["links"].items():
        seen = look(f"/data/{target}")
        assert (len(seen["links"]), seen["dangling"], seen["unreadable"]) == (links, [], [])
    if name == "mixed-target":
        assert len(look("/data/wav2vec_crema_d")["files"]) == 24
