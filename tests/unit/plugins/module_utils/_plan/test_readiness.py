# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness of a host that is inspected for real: ready or not, and what each message names."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    damaged,
    facts_of,
    feature,
    features,
    link,
    other,
    run,
    says,
    unprivileged,
)


class TestReady:
    def test_features_in_the_target_that_can_be_read(self, host):
        features(host / "data/t", "a.npz")
        found = facts_of(a_set(host / "data/t"))
        assert found["features_ready"] is True
        assert found["feature_sets"]["t"]["problems"] == found["feature_sets"]["t"]["warnings"] == []

    def test_links_made_by_a_run(self, host):
        features(host / "old", "a.npz")
        raw = a_set(host / "data/t", host / "old")
        before = facts_of(raw)
        assert (before["features_ready"], before["features_will_be_ready"]) == (False, True)
        assert says(before["feature_sets"]["t"]["problems"], host / "data/t", "1 feature")
        run(raw)
        assert facts_of(raw)["features_ready"] is True

    @pytest.mark.parametrize(("expected", "ready"), [(0, True), (1, True), (2, True), (3, False)])
    def test_expected_is_a_least_number(self, host, expected, ready):
        features(host / "data/t", "a.npz", "b.npz")
        found = facts_of(a_set(host / "data/t", expected=expected))
        assert found["features_ready"] is ready
        assert ready or says(found["feature_sets"]["t"]["problems"], host / "data/t", 2, 3)

    def test_expected_is_reached_by_what_is_linked(self, host):
        features(host / "data/t", "a.npz")
        features(host / "old", "b.npz")
        raw = a_set(host / "data/t", host / "old", expected=2)
        found = facts_of(raw)
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, True)
        run(raw)
        assert facts_of(raw)["features_ready"] is True

    def test_without_features_files_with_other_arrays_are_named(self, host):
        other(host / "old/v.npz")
        raw = a_set(host / "data/t", host / "old")
        assert says(facts_of(raw)["feature_sets"]["t"]["problems"], "name a source", "1 other file", host / "old/v.npz", "'arrays'")
        (host / "old/v.npz").unlink()
        assert not says(facts_of(raw)["feature_sets"]["t"]["problems"], "'arrays'")

    def test_an_intact_file_of_another_kind_is_a_warning(self, host):
        features(host / "data/t", "a.npz")
        other(host / "data/t/v.npz")
        found = facts_of(a_set(host / "data/t"))
        assert found["features_ready"] is True
        assert says(found["feature_sets"]["t"]["warnings"], host / "data/t", "v.npz", "video_features")

    def test_what_the_trainer_does_not_read_does_not_matter(self, host):
        features(host / "data/t", "a.npz")
        damaged(host / "data/t/a.bak")
        link(host / "data/t/readme", "/nowhere")
        assert facts_of(a_set(host / "data/t"))["features_ready"] is True


