# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages about a set: they count, name an example, and say what to do."""

from __future__ import annotations

import dataclasses
import os
import re
from functools import partial

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._plan.warnings import warnings_of
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import Discovery
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
    see,
    unprivileged,
)


def set_of(*sets, **options):
    """The facts of the set ``t``."""
    return facts_of(*sets, **options)["feature_sets"]["t"]


def problems(*sets, **options):
    return set_of(*sets, **options)["problems"]


def warnings(*sets, **options):
    return set_of(*sets, **options)["warnings"]


class TestTooFew:
    SAID = "{host}/data/t holds 1 of at least 9 expected features"

    @pytest.mark.parametrize(
        ("copies", "more"),
        [
            ([], ""),
            (["b.npz"], "; b.npz is a copy of a.npz"),
            (["b.npz", "c.npz"], "; b.npz is a copy of a.npz, and 1 more name is left out as copies"),
            (["b.npz", "c.npz", "d.npz"], "; b.npz is a copy of a.npz, and 2 more names are left out as copies"),
        ],
    )
    def test_copies_that_are_left_out_are_named(self, host, copies, more):
        features(host / "data/t", "a.npz")
        for name in copies:
            copy(host / "data/t/a.npz", host / "old" / name)
        assert problems(a_set(host / "data/t", host / "old", expected=9)) == [self.SAID.format(host=host) + more]


