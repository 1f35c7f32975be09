# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run makes of real directories: links, for one set and for two, pruned and taken away again."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    crc_twins,
    feature,
    features,
    link,
    links,
    npy,
    other,
    run,
    see,
    tree,
)


class TestLinking:
    def test_what_is_in_a_legacy_directory_is_linked_and_then_left_alone(self, host):
        features(host / "old", "a.npz", "sub/b.npz")
        other(host / "old/v.npz")
        raw = a_set(host / "data/t", host / "old")
        result = run(raw)
        assert result["changed"] and result["sets"]["t"]["linked"] == 2 and result["sets"]["t"]["created_target"]
        assert links(host / "data/t") == {"a.npz": f"{host}/old/a.npz", "b.npz": f"{host}/old/sub/b.npz"}
        before = tree(host)
        again = run(raw)
        assert (again["changed"], again["diff"], again["sets"]["t"]["kept"]) == (False, [], 2)
        assert tree(host) == before
        assert see(raw).status == 3

    def test_check_mode_says_the_same_and_changes_nothing(self, host):
        features(host / "old", "a.npz", "b.npz")
        link(host / "data/t/a.npz", "/nowhere")
        link(host / "data/t/c.npz", host / "old/gone.npz")
        raw = a_set(host / "data/t", host / "old")
        before = tree(host)
        predicted = run(raw, check=True, prune="dangling")
        assert tree(host) == before
        assert run(raw, prune="dangling") == predicted
        assert predicted["changed"] and len(predicted["diff"]) == 1
        assert run(raw, prune="dangling")["changed"] is False

    def test_declared_text_not_resolved_text(self, host):
        features(host / "volume/old", "a.npz")
        link(host / "old", "volume/old")
        run(a_set(host / "data/t", host / "old"))
        assert links(host / "data/t") == {"a.npz": f"{host}/old/a.npz"}

    @pytest.mark.parametrize("order", [("alias", "real"), ("real", "alias")])
    def test_of_two_paths_the_one_that_is_no_link(self, host, order):
        features(host / "real", "a.npz")
        link(host / "alias", "real")
        raw = a_set(host / "data/t", *[host / name for name in order])
        view = see(raw)
        assert [one.same_as for one in view.sets[0].legacy if one.same_as] == [str(host / "real")]
        run(raw)
        assert links(host / "data/t") == {"a.npz": f"{host}/real/a.npz"}
        assert see(raw).sets[0].distinct_features() == 1

    def test_links_by_an_older_name_of_the_directory_are_right_as_they_are(self, host):
        features(host / "real", "a.npz")
        link(host / "alias", "real")
        link(host / "data/t/a.npz", host / "alias/a.npz")
        assert run(a_set(host / "data/t", host / "real"))["changed"] is False

    def test_each_feature_once_whatever_its_names(self, host):
        features(host / "old", "a.npz")
        os.link(host / "old/a.npz", host / "old/hard.npz")
        copy(host / "old/a.npz", host / "old/x/copy.npz")
        copy(host / "old/a.npz", host / "two/a.npz")
        link(host / "old/z.npz", "a.npz")
        link(host / "old/folder", "x")
        raw = a_set(host / "data/t", host / "old", host / "old/x", host / "two")
        run(raw)
        assert links(host / "data/t") == {"a.npz": f"{host}/old/a.npz"}
        view = see(raw).sets[0]
        assert (view.distinct_features(), len(view.leaks), view.plan.is_empty) == (1, 0, True)

    def test_equal_checksums_are_not_enough(self, host):
        crc_twins(host / "old/a.npz", host / "old/b.npz")
        raw = a_set(host / "data/t", host / "old")
        run(raw)
        assert sorted(links(host / "data/t")) == ["a.npz", "b.npz"]
        assert len(see(raw).sets[0].leaks) == 0

    def test_a_conflict_stops_all_sets_before_anything_is_changed(self, host):
        feature(host / "old/a.npz", "one")
        feature(host / "older/a.npz", "two")
        features(host / "third", "b.npz")
        raw = [a_set(host / "data/u", host / "third"), a_set(host / "data/t", host / "old", host / "older")]
        before = tree(host)
        for check in (True, False):
            with pytest.raises(FeatureError, match=r"a\.npz: .*/old/a\.npz and .*/older/a\.npz"):
                run(*raw, check=check)
        assert tree(host) == before
        run(*raw, on_conflict="first")
        assert links(host / "data/t") == {"a.npz": f"{host}/old/a.npz"}
        assert run(*raw)["changed"] is False  # the target does not lack that name any more

    def test_single_arrays(self, host):
        npy(host / "old/a.npy", 1.0)
        npy(host / "older/a.npy", 1.0)
        npy(host / "old/b.npy", 2.0)
        raw = a_set(host / "data/t", host / "old", host / "older", patterns=["*.npy"], reads=["*.npy"])
        run(raw)
        assert sorted(links(host / "data/t")) == ["a.npy", "b.npy"]
        assert run(raw)["changed"] is False

    def test_the_suffix_of_a_link_is_a_promise_too(self, host):
        """A link of somebody's own to a file that is what its own name promises."""
        npy(host / "old/a.npy", 1.0)
        link(host / "data/t/a.npz", host / "old/a.npy")
        raw = a_set(host / "data/t", host / "old", patterns=["*.npz", "*.npy"], reads=["*.npz"], arrays={})
        assert see(raw).sets[0].features == []

    def test_tree(self, host):
        feature(host / "old/x/a.npz", "1")
        feature(host / "old/y/a.npz", "2")
        raw = a_set(host / "data/t", host / "old", layout="tree")
        run(raw)
        assert links(host / "data/t") == {"x/a.npz": f"{host}/old/x/a.npz", "y/a.npz": f"{host}/old/y/a.npz"}
        assert run(raw)["changed"] is False
        assert see(raw).status == 3
        run(raw, state="absent")
        assert links(host / "data/t") == {}

    def test_tree_with_a_folder_under_a_wanted_name(self, host):
        feature(host / "old/a.npz")
        (host / "data/t/a.npz").mkdir(parents=True)
        raw = a_set(host / "data/t", host / "old", layout="tree")
        assert run(raw)["changed"] is False
        assert see(raw).sets[0].plan.obstructed == [("a.npz", "not a regular file")]

    def test_names_of_every_sort(self, host):
        names = ["with space.npz", "quote'\".npz", "new\nline.npz", "-rf.npz", os.fsdecode(b"\xff.npz"), "größe.npz"]
        for number, name in enumerate(names):
            feature(host / "old" / name, str(number))
        raw = a_set(host / "data/t", host / "old")
        result = run(raw)
        assert links(host / "data/t") == {name: f"{host}/old/{name}" for name in names}
        assert all(sample["path"].isprintable() and sample["text"].isprintable() for sample in result["sets"]["t"]["samples"])
        assert run(raw)["changed"] is False

    def test_results_do_not_grow_with_the_files(self, host):
        features(host / "old", *[f"{number}.npz" for number in range(50)])
        result = run(a_set(host / "data/t", host / "old"))
        assert result["sets"]["t"]["linked"] == 50
        assert len(result["sets"]["t"]["samples"]) == 10
        assert len(result["diff"][0]["after"].splitlines()) == 12


