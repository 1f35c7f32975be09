# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without features: what a set may lack, and what a search elsewhere finds."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    damaged,
    facts_of,
    feature,
    features,
    run,
    says,
)


class TestNothing:
    def test_without_a_source_the_places_are_listed(self, host):
        found = facts_of(a_set(host / "data/t", host / "old", host / "older"))
        one = found["feature_sets"]["t"]
        assert (one["status"], one["ready"]) == (0, False)
        for messages in (one["problems"], one["obstacles"]):
            assert says(messages, "'t'", host / "data/t", host / "old", host / "older", "source")

    def test_with_a_source_it_is_no_obstacle(self, host):
        found = facts_of(a_set(host / "data/t", host / "old", source="/laptop/features"))
        one = found["feature_sets"]["t"]
        assert (one["status"], one["ready"], one["obstacles"], one["to_upload"]) == (0, False, [], True)
        assert says(one["problems"], host / "data/t", "/laptop/features")
        assert found["features_will_be_ready"] is True

    def test_a_set_that_is_not_required(self, host):
        features(host / "data/t", "a.npz")
        found = facts_of(a_set(host / "data/t"), a_set(host / "data/u", required="false"))
        assert found["features_ready"] is True
        empty = found["feature_sets"]["u"]
        assert (empty["ready"], empty["problems"], empty["obstacles"]) == (False, [], [])

    @pytest.mark.parametrize(("t", "u", "ready"), [(1, 0, True), (0, 1, True), (1, 1, True), (0, 0, False)])
    def test_any_of_several(self, host, t, u, ready):
        for name, there in (("t", t), ("u", u)):
            if there:
                features(host / "data" / name, f"{name}.npz")
        found = facts_of(a_set(host / "data/t", required="any"), a_set(host / "data/u", required="any"))
        assert found["features_ready"] is ready
        for one in found["feature_sets"].values():
            assert bool(one["obstacles"]) is not ready

    def test_any_is_not_met_by_a_set_that_is_not_marked_so(self, host):
        features(host / "data/t", "a.npz")
        found = facts_of(a_set(host / "data/t"), a_set(host / "data/u", required="any"))
        assert found["features_ready"] is False

    def test_any_is_met_by_what_will_be_linked(self, host):
        features(host / "old", "a.npz")
        found = facts_of(a_set(host / "data/t", host / "old", required="any"), a_set(host / "data/u", required="any"))
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, True)
        assert [one["obstacles"] for one in found["feature_sets"].values()] == [[], []]

    def test_any_is_met_by_what_will_be_uploaded(self, host):
        found = facts_of(a_set(host / "data/t", required="any"), a_set(host / "data/u", required="any", source="/laptop"))
        assert (found["features_ready"], found["features_will_be_ready"]) == (False, True)
        assert [one["obstacles"] for one in found["feature_sets"].values()] == [[], []]


class TestDiscoveries:
    def test_a_find_is_an_obstacle_that_names_the_directory_and_the_choices(self, host):
        features(host / "forgotten", "a.npz")
        raw = a_set(host / "data/t", host / "old", source="/laptop")
        found = facts_of(raw, search_roots=(str(host),))["feature_sets"]["t"]
        assert found["discovered"]["samples"] == [{"path": str(host / "forgotten"), "features": 1}]
        assert says(found["obstacles"], host / "forgotten", "legacy", "set on_discovery to")

    def test_files_that_may_be_features_are_an_obstacle_too(self, host):
        """Damaged ones and those of other kinds are none; uploading over what is not understood is the user's choice."""
        unclear = feature(host / "unclear/a.npz")
        unclear.write_bytes(b"#!/bin/sh\n" + unclear.read_bytes())
        (host / "unclear/a.txt").write_bytes(b"text")
        damaged(host / "damaged/a.npz")
        raw = a_set(host / "data/t", host / "old", source="/laptop")
        found = facts_of(raw, search_roots=(str(host),))
        one = found["feature_sets"]["t"]
        assert says(one["obstacles"], f"{host}/unclear (not all could be seen)", f"not understood: {host}/unclear/a.npz is", "legacy")
        assert not says(one["obstacles"], "damaged")
        assert found["feature_steps"] == []
        assert facts_of(raw, search_roots=(str(host),), on_discovery="upload")["feature_steps"] == ["upload"]
        linked = facts_of(raw, search_roots=(str(host),), on_discovery="link")["feature_sets"]["t"]
        assert linked["status"] is None and says(linked["problems"], host / "unclear/a.npz", "not understood", "format: any")

    def test_or_linked(self, host):
        features(host / "forgotten", "a.npz")
        raw = a_set(host / "data/t", host / "old", source="/laptop")
        result = run(raw, search_roots=(str(host),), on_discovery="link")
        assert result["sets"]["t"]["linked"] == 1
        assert os.readlink(host / "data/t/a.npz") == str(host / "forgotten/a.npz")
