# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell scripts got wrong, fifteen points: each has its tests. Those that a small host shows at once are here,
for the others the index below names the tests that show them, and fails where one is gone."""

from __future__ import annotations

import ast

import pytest

from tests.support.hosts import REPOSITORY
from tests.support.layout import ALIAS_DIR, NPZ_FILES_DIR, WAV2VEC_DIR, crema_d_names

PLAYBOOK = "prepare_features.yml"
SYSTEM = REPOSITORY / "tests" / "system"

INDEX = {
    "the status ended the script": [
        "test_field_notes.py::test_a_status_is_a_fact_and_ends_nothing",
        "test_prepare.py::test_one_command_links_everything_and_copies_nothing",
    ],
    "unreachable or unreadable counted as none": [
        "test_prepare.py::test_an_unreachable_host_is_unreachable_and_the_others_go_on",
        "test_prepare_mess.py::test_an_unknown_status_stops_with_directory_and_user",
    ],
    "a failed upload, or no source, ended in success": [
        "test_prepare_mess.py::test_nothing_anywhere_and_no_source_lists_the_directories",
        "test_prepare_input.py::test_a_bad_source_is_one_message_and_no_change",
        "test_upload_killed.py::test_a_disk_that_fills_up_is_reported_and_the_next_run_resumes",
    ],
    "any archive counted as a feature": [
        "test_prepare.py::test_the_facts_count_features_and_reject_the_others_for_the_right_reason",
        "test_field_notes.py::test_archives_of_other_models_are_rejected",
    ],
    "a real file was replaced, a name clash was silent": [
        "test_field_notes.py::test_a_real_file_stays",
        "test_prepare_mess.py::test_conflicts_are_reported_before_anything_is_changed",
    ],
    "a linked directory counted 0 or twice": [
        "test_field_notes.py::test_a_linked_directory_is_counted_once",
        "test_prepare.py::test_absent_takes_all_links_away_and_the_alias_and_a_nested_copy_change_nothing",
        "test_training.py::test_status_2_links_then_trains_to_the_end_on_what_the_monitor_counts",
    ],
    "each clip in both targets, or one target a link to the other": [
        "test_field_notes.py::test_each_clip_is_in_one_target",
        "test_prepare_mess.py::test_what_scripts_left_is_not_ready_with_its_reason",
        "test_prepare_mess.py::test_pruning_strays_leaves_each_clip_once_and_no_real_file_touched",
        "test_prepare_input.py::test_bad_input_is_one_message_and_no_change",
    ],
    "the target was chosen by a substring of the path": ["test_field_notes.py::test_the_file_decides_not_its_path"],
    "chmod 777 instead of asking who can read": [
        "test_field_notes.py::test_no_mode_is_changed_that_need_not_be",
        "test_access.py::test_check_only_reports_and_names_the_component_that_blocks",
        "test_access.py::test_the_user_got_no_more_than_was_needed",
    ],
    "links were counted, not what they lead to; a sample passed as the whole": [
        "test_field_notes.py::test_dangling_links_are_no_features_and_a_sample_is_not_the_whole",
    ],
    "the upload was slow, not resumable, and into the live directory": [
        "test_upload.py::test_features_arrive_whole_others_stay_and_a_second_run_does_nothing",
        "test_upload_killed.py::test_killed_again_and_again_it_arrives_whole_and_once",
    ],
    "data was made up": ["test_field_notes.py::test_nothing_is_made_up"],
    "one connection a question, one process a link": [
        "test_prepare.py::test_one_command_links_everything_and_copies_nothing",
        "test_prepare.py::test_a_second_run_costs_one_execution_and_changes_nothing",
        "test_field_notes.py::test_a_status_is_a_fact_and_ends_nothing",
    ],
    "a quoted ~ stayed, an unquoted $() ran on the laptop": [
        "test_field_notes.py::test_a_tilde_is_the_training_users_home_and_nothing_else_is_expanded"],
    "a run that had ended looked alive, a crash like a success": [
        "test_training.py::test_a_training_that_exits_3_has_failed",
        "test_training.py::test_a_training_that_is_killed_shows_the_signal",
        "test_training.py::test_a_training_that_hangs_is_stuck",
        "test_training.py::test_a_second_deploy_leaves_a_live_run_alone",
    ],
}


def test_the_index_has_all_points():
    assert len(INDEX) == 15


@pytest.mark.parametrize("point", INDEX)
def test_each_point_has_tests(point):
    for entry in INDEX[point]:
        file, name = entry.split("::")
        tree = ast.parse((SYSTEM / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, entry


@pytest.fixture(scope="module")
def host(start_host):
    return start_host("notes")


@pytest.fixture(scope="module")
def notes(host, play):
    """The small layout, a feature of CREMA-D where video features lie, a real file of somebody's in a target; then one run."""
    host.lay_out("--root", "/", "--scale", "small", "--owner", "ubuntu")
    real, odd = crema_d_names(30)[0], crema_d_names(30)[-1]
    host.run(f"cd /tmp && mkdir f && mkdir -p /data/wav2vec_crema_d && cp -p /{WAV2VEC_DIR}/{real} /data/wav2vec_crema_d/")
    host.lay_out("--features", "/tmp/f", "--crema-d", "30")
    host.run(f"mv /tmp/f/{odd} /{NPZ_FILES_DIR}/ && chmod 0700 /home/ubuntu")
    before = host.tree()
    first = play(host, PLAYBOOK)
    return {"before": before, "result": first, "after": host.tree(), "real": real, "odd": odd, "facts": first.facts(host)}


def rows(tree, top):
    return {line.split("|")[0]: line.split("|")[1:] for line in tree.splitlines() if line.startswith(top + "/")}


