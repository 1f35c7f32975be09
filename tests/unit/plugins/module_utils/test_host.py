# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at real directories: statuses, what is refused, and what a run makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.account import run_as
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.module_utils.paths import UNREADABLE
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    crc_twins,
    damaged,
    feature,
    features,
    link,
    links,
    npy,
    other,
    run,
    see,
    tree,
    unprivileged,
)


@pytest.fixture
def host(tmp_path):
    """A directory that stands for a host's /, under a name that no test can mistake."""
    (tmp_path / "data").mkdir()
    return tmp_path


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
        assert status(a_set(host / "data/t", patterns=["other_*.npz"])) == 1
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
    ("data/t/sub", "lies in"),
    ("alias", "is"),
    ("data-alias", "contains"),
    ("data-alias/t", "is"),
    ("data-alias/t/sub", "lies in"),
    ("sub-alias", "lies in"),
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


# --- from the look to the links -----------------------------------------------------------------------------------------


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
        assert (view.distinct_features(), view.leak_count, view.plan.is_empty) == (1, 0, True)

    def test_equal_checksums_are_not_enough(self, host):
        crc_twins(host / "old/a.npz", host / "old/b.npz")
        raw = a_set(host / "data/t", host / "old")
        run(raw)
        assert sorted(links(host / "data/t")) == ["a.npz", "b.npz"]
        assert see(raw).sets[0].leak_count == 0

    def test_a_conflict_stops_all_sets_before_anything_is_changed(self, host):
        feature(host / "old/a.npz", "one")
        feature(host / "older/a.npz", "two")
        features(host / "third", "b.npz")
        raw = [a_set(host / "data/u", host / "third"), a_set(host / "data/t", host / "old", host / "older")]
        before = tree(host)
        for check in (True, False):
            with pytest.raises(FeatureError, match=r"a\.npz by .*/old/a\.npz and .*/older/a\.npz"):
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
        assert see(raw).sets[0].plan.taken == [("a.npz", "what is no regular file")]

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
        spec = {"legacy": [str(host / "old")]}
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
        assert [view.leak_count for view in see(*self.sets(host)).sets] == [0, 0]

    def test_leakage_between_sets_that_ask_differently_is_seen(self, host):
        """Also where the bytes had to tell two names of one question apart."""
        one, two = self.sets(host)
        crc_twins(host / "data/t/a.npz", host / "data/t/b.npz")
        copy(host / "data/t/b.npz", host / "data/u/b.npz")
        view = see(one, {**two, "verify": "full"})
        assert [one.leak_count for one in view.sets] == [1, 1]
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
        assert [one.leak_count for one in view.sets] == [7, 7]
        assert [len(one.plan.stray) for one in view.sets] == [4 + 3, 3 + 3]
        assert run(*sets)["changed"] is False

        result = run(*sets, prune="stray")
        assert [result["sets"][name]["removed"] for name in ("t", "u")] == [7, 6]
        assert sorted(links(host / "data/t")) == [f"ravdess_{n}.npz" for n in range(3)]
        assert sorted(links(host / "data/u")) == [f"cremad_{n}.npz" for n in range(4)]
        assert (host / "data/t/mine.npz").is_file() and tree(host / "old") == before
        assert [one.leak_count for one in see(*sets).sets] == [0, 0]
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
        assert (view.uploads, view.plan.remove) == (True, [])
        view = see({**raw, "source": None}, prune="stray").sets[0]
        assert (view.uploads, [name for name, _text in view.plan.remove]) == (False, ["v.npz"])

    def test_never_in_the_run_that_tops_up(self, host):
        features(host / "old", "a.npz")
        link(host / "data/t/v.npz", host / "old/v.npz")
        raw = a_set(host / "data/t", host / "old", source="/somewhere", expected=2)
        view = see(raw, prune="dangling", top_up=True).sets[0]
        assert (view.status, view.uploads, view.plan.remove) == (2, True, [])
        view = see(raw, prune="dangling").sets[0]
        assert (view.uploads, len(view.plan.remove)) == (False, 1)


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

    def test_where_the_target_is_absent(self, host):
        features(host / "old", "a.npz")
        before = tree(host)
        assert run(a_set(host / "data/t", host / "old"), state="absent")["changed"] is False
        assert tree(host) == before
