# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in every state that a shell script, a crash or a missing volume leaves: what the role makes of them.

All cases run in one play, then all again in a second one: what is in order then stays as it is.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.cases import Case, Cases, one_set

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "roles/prepare_features/defaults/main.yml").read_text())
OLD = "features('old', 'a', 'b')"


def case(setup=OLD, **keys):
    """A case with one set that differs from the plain one by ``keys`` (``D/`` in a text is the case's directory)."""
    return Case(setup, lambda d: one_set(d, **filled(keys, d)))


def several(setup, *sets, **variables):
    """A case with these sets, each from ``NAME.old`` into ``NAME``."""

    def of(d):
        plain = one_set(d)["prepare_features_sets"][0]
        return {"prepare_features_sets": [
            {**plain, "target": f"{d}/{one['name']}", "legacy": [f"{d}/{one['name']}.old"], **one} for one in sets
        ], **variables}

    return Case(setup, of)


def filled(value, d):
    if isinstance(value, dict):
        return {key: filled(item, d) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, d) for item in value]
    return value.replace("D/", f"{d}/") if isinstance(value, str) else value


def links(*texts):
    """name -> text (below the case's directory) from ``old/a`` or ``a=old/x/a`` words."""
    pairs = (text.split("=") if "=" in text else (text.rsplit("/", 1)[-1], text) for text in texts)
    return {f"{name}.npz": f"{path}.npz" for name, path in pairs}


INTO_VOLUME = "[link(f'target/{n}.npz', f'{d}/volume/old/{n}.npz') for n in 'abc']"

# Status null: the role stops. case -> (the case, what its sentences must say besides the training user)
UNKNOWN = {
    "dangling_legacy": (case("link('old', 'volume/old')"), ["D/old is a dangling link to volume/old"]),
    "dangling_above": (
        case("link('home', 'volume'); features('target', 'a')", legacy=["D/home/old"]), ["D/home is a dangling link"]),
    "closed_ancestor": (
        case("features('closed/old', 'a'); os.chmod('closed', 0o700)", legacy=["D/closed/old"],
             prepare_features_become=False),
        ["D/closed/old cannot be reached (Permission denied)"],
    ),
    "closed_target": (
        case("features('closed/target', 'a'); os.chmod('closed', 0o700); " + OLD, target="D/closed/target",
             prepare_features_become=False),
        ["D/closed/target cannot be reached (Permission denied)"],
    ),
    "closed_folder": (
        case("features('old/x', 'a'); os.chmod('old/x', 0o711)", prepare_features_become=False),
        ["D/old/x cannot be listed (Permission denied)"],
    ),
    "closed_in_glob": (
        case("features('closed/m1/wav', 'a'); os.chmod('closed', 0o711)", legacy=["D/closed/*/wav"],
             prepare_features_become=False),
        ["D/closed cannot be listed (Permission denied)"],
    ),
    "links_into_volume": (
        case(INTO_VOLUME, legacy=["D/volume/old"], source="/tmp"),
        ["3 links in D/target dangle into a legacy directory", "mount the volume of D/volume/old"],
    ),
    "links_into_volume_not_pruned": (
        case(INTO_VOLUME, legacy=["D/volume/old"], source="/tmp", prepare_features_prune="stray"),
        ["3 links in D/target dangle into a legacy directory", "mount the volume of D/volume/old"],
    ),
    "links_into_emptied": (
        case("os.makedirs('volume/old'); " + INTO_VOLUME, legacy=["D/volume/old"], source="/tmp"),
        ["3 links in D/target dangle", "prepare_features_prune to dangling"],
    ),
    "not_mounted": (case("features('old', 'a'); os.mkdir('volume')", mount="D/volume"), ["D/volume is not a mount point"]),
    "mount_absent": (case(mount="D/volume"), ["D/volume is not a mount point"]),
    "legacy_is_file": (case("write('old', b'x')"), ["D/old is not a directory"]),
    "legacy_is_loop": (case("link('old', 'old')"), ["D/old is a loop of links"]),
    "dangling_inside": (case("link('old/a.npz', 'gone')"), ["1 link in D/old dangles (as a.npz to gone)"]),
    "one_of_two_sets": (
        several("link('b.old', 'gone'); features('a.old', 'x')", {"name": "a"}, {"name": "b"}),
        ["D/b.old is a dangling link"],
    ),
}

