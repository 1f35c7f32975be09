# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at real directories: statuses, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import UNREADABLE
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    damaged,
    feature,
    features,
    link,
    other,
    run,
    see,
    tree,
    unprivileged,
)


def status(*sets, **options):
    return see(*sets, **options).status


# --- statuses ---------------------------------------------------------------------------------------------------------


class TestStatus:
    @pytest.mark.parametrize(("in_target", "in_legacy", "expected"), [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)])
    def test_where_the_features_lie(self, host, in_target, in_legacy, expected):
        if in_target:
            features(host / "data/t", "a.npz")
        if in_legacy:
            features(host / "old", "b.npz")
        assert status(a_set(host / "data/t", host / "old")) == expected

    def test_what_is_no_feature_does_not_count(self, host):
        other(host / "data/t/a.npz")
        damaged(host / "old/b.npz")
        (host / "old/c.txt").touch()
        assert status(a_set(host / "data/t", host / "old")) == 0

    def test_the_target_is_judged_by_what_the_trainer_reads(self, host):
        feature(host / "data/t/a.npz")
        feature(host / "data/u/sub/a.npz")
        assert status(a_set(host / "data/t", patterns=["other_*.npz"], reads=["*.npz"])) == 1
        assert status(a_set(host / "data/t", patterns=["other_*.npz"])) == 0
        assert status(a_set(host / "data/t", reads=["other_*.npz"])) == 0
        assert status(a_set(host / "data/u")) == 0
        assert status(a_set(host / "data/u", layout="tree")) == 1

    def test_a_link_counts_as_what_it_leads_to(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/a.npz", host / "old/a.npz")
        assert status(a_set(host / "data/t", host / "old")) == 3
        assert status(a_set(host / "data/t")) == 1

    def test_a_host_has_the_status_of_all_its_sets(self, host):
        features(host / "data/t", "a.npz")
        features(host / "old", "b.npz")
        one, two = a_set(host / "data/t"), a_set(host / "data/u", host / "old")
        view = see(one, two)
        assert ([one.status for one in view.sets], view.status) == ([1, 2], 3)

    def test_a_target_that_is_a_link_to_a_directory(self, host):
        features(host / "disk/t", "a.npz")
        link(host / "data/t", "../disk/t")
        assert status(a_set(host / "data/t")) == 1


class TestStatusNull:
    """Unreadable is never taken for none."""

    def test_a_legacy_path_that_is_a_dangling_link(self, host):
        link(host / "old", "/nowhere/at/all")
        view = see(a_set(host / "data/t", host / "old"))
        assert (view.status, view.sets[0].legacy[0].state) == (None, UNREADABLE)

    def test_a_dangling_link_above_it(self, host):
        link(host / "volume", "/nowhere/at/all")
        assert status(a_set(host / "data/t", host / "volume/old")) is None

    def test_a_legacy_path_that_is_a_file(self, host):
        (host / "old").touch()
        assert status(a_set(host / "data/t", host / "old")) is None

    def test_a_target_that_is_a_dangling_link(self, host):
        link(host / "data/t", "/nowhere/at/all")
        features(host / "old", "a.npz")
        assert status(a_set(host / "data/t", host / "old")) is None

    def test_but_not_where_another_legacy_directory_decides(self, host):
        link(host / "gone", "/nowhere/at/all")
        features(host / "old", "a.npz")
        assert status(a_set(host / "data/t", host / "gone", host / "old")) == 2
        features(host / "data/t", "b.npz")
        assert status(a_set(host / "data/t", host / "gone", host / "old")) == 3

    def test_features_in_the_target_do_not_decide_it(self, host):
        """1 would leave alone what 3 would complete."""
        link(host / "gone", "/nowhere/at/all")
        features(host / "data/t", "a.npz")
        assert status(a_set(host / "data/t", host / "gone")) is None

    def test_dangling_links_from_the_target_into_a_legacy_directory(self, host):
        for number in range(3):
            link(host / f"data/t/{number}.npz", host / f"old/{number}.npz")
        raw = a_set(host / "data/t", host / "old", source="/somewhere")
        assert status(raw) is None
        assert status(raw, prune="dangling") is None  # the directory itself is missing
        (host / "old").mkdir()
        assert status(raw) is None
        assert status(raw, prune="dangling") == 0
        assert not see(raw, prune="dangling").sets[0].uploads  # never in the run that prunes

    def test_dangling_links_elsewhere_do_not_block(self, host):
        link(host / "data/t/a.npz", "/nowhere/a.npz")
        view = see(a_set(host / "data/t", host / "old", source="/somewhere"))
        assert (view.status, view.sets[0].uploads) == (0, True)

    def test_dangling_links_inside_a_legacy_directory(self, host):
        link(host / "old/a.npz", "/nowhere/a.npz")
        assert status(a_set(host / "data/t", host / "old")) is None
        features(host / "old", "b.npz")
        assert status(a_set(host / "data/t", host / "old")) == 2

    def test_a_missing_mount(self, host):
        features(host / "data/t", "a.npz")
        assert status(a_set(host / "data/t", mount=str(host / "data"))) is None
        assert status(a_set(host / "data/t", mount="/")) == 1

    @pytest.mark.parametrize("closed", ["old", "old/sub", "data/t", "home"])
    def test_what_may_not_be_read(self, host, closed):
        for name in ("old/sub", "data/t", "home/old"):
            (host / name).mkdir(parents=True)
        with unprivileged(host) as account:
            os.chmod(host / closed, 0)
            try:
                raw = a_set(host / "data/t", host / "old", host / "home/old")
                found = run_as(account, status_as, raw, account)
            finally:
                os.chmod(host / closed, 0o755)
        assert found is None

    def test_one_set_that_cannot_be_told_stops_all(self, host):
        link(host / "gone", "/nowhere/at/all")
        features(host / "old", "a.npz")
        one, two = a_set(host / "data/t", host / "old"), a_set(host / "data/u", host / "gone")
        assert status(one, two) is None
        before = tree(host)
        with pytest.raises(FeatureError, match=f"{host}/gone"):
            run(one, two)
        assert tree(host) == before


def status_as(raw, account):
    return see(raw, account=account).status


# --- input that cannot be meant -----------------------------------------------------------------------------------------


def refused(*sets, **options):
    with pytest.raises(FeatureError) as caught:
        see(*sets, **options)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 600
    return said


OVERLAPS = [
    ("data/t", "is"),
    ("data", "contains"),
    ("data/t/sub", "is in"),
    ("alias", "is"),
    ("data-alias", "contains"),
    ("data-alias/t", "is"),
    ("data-alias/t/sub", "is in"),
    ("sub-alias", "is in"),
    ("d*", "contains"),
]


class TestBadInput:
    def test_a_target_that_is_a_file(self, host):
        (host / "data/t").touch()
        assert f"set 't': target {host}/data/t is a file" in refused(a_set(host / "data/t"))

    def test_a_target_below_a_file(self, host):
        (host / "data/t").touch()
        assert f"set 'u': target {host}/data/t/u" in refused(a_set(host / "data/t/u"))

    def test_a_target_that_leads_to_a_file(self, host):
        (host / "file").touch()
        link(host / "data/t", "../file")
        assert f"set 't': target {host}/data/t" in refused(a_set(host / "data/t"))

    @pytest.mark.parametrize("exists", [True, False])
    @pytest.mark.parametrize(("legacy", "word"), OVERLAPS)
    def test_a_legacy_directory_that_is_contains_or_lies_in_a_target(self, host, legacy, word, exists):
        link(host / "alias", "data/t")
        link(host / "data-alias", "data")
        link(host / "sub-alias", "data/t/sub")
        if exists:
            (host / "data/t/sub").mkdir(parents=True)
        said = refused(a_set(host / "data/t"), a_set(host / "other", host / legacy))
        name = "data" if legacy == "d*" else legacy
        assert f"set 'other': legacy directory {host}/{name} {word} the target {host}/data/t of set 't'" in said

    def test_a_target_that_is_a_link_into_a_legacy_directory(self, host):
        (host / "old/sub").mkdir(parents=True)
        link(host / "data/t", "../old/sub")
        said = refused(a_set(host / "data/t", host / "old"))
        assert f"legacy directory {host}/old contains the target {host}/data/t" in said

    @pytest.mark.parametrize("exists", [True, False])
    def test_two_sets_with_one_target_through_a_link(self, host, exists):
        link(host / "alias", "data")
        if exists:
            (host / "data/t").mkdir()
        said = refused(a_set(host / "data/t"), a_set(host / "alias/t", name="u"))
        assert "'t' and 'u' have one target" in said and f"{host}/alias/t" in said

    def test_a_neighbour_with_a_similar_name_is_none_of_it(self, host):
        features(host / "data/t_old", "a.npz")
        features(host / "data/.t", "b.npz")
        assert status(a_set(host / "data/t", host / "data/t_old", host / "data/.t")) == 2

    def test_an_unknown_account(self, host):
        assert "'nosuchuser'" in refused(a_set(host / "data/t", "~nosuchuser/old"))
        assert "'nosuchuser'" in refused(a_set(Path("~nosuchuser/t")))

    def test_nothing_is_changed_before_it(self, host):
        features(host / "old", "a.npz")
        (host / "data/u").touch()
        before = tree(host)
        with pytest.raises(FeatureError):
            run(a_set(host / "data/t", host / "old"), a_set(host / "data/u"))
        assert tree(host) == before