class TestFeaturesOfTwoSets:
    def sets(self, host):
        spec = {"legacy": [str(host / "old")], "reads": ["*.npz"]}
        return (
            a_set(host / "data/t", **spec, exclude=["cremad_*.npz"]),
            a_set(host / "data/u", **spec, patterns=["cremad_*.npz"]),
        )

    def test_each_has_its_own(self, host):
        features(host / "old", "cremad_1.npz", "ravdess_1.npz")
        run(*self.sets(host))
        assert sorted(links(host / "data/t")) == ["ravdess_1.npz"]
        assert sorted(links(host / "data/u")) == ["cremad_1.npz"]

    def test_a_copy_under_the_other_sets_name_is_linked_once(self, host):
        features(host / "old", "ravdess_1.npz")
        copy(host / "old/ravdess_1.npz", host / "old/cremad_1.npz")
        run(*self.sets(host))
        assert sorted(links(host / "data/t")) == ["ravdess_1.npz"]
        assert links(host / "data/u") == {}
        assert [len(view.leaks) for view in see(*self.sets(host)).sets] == [0, 0]

    def test_leakage_between_sets_that_ask_differently_is_seen(self, host):
        """Also if only the bytes distinguish two names with the same criteria."""
        one, two = self.sets(host)
        crc_twins(host / "data/t/a.npz", host / "data/t/b.npz")
        copy(host / "data/t/b.npz", host / "data/u/b.npz")
        view = see(one, {**two, "verify": "full"})
        assert [len(one.leaks) for one in view.sets] == [1, 1]
        assert view.sets[0].leaks == [f"{host}/data/t/b.npz and {host}/data/u/b.npz"]

    def test_the_mess_of_the_old_scripts(self, host):
        features(host / "old", *[f"cremad_{n}.npz" for n in range(4)], *[f"ravdess_{n}.npz" for n in range(3)])
        for number in range(3):
            other(host / f"old/{number}_facenet.npz")
        everything = sorted(os.listdir(host / "old"))
        for target in ("t", "u"):
            for name in everything:
                link(host / "data" / target / name, host / "old" / name)
            copy(host / "old/0_facenet.npz", host / "data" / target / "mine.npz")
        before, sets = tree(host / "old"), self.sets(host)

        view = see(*sets)
        assert view.status == 3
        assert [len(one.leaks) for one in view.sets] == [7, 7]
        assert [len(one.plan.stray) for one in view.sets] == [4 + 3, 3 + 3]
        assert run(*sets)["changed"] is False

        result = run(*sets, prune="stray")
        assert [result["sets"][name]["removed"] for name in ("t", "u")] == [7, 6]
        assert sorted(links(host / "data/t")) == [f"ravdess_{n}.npz" for n in range(3)]
        assert sorted(links(host / "data/u")) == [f"cremad_{n}.npz" for n in range(4)]
        assert (host / "data/t/mine.npz").is_file() and tree(host / "old") == before
        assert [len(one.leaks) for one in see(*sets).sets] == [0, 0]
        assert run(*sets, prune="stray")["changed"] is False