# Status 0 and nothing to upload from. case -> (the case, what its sentence must say)
NOTHING = {
    "nothing": (case(""), ["'clips' in D/target, D/old", "no 'source'"]),
    "nothing_but_directories": (case("os.mkdir('old'); os.mkdir('target')"), ["D/target, D/old"]),
    "nothing_in_glob": (case("", legacy=["D/m*/wav"]), ["D/m*/wav"]),
    "other_kind_alone": (case("others('old', 'a'); write('old/b.npz', b'')"), ["D/target, D/old"]),
    "found_where_nobody_listed": (
        case("features('else/where', 'a', 'b')", prepare_features_search_roots=["D/"]),
        ["D/else/where (2)", "'legacy'", "prepare_features_on_discovery"],
    ),
    "any_and_none": (
        several("", {"name": "a", "required": "any"}, {"name": "b", "required": "any"}), ["'a' in D/a", "'b' in D/b"]),
    "any_alone_empty": (
        several("features('b.old', 'x')", {"name": "a", "required": "any"}, {"name": "b"}), ["'a' in D/a, D/a.old"]),
    "true_beside_any": (
        several("features('b.old', 'x')", {"name": "a", "required": True}, {"name": "b", "required": "any"}),
        ["'a' in D/a, D/a.old"],
    ),
}

# Conflicts: found before the first change.
CONFLICT = {
    "two_directories": (
        case("features('old', 'a', 'b'); features('older', 'a', seed='z')", legacy=["D/old", "D/older"]),
        ["a.npz", "D/old/a.npz and D/older/a.npz", "prepare_features_on_conflict"],
    ),
    "one_directory": (
        case("features('old/x', 'a', seed='1'); features('old/y', 'a', seed='2')"), ["D/old/x/a.npz and D/old/y/a.npz"]),
}

# In order afterwards. case -> (the case, the links that the target then holds)
READY = {
    "plain": (case(), links("old/a", "old/b")),
    "target_below_missing": (case(target="D/x/y/target"), {}),
    "loops_inside": (case(OLD + "; link('old/self', '.'); link('old/x/up', '..')"), links("old/a", "old/b")),
    "folders": (case("features('old/x/y', 'a'); features('old', 'b')"), links("a=old/x/y/a", "old/b")),
    "nested_copy": (
        case(OLD + "; shutil.copytree('old', 'copy'); shutil.move('copy', 'old/sample')"), links("old/a", "old/b")),
    "copy_in_another": (
        case(OLD + "; shutil.copytree('old', 'older'); features('older', 'c')", legacy=["D/old", "D/older"]),
        links("old/a", "old/b", "older/c"),
    ),
    "alias_listed_first": (
        case(OLD + "; link('alias', 'old')", legacy=["D/alias", "D/old", "D/alias"]), links("old/a", "old/b")),
    "alias_alone": (case(OLD + "; link('alias', 'old')", legacy=["D/alias"]), links("a=alias/a", "b=alias/b")),
    "linked_by_alias_before": (
        case(OLD + "; link('alias', 'old'); link('target/a.npz', d + '/alias/a.npz')", legacy=["D/old", "D/alias"]),
        links("a=alias/a", "old/b"),
    ),
    "glob": (
        case("features('m1/wav', 'a'); features('m2/wav', 'b'); write('m3')", legacy=["D/m*/wav"]),
        links("a=m1/wav/a", "b=m2/wav/b"),
    ),
    "specials_beside": (
        case(OLD + "; os.mkfifo('old/f.npz'); os.mknod('old/n.npz', 0o20666, os.makedev(1, 3))"), links("old/a", "old/b")),
    "damaged_beside": (case(OLD + "; write('old/c.npz', b'PK'); write('old/d.npz')"), links("old/a", "old/b")),
    "one_clip_two_names": (case("features('old', 'a', 'b', seed='same')"), links("old/a")),
    "conflict_first": (
        case("features('old', 'a', 'b'); features('older', 'c'); features('older', 'a', seed='z')",
             legacy=["D/old", "D/older"], prepare_features_on_conflict="first"),
        links("old/a", "old/b", "older/c"),
    ),
    "tree": (
        case("features('old/x', 'a', seed='1'); features('old/y', 'a', seed='2'); features('old', 'b')", layout="tree"),
        links("x/a=old/x/a", "y/a=old/y/a", "old/b"),
    ),
    "real_one_there": (case(OLD + "; features('target', 'a')"), links("old/b")),
    "real_one_there_differs": (case(OLD + "; features('target', 'a', seed='z')"), links("old/b")),
    "there_under_another_name": (case(OLD + "; features('target', 'c', seed='a')"), links("old/b")),
    "hard_link_there": (case(OLD + "; os.mkdir('target'); os.link('old/a.npz', 'target/z.npz')"), links("old/b")),
    "dangling_is_replaced": (
        case(OLD + "; link('target/a.npz', '/nowhere/a.npz')"), links("old/a", "old/b")),
    "foreign_link_stays": (
        case(OLD + "; features('else', 'f'); link('target/f.npz', '../else/f.npz')"),
        {**links("old/a", "old/b"), "f.npz": "../else/f.npz"},
    ),
    "other_kind_in_target": (case(OLD + "; others('target', 'q')"), links("old/a", "old/b")),
    "expected_met": (case(expected=2), links("old/a", "old/b")),
    "found_and_linked": (
        case("features('else/where', 'a', 'b')", prepare_features_search_roots=["D/"], prepare_features_on_discovery="link"),
        links("a=else/where/a", "b=else/where/b"),
    ),
    "all_in_target": (case("features('target', 'a')"), {}),
    "pruned_dangling": (
        case(OLD + "; link('target/c.npz', d + '/old/c.npz'); link('target/notes', 'gone')", prepare_features_prune="dangling"),
        {**links("old/a", "old/b"), "notes": "gone"},
    ),
    "required_false": (case("", required=False), {}),
    "any_and_one": (
        several("features('b.old', 'x')", {"name": "a", "required": "any"}, {"name": "b", "required": "any"}), {}),
    "false_beside_true": (several("features('b.old', 'x')", {"name": "a", "required": False}, {"name": "b"}), {}),
}