class TestNotReady:
    def test_a_damaged_file(self, host):
        features(host / "data/t", "a.npz")
        damaged(host / "data/t/b.npz")
        found = facts_of(a_set(host / "data/t"))
        assert found["features_ready"] is False
        assert says(found["feature_sets"]["t"]["problems"], host / "data/t", "b.npz", "damaged")

    def test_a_dangling_link(self, host):
        features(host / "data/t", "a.npz")
        link(host / "data/t/b.npz", "/nowhere/b.npz")
        found = facts_of(a_set(host / "data/t"))
        assert found["features_ready"] is False
        assert says(found["feature_sets"]["t"]["problems"], host / "data/t", "b.npz", "/nowhere/b.npz")
        # Pruning would not help here, and must not be offered.
        assert not says(found["feature_sets"]["t"]["problems"], "set prune to")

    def test_a_dangling_link_into_a_legacy_directory(self, host):
        features(host / "data/t", "a.npz")
        (host / "old").mkdir()
        link(host / "data/t/b.npz", host / "old/b.npz")
        raw = a_set(host / "data/t", host / "old")
        assert says(facts_of(raw)["feature_sets"]["t"]["problems"], "b.npz", "set prune to", "dangling")
        found = facts_of(raw, prune="dangling")
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, True)

    def test_of_several_dangling_links_the_one_that_stays_is_advised_on(self, host):
        features(host / "old", "a.npz")
        for name, text in (("a.npz", "/nowhere/a.npz"), ("b.npz", host / "old/b.npz"), ("c.npz", "/nowhere/c.npz")):
            link(host / "data/t" / name, text)
        raw = a_set(host / "data/t", host / "old")
        (problem,) = [text for text in facts_of(raw, prune="dangling")["feature_sets"]["t"]["problems"] if "dangle" in text]
        assert "3 links" in problem and "set prune to" not in problem
        os.unlink(host / "data/t/c.npz")
        assert facts_of(raw, prune="dangling")["features_will_be_ready"] is True

    def test_one_feature_twice_in_a_target(self, host):
        features(host / "data/t", "a.npz")
        copy(host / "data/t/a.npz", host / "data/t/b.npz")
        found = facts_of(a_set(host / "data/t"))
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, False)
        assert says(found["feature_sets"]["t"]["problems"], host / "data/t/a.npz", host / "data/t/b.npz", "validation")
        assert found["feature_sets"]["t"]["leaks"] == 1

    def test_one_feature_in_two_targets_makes_both_not_ready(self, host):
        features(host / "data/t", "a.npz", "b.npz")
        copy(host / "data/t/a.npz", host / "data/u/a.npz")
        found = facts_of(a_set(host / "data/t"), a_set(host / "data/u"))
        for name in ("t", "u"):
            assert found["feature_sets"][name]["ready"] is False
            assert says(found["feature_sets"][name]["problems"], host / "data/t/a.npz", host / "data/u/a.npz")

    def test_leaks_that_the_plan_clears_and_those_it_does_not(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/a.npz", host / "old/a.npz")
        link(host / "data/t/z.npz", host / "old/a.npz")
        raw = a_set(host / "data/t", host / "old")
        found = facts_of(raw, prune="stray")
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, True)
        assert says(facts_of(raw)["feature_sets"]["t"]["problems"], "set prune to", "stray")
        features(host / "data/t", "m.npz")
        copy(host / "data/t/m.npz", host / "data/t/n.npz")
        assert facts_of(raw, prune="stray")["features_will_be_ready"] is False
        run(raw, prune="stray")
        assert facts_of(raw)["feature_sets"]["t"]["leaks"] == 1

    def test_a_wanted_name_that_is_taken(self, host):
        features(host / "old", "a.npz", "b.npz")
        other(host / "data/t/a.npz")
        features(host / "data/t", "c.npz")
        found = facts_of(a_set(host / "data/t", host / "old"))
        assert says(found["feature_sets"]["t"]["problems"], host / "data/t", "a.npz", "another kind", "move")
        assert found["features_will_be_ready"] is False

    def test_what_a_stray_link_holds(self, host):
        features(host / "old", "a.npz", "b.npz")
        other(host / "two/a.npz")
        link(host / "data/t/a.npz", host / "two/a.npz")
        features(host / "data/t", "c.npz")
        raw = a_set(host / "data/t", host / "old", host / "two")
        found = facts_of(raw)
        assert says(found["feature_sets"]["t"]["problems"], host / "data/t", "set prune to", "stray")
        assert says(found["feature_sets"]["t"]["warnings"], "1 stray link", "set prune to", "stray")
        assert found["features_will_be_ready"] is False
        found = facts_of(raw, prune="stray")
        assert found["features_will_be_ready"] is True and found["feature_sets"]["t"]["warnings"] == []

    def test_an_identity_that_differs_is_a_warning(self, host):
        feature(host / "old/a.npz", "one")
        feature(host / "data/t/a.npz", "two")
        found = facts_of(a_set(host / "data/t", host / "old"))
        assert found["features_ready"] is True
        assert says(found["feature_sets"]["t"]["warnings"], host / "data/t", "a.npz", "different")

    def test_a_conflict_is_an_obstacle_that_names_both_and_the_variable(self, host):
        feature(host / "old/a.npz", "one")
        feature(host / "two/a.npz", "two")
        feature(host / "two/b.npz", "three")
        found = facts_of(a_set(host / "data/t", host / "old", host / "two"))
        words = ["a.npz", host / "old/a.npz", host / "two/a.npz", "set on_conflict to"]
        assert len(found["feature_sets"]["t"]["problems"]) == 1
        assert says(found["feature_sets"]["t"]["problems"], *words)
        assert says(found["feature_sets"]["t"]["obstacles"], *words)
        found = facts_of(a_set(host / "data/t", host / "old", host / "two"), on_conflict="first")
        assert found["feature_sets"]["t"]["obstacles"] == []

    def test_a_file_that_the_training_user_cannot_read(self, host):
        features(host / "data/t", "a.npz", "b.npz")
        with unprivileged(host) as account:
            os.chmod(host / "data/t/a.npz", 0)
            os.chmod(host / "data/t/b.npz", 0o444)
            one = a_set(host / "data/t")
            found = facts_of(one, account=account) if os.geteuid() == 0 else run_as(account, facts_of, one)
        assert found["features_ready"] is False
        assert says(found["feature_sets"]["t"]["problems"], f"{host}/data/t/a.npz")