class TestPruning:
    def test_never_while_the_legacy_directory_is_missing(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/b.npz", host / "volume/b.npz")
        raw = a_set(host / "data/t", host / "old", host / "volume")
        run(raw, prune="stray")
        assert sorted(links(host / "data/t")) == ["a.npz", "b.npz"]
        (host / "volume").mkdir()
        run(raw, prune="dangling")
        assert sorted(links(host / "data/t")) == ["a.npz"]

    def test_never_in_the_run_that_uploads(self, host):
        other(host / "old/v.npz")
        link(host / "data/t/v.npz", host / "old/v.npz")
        link(host / "data/t/x.npz", "/nowhere/x.npz")
        raw = a_set(host / "data/t", host / "old", source="/somewhere")
        view = see(raw, prune="stray").sets[0]
        assert (view.uploads, view.plan.to_remove) == (True, [])
        view = see({**raw, "source": None}, prune="stray").sets[0]
        assert (view.uploads, [name for name, _text in view.plan.to_remove]) == (False, ["v.npz"])

    def test_never_in_the_run_that_tops_up(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/v.npz", host / "old/v.npz")
        raw = a_set(host / "data/t", host / "old", source="/somewhere", expected=2)
        view = see(raw, prune="dangling", top_up=True).sets[0]
        assert (view.status, view.uploads, view.plan.to_remove) == (2, True, [])
        view = see(raw, prune="dangling").sets[0]
        assert (view.uploads, len(view.plan.to_remove)) == (False, 1)


class TestStateAbsent:
    def test_removes_what_present_made_and_nothing_else(self, host):
        features(host / "old", "a.npz", "b.npz", "c.npz")
        features(host / "data/t", "mine.npz")
        copy(host / "old/c.npz", host / "data/t/c.npz")
        other(host / "elsewhere/x.npz")
        link(host / "data/t/x.npz", host / "elsewhere/x.npz")
        link(host / "data/t/gone.npz", host / "old/gone.npz")
        before, raw = tree(host), a_set(host / "data/t", host / "old")
        assert run(raw)["sets"]["t"]["linked"] == 2
        checked = run(raw, state="absent", check=True)
        result = run(raw, state="absent")
        assert result == checked and result["sets"]["t"]["removed"] == 2
        assert tree(host) == before
        assert run(raw, state="absent")["changed"] is False

    def test_works_where_present_would_stop(self, host):
        feature(host / "old/a.npz", "1")
        raw = a_set(host / "data/t", host / "old", host / "gone", host / "two")
        run(raw)
        link(host / "gone", "/nowhere")
        feature(host / "two/a.npz", "2")
        assert run(raw, state="absent")["sets"]["t"]["removed"] == 1
        assert links(host / "data/t") == {}

    def test_what_a_search_had_found_is_taken_away_by_the_same_search(self, host):
        features(host / "lost/found", "a.npz")
        raw, found = a_set(host / "data/t", host / "old"), {"search_roots": (str(host),), "on_discovery": "link"}
        assert run(raw, **found)["sets"]["t"]["linked"] == 1
        assert run(raw, state="absent")["changed"] is False
        assert run(raw, state="absent", **found)["sets"]["t"]["removed"] == 1
        assert links(host / "data/t") == {}

    def test_where_the_target_is_absent(self, host):
        features(host / "old", "a.npz")
        before = tree(host)
        assert run(a_set(host / "data/t", host / "old"), state="absent")["changed"] is False
        assert tree(host) == before

    def test_refused_while_the_legacy_directory_is_gone(self, host):
        """A volume that is not mounted: which links are of this role is not known."""
        features(host / "old", "a.npz")
        raw = a_set(host / "data/t", host / "old")
        run(raw)
        (host / "old").rename(host / "elsewhere")
        before = tree(host)
        for check in (True, False):
            with pytest.raises(FeatureError, match=f"{host}/old is absent, and links in {host}/data/t lead there: mount"):
                run(raw, state="absent", check=check)
        assert tree(host) == before
        (host / "elsewhere").rename(host / "old")
        assert run(raw, state="absent")["sets"]["t"]["removed"] == 1