# Not ready in the end, though what could be done was done. case -> (the case, sentences, links)
UNREADY = {
    "expected_missed": (case(expected=3), ["D/target holds 2 of at least 3 expected features"], links("old/a", "old/b")),
    "damaged_in_the_way": (
        case(OLD + "; write('target/a.npz', b'PK')"),
        ["1 wanted name in D/target is taken, as a.npz by a file that is damaged"], links("old/b"),
    ),
    "other_kind_in_the_way": (
        case(OLD + "; others('target', 'a')"),
        ["a.npz by a file of another kind (has arrays timestamps, video_features instead of wav2vec_features)"],
        links("old/b"),
    ),
    "fifo_in_the_way": (
        case(OLD + "; os.mkdir('target'); os.mkfifo('target/a.npz')"), ["a.npz by what is no regular file"], links("old/b")),
    "damaged_in_target": (
        case(OLD + "; write('target/q.npz')"), ["1 file in D/target is damaged, as q.npz (is empty)"], links("old/a", "old/b")),
    "dangling_in_target": (
        case(OLD + "; link('target/q.npz', 'gone')"),
        ["1 link in D/target dangles, as q.npz to gone"], {**links("old/a", "old/b"), "q.npz": "gone"},
    ),
    "pruned_to_nothing": (
        case("os.makedirs('volume/old'); " + INTO_VOLUME, legacy=["D/volume/old"], prepare_features_prune="dangling"),
        ["no features for the set 'clips' in D/target, D/volume/old"], {},
    ),
}

# Both targets full of links to everything, as `ln -sf` in a loop over all directories left them, and a file of somebody's.
SCRIPTS = """
make_layout(d, "small")
write('data/wav2vec_features/README', b'mine')
write('data/wav2vec_crema_d/notes.npz.txt', b'mine')
for home in (WAV2VEC_DIR, ALIAS_DIR, AUDIO_DIR, NPZ_FILES_DIR):
    for name in os.listdir(home):
        for target in ('wav2vec_features', 'wav2vec_crema_d'):
            path = f'data/{target}/{name}'
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(f'{d}/{home}/{name}', path)
"""


def scripts(more="", **variables):
    return Case(SCRIPTS + more, lambda d: {
        "prepare_features_sets": [
            {**one, "target": d + one["target"], "legacy": [d + path for path in one["legacy"]]}
            for one in DEFAULTS["prepare_features_sets"]
        ],
        **variables,
    })


MESS = {
    "not_enforced": case(expected=3, prepare_features_require_ready=False),
    "scripts": scripts(),
    "scripts_pruned": scripts(prepare_features_prune="stray"),
    "scripts_dangling_only": scripts(prepare_features_prune="dangling"),
    # The second host of the field notes: the old model's directory is gone, only links into it are left.
    "scripts_gone": scripts("shutil.rmtree('home/ubuntu/audio_emotion')", prepare_features_prune="stray"),
}


