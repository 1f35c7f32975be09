# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in every state that a shell script, a crash or a missing volume leaves: what the role makes of them.

The cases run in one play, then again in a second one: what is in order then stays as it is. `make faults` has all of them.
"""

from __future__ import annotations

import pytest

from tests.support.cases import Case, Cases
from tests.support.messes import CONFLICT, MESS, NOTHING, READY, UNKNOWN, UNREADY, cases_of, filled
from tests.support.parts import part

# Those of which each run of the tests is made: one for each way to a decision, and all that a test below names.
SHORT = (
    "dangling_legacy", "closed_ancestor", "closed_folder", "links_into_volume", "not_mounted", "one_of_two_sets",
    "nothing", "found_where_nobody_listed", "any_alone_empty", "two_directories",
    "plain", "target_below_missing", "copy_in_another", "alias_listed_first", "linked_by_alias_before", "glob", "damaged_beside",
    "conflict_first", "snapshots_and_wastebaskets", "deeper_ones_left_out", "tree", "real_one_there", "real_one_there_differs",
    "dangling_is_replaced", "foreign_link_stays", "other_kind_in_target", "found_and_linked", "pruned_dangling", "required_false",
    "expected_missed", "damaged_in_the_way", "dangling_in_target", "pruned_to_nothing",
)  # fmt: skip
# Those in which a second run might find something to do once more.
TWICE = (
    "nested_copy", "copy_in_another", "alias_listed_first", "linked_by_alias_before", "one_clip_two_names", "conflict_first", "tree",
    "real_one_there_differs", "hard_link_there", "dangling_is_replaced", "pruned_dangling", "found_and_linked",
    "snapshots_and_wastebaskets", "snapshots_alone_listed", "snapshots_linked", "hidden_entered", "deeper_ones_left_out",
)  # fmt: skip


@pytest.fixture(scope="module")
def cases(start_host, play, tmp_path_factory):
    return Cases(start_host("mess"), play, tmp_path_factory.mktemp("mess"))


@pytest.fixture(scope="module")
def table(full):
    every = cases_of(UNKNOWN, NOTHING, CONFLICT, READY, UNREADY)
    return {**{name: case for name, case in every.items() if full or name in SHORT}, **MESS}


@pytest.fixture(scope="module")
def outcomes(cases, table):
    return cases.run(table)


@pytest.fixture(scope="module")
def again(cases, outcomes, table):
    """A second run."""
    names = [name for name in (*TWICE, *UNREADY, "scripts_pruned") if name in table]
    return cases.run({name: table[name] for name in names}, fresh=False)


def says(outcome, words):
    missing = [word for word in filled(words, outcome.directory) if word not in outcome.message]
    assert not missing, outcome.message


def stopped(outcome):
    """It failed with one message a problem, with nothing changed, after one remote inspection."""
    assert outcome.failed
    assert outcome.after == outcome.before
    ran = [event["action"].rsplit(".", 1)[-1] for event in outcome.result.results(outcome.name) if event["event"] != "skipped"]
    assert ran == ["feature_prepare", "feature_report"]


def real_files(listing):
    """What is not a link and not a directory, with its owner, mode, size and times."""
    return [line for line in listing if line.split("|")[1] not in "ld"]


@pytest.mark.parametrize("name", part(UNKNOWN, *SHORT))
def test_an_unknown_status_stops_with_directory_and_user(outcomes, name):
    outcome = outcomes[name]
    stopped(outcome)
    says(outcome, UNKNOWN[name][1])
    assert "user ubuntu" in outcome.message
    assert outcome.status is None and not outcome.ready
    assert "NOT READY, status null: unknown" in outcome.report


@pytest.mark.parametrize("name", part(NOTHING, *SHORT))
def test_nothing_anywhere_and_no_source_lists_the_directories(outcomes, name):
    stopped(outcomes[name])
    says(outcomes[name], NOTHING[name][1])


@pytest.mark.parametrize("name", part(CONFLICT, *SHORT))
def test_conflicts_are_reported_before_anything_is_changed(outcomes, name):
    stopped(outcomes[name])
    says(outcomes[name], CONFLICT[name][1])
    assert outcomes[name].of()["conflicts"]["count"] == 1


@pytest.mark.parametrize("name", part(READY, *SHORT))
def test_in_order_after_one_run(outcomes, name):
    outcome = outcomes[name]
    assert not outcome.failed, outcome.messages
    assert outcome.ready
    expected = {name: text if text.startswith((".", "gone")) else f"{outcome.directory}/{text}"
                for name, text in READY[name][1].items()}
    assert outcome.links() == expected
    assert real_files(outcome.after) == real_files(outcome.before)
    assert "NOT READY" not in outcome.report


@pytest.mark.parametrize("name", part(UNREADY, *SHORT))
def test_not_ready_with_what_could_be_done_done(outcomes, name):
    outcome = outcomes[name]
    assert outcome.failed and not outcome.ready
    says(outcome, UNREADY[name][1])
    start = outcome.directory + "/"
    assert {key: text.replace(start, "") for key, text in outcome.links().items()} == UNREADY[name][2]
    assert real_files(outcome.after) == real_files(outcome.before)
    assert "NOT READY" in outcome.report and "PROBLEM" in outcome.report


def test_a_second_run_changes_nothing(again):
    for name, outcome in again.items():
        assert outcome.recap["changed"] == 0, name
        assert outcome.after == outcome.before, name
        assert outcome.failed == (name in UNREADY), name


def test_readiness_is_enforced_only_if_required(outcomes):
    outcome = outcomes["not_enforced"]
    assert not outcome.ready and not outcome.failed
    assert "NOT READY" in outcome.report and "PROBLEM" in outcome.report
    assert sorted(outcome.links()) == ["a.npz", "b.npz"]


def test_new_targets_belong_to_the_training_user_and_old_ones_stay_as_they_are(outcomes):
    assert outcomes["plain"].text("target").split("|")[1:5] == ["d", "755", "ubuntu", "ubuntu"]
    assert outcomes["target_below_missing"].text("x/y/target").split("|")[1:5] == ["d", "755", "ubuntu", "ubuntu"]
    assert outcomes["real_one_there"].text("target").split("|")[1:5] == ["d", "755", "root", "root"]


def test_warnings_and_counts(outcomes):
    assert "1 name stands for different features" in outcomes["real_one_there_differs"].of()["warnings"][0]
    assert "1 file in" in outcomes["other_kind_in_target"].of()["warnings"][0]
    assert "1 feature is left out, since others of the same name are less deep" in outcomes["deeper_ones_left_out"].of()["warnings"][0]
    assert outcomes["snapshots_and_wastebaskets"].of()["legacy"][0]["closed"]["samples"] == [".Trash-1000", ".snapshot"]
    damaged = outcomes["damaged_beside"]
    assert damaged.of()["rejected"]["count"] == 2
    assert {sample["path"].rsplit("/", 1)[-1]: sample["reason"] for sample in damaged.of()["rejected"]["samples"]} == {
        "c.npz": "is not a .npz archive, which its name promises", "d.npz": "is empty"}
    assert "2 damaged files" in damaged.report
    alias = outcomes["alias_listed_first"].of()["legacy"]
    assert [one["features"] for one in alias] == [0, 2]
    assert alias[0]["same_as"] == alias[1]["path"]
    assert outcomes["copy_in_another"].of()["features"] == 3
    assert outcomes["dangling_is_replaced"].report.count("linked 2 features, 1 of them in place of dangling links") == 1


def test_what_scripts_left_is_not_ready_with_its_reason(outcomes):
    for name in ("scripts", "scripts_dangling_only"):
        outcome = outcomes[name]
        stopped(outcome)
        assert "32 features appear twice" in outcome.message
        assert "/wav2vec_features/cremad_" in outcome.message and "/wav2vec_crema_d/cremad_" in outcome.message
        assert "prepare_features_prune to stray" in outcome.message
        for one, strays in (("wav2vec", 34), ("wav2vec_crema_d", 18)):
            assert outcome.of(one)["status"] == 3
            assert outcome.of(one)["target"]["stray"] == strays
            assert outcome.of(one)["target"]["rejected"] == 10
            assert f"{strays} stray links" in outcome.of(one)["warnings"][-1]


def test_pruning_strays_leaves_each_clip_once_and_no_real_file_touched(outcomes):
    outcome = outcomes["scripts_pruned"]
    assert outcome.ready and not outcome.failed, outcome.messages
    crema, ravdess = outcome.links("data/wav2vec_crema_d"), outcome.links("data/wav2vec_features")
    assert len(crema) == 24 and all(name.startswith("cremad_") for name in crema)
    assert len(ravdess) == 8 and all(name.startswith("ravdess_") for name in ravdess)
    assert real_files(outcome.after) == real_files(outcome.before)
    assert any("/data/wav2vec_features/README|f|" in line for line in outcome.after)
    assert "removed 34 links" in outcome.report and "removed 18 links" in outcome.report


def test_nothing_is_pruned_while_the_old_directory_is_missing(outcomes):
    outcome = outcomes["scripts_gone"]
    stopped(outcome)
    assert outcome.status is None
    assert "audio_emotion/models/wav2vec" in outcome.message and "user ubuntu" in outcome.message


def test_check_mode_stops_as_the_run_would_and_predicts_the_rest(cases):
    names = ("two_directories", "dangling_legacy", "nothing", "plain", "expected_missed", "pruned_dangling")
    known = cases_of(UNKNOWN, NOTHING, CONFLICT, READY, UNREADY)
    # Under other names: the hosts of the other tests stay as they are.
    checked = cases.run({f"check_{name}": known[name] for name in names}, check=True, diff=True)
    assert [name for name in names if checked[f"check_{name}"].failed] == ["two_directories", "dangling_legacy"]
    for outcome in checked.values():
        assert outcome.after == outcome.before, outcome.name
    assert [name for name, outcome in checked.items() if outcome.recap["changed"]] == [
        "check_plain", "check_expected_missed", "check_pruned_dangling"]


def test_absent_takes_away_what_present_made_and_nothing_else(cases, outcomes, again):  # after the second run
    names = ("plain", "tree", "foreign_link_stays", "real_one_there", "linked_by_alias_before", "conflict_first")
    table = {
        name: Case("", lambda d, name=name: {**READY[name][0].variables(d), "prepare_features_state": "absent"})
        for name in names
    }
    taken = cases.run(table, fresh=False)
    left = {name: outcome.links() for name, outcome in taken.items()}
    assert left == {
        "plain": {}, "tree": {}, "real_one_there": {}, "conflict_first": {},
        "foreign_link_stays": {"f.npz": "../else/f.npz"},
        # `present` found this one there: it reaches the right file, but the role would not have made it so.
        "linked_by_alias_before": {"a.npz": f"{taken['linked_by_alias_before'].directory}/alias/a.npz"},
    }
    for outcome in taken.values():
        assert not outcome.failed and outcome.recap["changed"] == 1
        assert real_files(outcome.after) == real_files(outcome.before)
    twice = cases.run(table, fresh=False)
    assert all(outcome.recap["changed"] == 0 and outcome.after == outcome.before for outcome in twice.values())
    back = cases.run({name: READY[name][0] for name in names}, fresh=False)
    assert {name: outcome.links() for name, outcome in back.items()} == {name: outcomes[name].links() for name in names}