class TestWhatIsInTheWay:
    def test_damaged_files_are_counted_and_the_first_is_named(self, host):
        features(host / "data/t", "a.npz")
        damaged(host / "data/t/b.npz")
        damaged(host / "data/t/c.npz")
        (said,) = problems(a_set(host / "data/t"))
        assert re.match(f"2 files in {host}/data/t are damaged [(]e.g. [bc].npz, which .*[)]: move them away$", said)

    @pytest.mark.parametrize(("prune", "own", "planned"), [("none", False, False), ("stray", False, True), ("stray", True, False)])
    def test_stray_links_to_damaged_files_go_if_all_are_pruned(self, host, prune, own, planned):
        features(host / "data/t", "a.npz")
        link(host / "data/t/b.npz", damaged(host / "old/b.npz"))
        if own:
            damaged(host / "data/t/c.npz")
        assert facts_of(a_set(host / "data/t", host / "old"), prune=prune)["features_will_be_ready"] is planned

    def test_a_damaged_file_under_a_wanted_name_is_reported_once(self, host):
        features(host / "old", "a.npz")
        damaged(host / "data/t/a.npz")
        features(host / "data/t", "b.npz")
        (said,) = problems(a_set(host / "data/t", host / "old"))
        assert said.startswith(f"1 wanted name in {host}/data/t is taken (e.g. a.npz is a file that is damaged (")

    @pytest.mark.parametrize(("closed", "counted"), [(["b.npz"], "1 file"), (["b.npz", "c.npz"], "2 files")])
    def test_unreadable_files_are_not_reported_as_another_kind(self, host, closed, counted):
        features(host / "data/t", "a.npz", "b.npz", "c.npz")
        with unprivileged(host) as account:
            for name in closed:
                os.chmod(host / "data/t" / name, 0)
            messages = run_as(account, partial(problems, account=account), a_set(host / "data/t"))
        (said,) = [one for one in messages if "classified" in one]
        where = f"{host}/data/t"
        assert re.match(f"{counted} in {where} cannot be classified [(]e.g. {where}/[bc].npz, which .*[)]: make (it|them) readable$", said)

    def test_dangling_links_that_are_replaced_need_no_advice(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/a.npz", "/nowhere/a.npz")
        found = facts_of(a_set(host / "data/t", host / "old"))
        assert f"1 link in {host}/data/t dangles (e.g. a.npz to /nowhere/a.npz)" in found["feature_sets"]["t"]["problems"]
        assert found["features_will_be_ready"] is True

    def test_a_name_with_many_claims_is_reported_with_three_files(self, host):
        for number in range(5):
            feature(host / f"old{number}/a.npz", str(number))
        (said,) = set_of(a_set(host / "data/t", *(host / f"old{number}" for number in range(5))))["obstacles"]
        assert said.startswith(
            f"1 name is claimed by different features (e.g. a.npz: {host}/old0/a.npz and {host}/old1/a.npz and {host}/old2/a.npz): remove"
        )


class TestPlaces:
    def test_a_directory_declared_by_two_names_is_reported_once(self, host):
        link(host / "old/a.npz", "/nowhere/a.npz")
        (host / "alias").symlink_to("old")
        messages = problems(a_set(host / "data/t", host / "old", host / "alias"))
        assert len([one for one in messages if "dangle" in one]) == 1
        assert f"1 link in {host}/old dangles (e.g. a.npz to /nowhere/a.npz): restore what user me should read there" in messages[0]

    def test_a_folder_that_cannot_be_entered_is_reported_once(self, host):
        features(host / "old", "a.npz")
        features(host / "old/closed", "b.npz")
        os.unlink(host / "old/a.npz")
        (host / "alias").symlink_to("old")
        with unprivileged(host) as account:
            os.chmod(host / "old/closed", 0)
            try:
                messages = run_as(account, partial(problems, account=account), a_set(host / "data/t", host / "old", host / "alias"))
            finally:
                os.chmod(host / "old/closed", 0o755)
        assert len([one for one in messages if "old/closed" in one and "since features may be there" in one]) == 1, messages

    @pytest.mark.parametrize(("required", "stops"), [("true", True), ("false", False)])
    def test_a_find_stops_a_set_that_is_needed_and_warns_of_any_other(self, host, required, stops):
        features(host / "old/.snapshot", "a.npz")
        one_set = set_of(a_set(host / "data/t", host / "old", required=required))
        said = f"features of the set 't' are in directories that no set lists: {host}/old/.snapshot (1)"
        assert [said in one for one in one_set["obstacles"]] == [True] * stops
        assert (said in one_set["warnings"]) is not stops

    @pytest.mark.parametrize(("number", "more"), [(10, None), (11, " and 1 more"), (13, " and 3 more")])
    def test_of_many_finds_ten_are_named_and_the_others_counted(self, host, number, more):
        for one in range(number):
            features(host / f"forgotten{one:02}", f"{one}.npz")
        (said,) = set_of(a_set(host / "data/t"), search_roots=(str(host),))["obstacles"]
        assert said.count("/forgotten") == 10 and (f"/forgotten09 (1){more or ''}; add them to its 'legacy'") in said


class TestWarnings:
    def test_files_of_another_kind_are_counted(self, host):
        features(host / "data/t", "a.npz")
        other(host / "data/t/v.npz")
        other(host / "data/t/w.npz")
        (said,) = warnings(a_set(host / "data/t"))
        assert re.match(f"2 files in {host}/data/t are of another kind [(]e.g. [vw].npz, which has arrays .*[)]$", said)

    def test_of_features_that_are_left_out_one_is_named_with_the_one_that_is_used(self, host):
        feature(host / "old/a.npz", "one")
        feature(host / "old/x/a.npz", "two")
        assert warnings(a_set(host / "data/t", host / "old")) == [
            "1 feature is left out, since others of the same name are less deep in the same legacy directory"
            f" (e.g. {host}/old/a.npz is used, {host}/old/x/a.npz is not)"
        ]

    def test_dangling_links_of_a_legacy_directory_are_reported_once(self, host):
        features(host / "data/t", "a.npz")
        features(host / "old", "a.npz")
        raw = a_set(host / "data/t", host / "old", host / "alias")
        (host / "alias").symlink_to("old")
        assert warnings(raw) == []
        link(host / "old/b.npz", "/nowhere/b.npz")
        (said,) = [one for one in warnings(raw) if "dangle" in one and "features that were there are not seen" in one]
        assert said.startswith(f"1 link in {host}/old dangles (e.g. b.npz to /nowhere/b.npz): ")

    def test_one_of_the_folders_that_cannot_be_entered_is_named(self, host):
        features(host / "data/t", "a.npz")
        features(host / "old", "a.npz")
        closed = [host / "old/one", host / "old/two"]
        for folder in closed:
            features(folder, "b.npz")
        with unprivileged(host) as account:
            for folder in closed:
                os.chmod(folder, 0)
            try:
                messages = run_as(account, partial(warnings, account=account), a_set(host / "data/t", host / "old"))
            finally:
                for folder in closed:
                    os.chmod(folder, 0o755)
        assert len([one for one in messages if f"{host}/old/" in one]) == 1, messages

    @pytest.mark.parametrize(("here", "source", "reported"), [(True, False, True), (True, True, True), (False, True, False)])
    def test_a_stale_upload_is_reported_if_features_are_there_without_it(self, host, here, source, reported):
        if here:
            features(host / "data/t", "a.npz")
        features(host / "data/.t.incoming", "b.npz")
        messages = warnings(a_set(host / "data/t", **({"source": "/laptop"} if source else {})))
        said = (
            f"an upload into {host}/data/t was left incomplete (0 features): it is stale, remove its staging directory"
        )
        assert (said in messages) is reported

    def test_an_empty_staging_directory_is_not_reported(self, host):
        features(host / "data/t", "a.npz")
        (host / "data/.t.incoming").mkdir()
        assert warnings(a_set(host / "data/t")) == []

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("required", ["true", "false"])
    def test_nothing_found_elsewhere_is_not_reported(self, host, there, required):
        if there:
            features(host / "data/t", "a.npz")
        assert warnings(a_set(host / "data/t", required=required)) == []

    def test_a_search_cut_short_is_reported_with_its_first_reason(self, host):
        state = see(a_set(host / "data/t"))
        (one,) = state.sets
        cut = dataclasses.replace(one, discovery=Discovery([], ["60 seconds had passed", "more"]))
        assert list(warnings_of(cut, state)) == ["the search for features elsewhere was cut short: 60 seconds had passed"]