@pytest.fixture(scope="module")
def cases(start_host, play, tmp_path_factory):
    return Cases(start_host("mess"), play, tmp_path_factory.mktemp("mess"))


@pytest.fixture(scope="module")
def table():
    return {**cases_of(UNKNOWN, NOTHING, CONFLICT, READY, UNREADY), **MESS}


@pytest.fixture(scope="module")
def outcomes(cases, table):
    return cases.run(table)


@pytest.fixture(scope="module")
def again(cases, outcomes):
    """A second run: of those where it might find something to do once more."""
    names = ("nested_copy", "copy_in_another", "alias_listed_first", "linked_by_alias_before", "one_clip_two_names",
             "conflict_first", "tree", "real_one_there_differs", "hard_link_there", "dangling_is_replaced",
             "pruned_dangling", "found_and_linked")
    table = {name: READY[name][0] for name in names}
    return cases.run({**table, **cases_of(UNREADY), "scripts_pruned": MESS["scripts_pruned"]}, fresh=False)


def cases_of(*groups):
    return {name: row[0] for group in groups for name, row in group.items()}


def says(outcome, words):
    missing = [word for word in filled(words, outcome.directory) if word not in outcome.message]
    assert not missing, outcome.message


def stopped(outcome):
    """It failed by one sentence a problem, with nothing changed, after one remote look."""
    assert outcome.failed
    assert outcome.after == outcome.before
    ran = [event["action"].rsplit(".", 1)[-1] for event in outcome.result.results(outcome.name) if event["event"] != "skipped"]
    assert ran == ["validate_argument_spec", "feature_facts", "feature_report"]


def real_files(listing):
    """What is not a link and not a directory, with its owner, mode, size and times."""
    return [line for line in listing if line.split("|")[1] not in "ld"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_told_stops_with_directory_and_user(outcomes, name):
    outcome = outcomes[name]
    stopped(outcome)
    says(outcome, UNKNOWN[name][1])
    assert "user ubuntu" in outcome.message
    assert outcome.status is None and not outcome.ready
    assert "NOT READY, the status cannot be told" in outcome.report


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_anywhere_and_no_source_says_where_it_looked(outcomes, name):
    stopped(outcomes[name])
    says(outcomes[name], NOTHING[name][1])


@pytest.mark.parametrize("name", CONFLICT)
def test_conflicts_are_told_before_anything_is_changed(outcomes, name):
    stopped(outcomes[name])
    says(outcomes[name], CONFLICT[name][1])
    assert outcomes[name].of()["conflicts"]["count"] == 1


@pytest.mark.parametrize("name", READY)
def test_in_order_after_one_run(outcomes, name):
    outcome = outcomes[name]
    assert not outcome.failed, outcome.messages
    assert outcome.ready
    expected = {name: text if text.startswith((".", "gone")) else f"{outcome.directory}/{text}"
                for name, text in READY[name][1].items()}
    assert outcome.links() == expected
    assert real_files(outcome.after) == real_files(outcome.before)
    assert "NOT READY" not in outcome.report


@pytest.mark.parametrize("name", UNREADY)
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


def test_readiness_is_enforced_only_where_it_is_asked_for(outcomes):
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
    damaged = outcomes["damaged_beside"]
    assert damaged.of()["rejected"]["count"] == 2
    assert {sample["path"].rsplit("/", 1)[-1]: sample["reason"] for sample in damaged.of()["rejected"]["samples"]} == {
        "c.npz": "is not an archive", "d.npz": "is empty"}
    assert "2 damaged files" in damaged.report
    alias = outcomes["alias_listed_first"].of()["legacy"]
    assert [one["features"] for one in alias] == [0, 2]
    assert alias[0]["same_as"] == alias[1]["path"]
    assert outcomes["copy_in_another"].of()["features"] == 3
    assert outcomes["dangling_is_replaced"].report.count("linked 2 features, 1 of them in place of dangling links") == 1


def test_what_the_scripts_left_is_not_ready_and_says_why(outcomes):
    for name in ("scripts", "scripts_dangling_only"):
        outcome = outcomes[name]
        stopped(outcome)
        assert "32 features stand twice" in outcome.message
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


def test_check_mode_stops_where_the_run_would_and_predicts_the_rest(cases):
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
