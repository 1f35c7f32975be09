# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on a fresh host: the plan is told, no byte of the host changes."""

from __future__ import annotations


def test_the_facts_say_what_is_to_be_done(before, after):
    for facts in (before, after):
        assert facts["feature_status"] == 2
        assert {name: s["to_link"] for name, s in facts["feature_sets"].items()} == {"wav2vec": 8, "wav2vec_crema_d": 24}


def test_the_tree_is_the_same_before_and_after(tree_before, tree):
    def ours(listing):
        # Ansible's own temporary directory is no part of the host's data.
        return [line for line in listing if "/.ansible" not in line and not line.startswith("/home/ubuntu|")]

    assert ours(tree) == ours(tree_before)
    assert len(ours(tree)) > 50
