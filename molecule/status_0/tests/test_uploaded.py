# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing anywhere: what the source holds is uploaded, and only that."""

from __future__ import annotations

NAMES = [f"cremad_1001_IEO_{emotion}_{level}.npz" for emotion in ("ANG", "DIS") for level in ("LO", "MD", "HI")]


def test_the_facts_say_none_before_and_present_after(before, after):
    assert before["feature_status"] == 0
    assert before["feature_sets"]["wav2vec"]["legacy"][1]["rejected"] == 5
    assert after["feature_status"] == 1
    assert after["features_ready"] is True
    assert after["feature_sets"]["wav2vec"]["target"]["features"] == 6
    assert after["feature_sets"]["wav2vec"]["incoming"]["state"] == "absent"


def test_the_target_holds_the_source_and_nothing_else(look):
    seen = look("/data/wav2vec_features")
    assert seen == {"links": {}, "files": sorted(NAMES), "dangling": [], "unreadable": []}


def test_the_staging_directory_is_gone(host):
    assert host.check_output("ls -A /data") == "wav2vec_features"
