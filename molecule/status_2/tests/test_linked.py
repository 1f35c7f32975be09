# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All under old paths: each feature is linked, once, into the target it belongs to; other models' files are not."""

from __future__ import annotations

LEGACY = "/home/ubuntu/audio_emotion/models/wav2vec"


def test_the_facts_say_legacy_before_and_both_after(before, after):
    assert before["feature_status"] == 2
    assert before["features_ready"] is False
    assert {name: (s["status"], s["to_link"]) for name, s in before["feature_sets"].items()} == {
        "wav2vec": (2, 8), "wav2vec_crema_d": (2, 24)}
    assert after["features_ready"] is True, after
    assert {name: (s["to_link"], s["target"]["links"], s["target"]["dangling"])
            for name, s in after["feature_sets"].items()} == {"wav2vec": (0, 8, 0), "wav2vec_crema_d": (0, 24, 0)}


def test_each_feature_stands_in_one_target_as_a_link_that_resolves(look):
    ravdess, crema_d = look("/data/wav2vec_features"), look("/data/wav2vec_crema_d")
    for seen, count, start in ((ravdess, 8, "ravdess_"), (crema_d, 24, "cremad_")):
        assert (len(seen["links"]), seen["files"], seen["dangling"], seen["unreadable"]) == (count, [], [], [])
        assert all(name.startswith(start) for name in seen["links"])
        assert all(text == f"{LEGACY}/{name}" for name, text in seen["links"].items())


def test_the_targets_belong_to_the_training_user(host):
    for target in ("/data/wav2vec_features", "/data/wav2vec_crema_d"):
        directory = host.file(target)
        assert (directory.user, directory.group, oct(directory.mode)) == ("ubuntu", "ubuntu", "0o755")


def test_what_was_there_is_as_it_was(tree_before, tree):
    kept = [line for line in tree if "/.ansible" not in line and line.split("|")[0].endswith(".npz") and line.startswith("/home")]
    assert kept == [line for line in tree_before if line.split("|")[0].endswith(".npz") and line.startswith("/home")]
    assert len(kept) == 32 + 10 + 10 + 5