def test_a_status_is_a_fact_and_ends_nothing(host, play, notes):
    result = notes["result"]
    (event,) = [one for one in result.results(host, "trainprep.features.feature_prepare") if one["event"] != "skipped"]
    prepared = event["result"]
    assert (prepared["found_status"], prepared["ansible_facts"]["feature_status"]) == (3, 3)
    assert [prepared["ansible_facts"]["feature_sets"]["wav2vec"]["status"]] == [3]
    assert result.rc == 0 and result.recap[host.name]["changed"] == 1, result.stdout
    assert result.ssh_executions[host.name] == 1


def test_archives_of_other_models_are_rejected(notes):
    rejected = notes["facts"]["feature_sets"]["wav2vec"]["rejected"]
    assert rejected["count"] == 15
    assert {sample["reason"] for sample in rejected["samples"]} == {
        "has arrays mfcc, sr instead of wav2vec_features", "has arrays timestamps, video_features instead of wav2vec_features"}


def test_a_real_file_stays(notes):
    path = "/data/wav2vec_crema_d/" + notes["real"]
    assert rows(notes["before"], "/data")[path] == rows(notes["after"], "/data")[path]
    assert rows(notes["after"], "/data")[path][0] == "f"


def test_a_linked_directory_is_counted_once(notes):
    legacy = notes["facts"]["feature_sets"]["wav2vec_crema_d"]["legacy"]
    assert {one["path"]: one["features"] for one in legacy if one["features"]} == {f"/{WAV2VEC_DIR}": 24, f"/{NPZ_FILES_DIR}": 1}
    assert next(one for one in legacy if one["path"] == f"/{ALIAS_DIR}")["same_as"] == f"/{WAV2VEC_DIR}"
    assert notes["facts"]["feature_sets"]["wav2vec_crema_d"]["target"]["features"] == 25


def test_each_clip_is_in_one_target(notes):
    names = [path.rsplit("/", 1)[-1] for path in rows(notes["after"], "/data") if path.endswith(".npz")]
    assert len(names) == len(set(names)) == 33


def test_the_file_decides_not_its_path(notes):
    """CREMA-D's directory is spelled in capitals, and holds another model's files next to the one feature."""
    assert rows(notes["after"], "/data")["/data/wav2vec_crema_d/" + notes["odd"]][-1] == f"/{NPZ_FILES_DIR}/{notes['odd']}"


def test_no_mode_is_changed_that_need_not_be(notes):
    assert rows(notes["after"], "/home/ubuntu") == rows(notes["before"], "/home/ubuntu")
    assert rows(notes["after"], "/data")["/data/wav2vec_features"][:4] == ["d", "755", "ubuntu", "ubuntu"]
    assert rows(notes["after"], "/data")["/data/wav2vec_crema_d"][1:4] == ["755", "root", "root"]
    assert notes["facts"]["feature_sets"]["wav2vec"]["access"] == {"user": "ubuntu", "unreadable": 0, "to_grant": 0, "samples": []}


def test_dangling_links_are_no_features_and_a_sample_is_not_the_whole(host, play, notes):
    host.run(f"mv /{WAV2VEC_DIR} /tmp/away && mkdir /{WAV2VEC_DIR} && cp /tmp/away/ravdess_* /{WAV2VEC_DIR}/")
    try:
        result = play(host, PLAYBOOK)
    finally:
        host.run(f"rm -r /{WAV2VEC_DIR} && mv /tmp/away /{WAV2VEC_DIR}")
    crema = result.facts(host)["feature_sets"]["wav2vec_crema_d"]
    assert result.rc == 2 and not crema["ready"]
    assert crema["target"]["features"] == 2 and crema["target"]["dangling"] == 23
    whole = play(host, PLAYBOOK, extra_vars={"prepare_features_sets": [{
        "name": "whole", "target": "/data/whole", "legacy": [f"/{WAV2VEC_DIR}"], "expected": 8690}]})
    assert whole.rc == 2
    assert "/data/whole holds 32 of at least 8690 expected features" in whole.results(host)[-1]["result"]["msg"]


def test_nothing_is_made_up(host, play):
    before = host.tree()
    result = play(host, PLAYBOOK, extra_vars={"prepare_features_search_roots": [], "prepare_features_sets": [
        {"name": "none", "target": "/srv/none", "legacy": ["/srv/old"]}]})
    assert result.rc == 2 and host.tree() == before


def test_a_tilde_is_the_training_users_home_and_nothing_else_is_expanded(host, play, notes, tmp_path):
    trap = tmp_path / "ran-on-the-controller"
    sets = [{"name": "home", "target": "~/features of mine", "legacy": [
        "~/audio_emotion/models/wav2vec", f"~/$(touch {trap})", "~/`touch /tmp/ran-on-the-host`", "~ubuntu/$HOME"]}]
    host.run("mkdir -p '/home/ubuntu/$HOME' && mv /tmp/f '/home/ubuntu/$HOME/'")
    result = play(host, PLAYBOOK, extra_vars={"prepare_features_sets": sets})
    assert result.rc == 0, result.stdout
    facts = result.facts(host)["feature_sets"]["home"]
    assert facts["target"]["path"] == "/home/ubuntu/features of mine"
    assert [(one["path"], one["state"]) for one in facts["legacy"]][-1] == ("/home/ubuntu/$HOME", "present")
    # 32 in the old directory; of the 29 others, 24 are the same clips again.
    assert facts["target"]["features"] == 32 + 5
    assert not trap.exists() and host.run("test -e /tmp/ran-on-the-host", check=False).returncode == 1
