# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: features of an earlier model are linked, a host without features gets them from the source."""

from __future__ import annotations

LEGACY = "/home/ubuntu/audio_emotion/models/wav2vec"


def test_every_feature_is_in_its_target_once(name, look, after):
    assert after["features_ready"] is True, after
    seen = look("/data/wav2vec_features"), look("/data/wav2vec_crema_d")
    assert [(one["dangling"], one["unreadable"]) for one in seen] == [([], []), ([], [])]
    if name == "main-linked":
        assert [len(one["links"]) for one in seen] == [8, 24]
        assert all(text == f"{LEGACY}/{link}" for one in seen for link, text in one["links"].items())
    else:
        assert [len(one["files"]) for one in seen] == [0, 6]


def test_the_facts_before_explain_what_was_done(name, before):
    assert before["feature_status"] == (2 if name == "main-linked" else 0)