class TestUnknown:
    """Each message names the directory and the training user, and each is an obstacle."""

    def check(self, raw, *words, **options):
        one = facts_of(raw, **options)["feature_sets"]["t"]
        assert (one["status"], one["ready"]) == (None, False)
        assert says(one["obstacles"], *words), one["obstacles"]
        assert says(one["problems"], *words, "me"), one["problems"]

    def test_a_dangling_legacy_path(self, host):
        link(host / "old", "/nowhere")
        self.check(a_set(host / "data/t", host / "old"), host / "old", "/nowhere")

    def test_a_missing_mount(self, host):
        self.check(a_set(host / "data/t", mount=str(host / "data")), host / "data", "mount")

    def test_a_dangling_target(self, host):
        link(host / "data/t", "/nowhere")
        self.check(a_set(host / "data/t"), host / "data/t", "/nowhere")

    def test_links_that_say_features_were_here(self, host):
        link(host / "data/t/a.npz", host / "old/a.npz")
        raw = a_set(host / "data/t", host / "old", source="/laptop")
        self.check(raw, host / "data/t", "a.npz", host / "old/a.npz", "mount")
        (host / "old").mkdir()
        self.check(raw, host / "data/t", "a.npz", "set prune to")

    def test_links_into_another_sets_directory(self, host):
        """Pruning would not remove these, and must not be offered."""
        link(host / "data/t/a.npz", host / "old/a.npz")
        raw = [a_set(host / "data/t", source="/laptop"), a_set(host / "data/u", host / "old", required="false")]
        one = facts_of(*raw)["feature_sets"]["t"]
        assert one["status"] is None
        assert says(one["problems"], "a.npz", host / "old/a.npz", "me") and not says(one["problems"], "set prune to")

    def test_dangling_links_in_a_legacy_directory(self, host):
        link(host / "old/a.npz", "/nowhere/a.npz")
        self.check(a_set(host / "data/t", host / "old"), host / "old", "a.npz", "/nowhere/a.npz")

    def test_if_it_does_not_decide_it_is_a_warning(self, host):
        link(host / "gone", "/nowhere")
        features(host / "old", "a.npz")
        raw = a_set(host / "data/t", host / "gone", host / "old")
        run(raw)
        found = facts_of(raw)
        assert found["features_ready"] is True
        assert says(found["feature_sets"]["t"]["warnings"], host / "gone", "/nowhere")


class TestNamesThatAreNotRead:
    def test_unread_features_are_reported_and_not_linked(self, host):
        features(host / "old", "a.npz", "b.npz")
        found = facts_of(a_set(host / "data/t", host / "old", reads=["c*.npz"]))
        one = found["feature_sets"]["t"]
        assert (one["status"], one["features"], one["to_link"]) == (2, 2, 0)
        assert (found["features_ready"], found["features_will_be_ready"], found["feature_steps"]) == (False, False, [])
        assert says(one["problems"], "2 features", host / "old/a.npz", "'reads': c*.npz")

    def test_next_to_others_they_are_a_warning(self, host):
        features(host / "old", "a.npz", "c.npz")
        raw = a_set(host / "data/t", host / "old", reads=["c*.npz"])
        run(raw)
        one = facts_of(raw)["feature_sets"]["t"]
        assert (one["ready"], one["target"]["features"]) == (True, 1)
        assert says(one["warnings"], "1 feature ", host / "old/a.npz")


class TestFeaturesThatAnotherSetHolds:
    @pytest.mark.parametrize("linked", [False, True], ids=["planned", "linked"])
    def test_the_set_that_gets_none_says_whose_they_are(self, host, linked):
        features(host / "old", "a.npz")
        raw = [a_set(host / "data/t", host / "old"), a_set(host / "data/u", host / "old")]
        if linked:
            run(*raw)
        found = facts_of(*raw)
        assert says(found["feature_sets"]["u"]["problems"], host / "data/u", "belong in", host / "data/t", "set 't'")
        assert found["features_will_be_ready"] is False


class TestPermissionsOnlyChecked:
    def test_an_unreadable_file_without_grant_stays_a_problem(self, host):
        features(host / "data/t", "a.npz")
        (host / "data/t/a.npz").chmod(0o600)
        with unprivileged(host) as account:
            if account.uid == os.geteuid():
                (host / "data/t/a.npz").chmod(0)
            for permissions, planned in (("grant", True), ("check", False)):
                found = facts_of(a_set(host / "data/t"), account=account, permissions=permissions)
                assert found["feature_sets"]["t"]["access"]["unreadable"] == 1
                assert (found["features_ready"], found["features_will_be_ready"]) == (False, planned)
                assert found["feature_steps"] == (["grant"] if planned else [])
