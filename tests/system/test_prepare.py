# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on the layout of a real host, over SSH, default sets; with --full at its full size: 8,690 features among 16,661 archives."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from pathlib import Path

import pytest
import yaml

from tests.support.cases import one_set
from tests.support.hosts import REPOSITORY
from tests.support.layout import ALIAS_DIR, AUDIO_DIR, NPZ_FILES_DIR, SCALES, WAV2VEC_DIR

PLAYBOOK = "prepare_features.yml"
ROLE = "trainprep.features.prepare_features"
DEFAULTS = yaml.safe_load((REPOSITORY / "roles/prepare_features/defaults/main.yml").read_text())["prepare_features_sets"]

# What a trainer would find: for each target, its names, what they resolve to, and which arrays numpy sees in them.
LIST_AS_TRAINER = """
import glob, json, os, numpy
seen = {}
for target in ("wav2vec_features", "wav2vec_crema_d"):
    files = sorted(glob.glob(f"/data/{target}/*.npz"))
    seen[target] = {
        "names": len(files),
        "prefixes": sorted({os.path.basename(file).split("_")[0] for file in files}),
        "links": sum(os.path.islink(file) for file in files),
        "resolved": len({os.path.realpath(file) for file in files if os.path.isfile(file)}),
        "directories": sorted({os.path.dirname(os.readlink(file)) for file in files}),
        "features": 0,
    }
    for file in files:
        with numpy.load(file) as archive:
            seen[target]["features"] += "wav2vec_features" in archive.files
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def scale(full):
    return "full" if full else "medium"


@pytest.fixture(scope="module")
def count(scale):
    """How many files of each kind the host has."""
    return SCALES[scale]


@pytest.fixture(scope="module")
def host(start_host, scale):
    # In memory, whatever the disk of the machine: 24,000 files are written and removed.
    memory = [f"--tmpfs=/home/ubuntu/{part}:uid=1000,gid=1000,mode=0755" for part in ("audio_emotion", "emotion-recognition")]
    return start_host("full", args=memory, layout=["--root", "/", "--scale", scale, "--owner", "ubuntu"])


@pytest.fixture(scope="module")
def checked(host, play):
    """A run in check mode on the fresh host, with the tree before and after."""
    before = host.tree()
    return play(host, PLAYBOOK, check=True, diff=True), before, host.tree()


@pytest.fixture(scope="module")
def prepared(host, play, checked):
    """The one command, with the tree before and after."""
    before = host.tree()
    return play(host, PLAYBOOK), before, host.tree()


def rows(tree, top):
    return [line for line in tree.splitlines() if line.startswith(top + "/")]


def as_trainer(host):
    return json.loads(host.python(LIST_AS_TRAINER, user="ubuntu").stdout)


def printed(result):
    """The output with its lines joined: a report wraps at 80 columns."""
    return " ".join(result.stdout.split())


def test_check_mode_prints_the_plan_and_changes_nothing(host, checked, count):
    result, before, after = checked
    assert result.rc == 0, result.stdout
    assert after == before
    assert f"+{count.ravdess} links" in result.stdout and f"+{count.crema_d} links" in result.stdout
    sample = f"+/data/wav2vec_crema_d/cremad_1001_DFA_ANG_XX.npz -> /{WAV2VEC_DIR}/cremad_1001_DFA_ANG_XX.npz"
    assert sample in result.stdout
    assert f"+and {count.ravdess - 10} more" in result.stdout and f"+and {count.crema_d - 10} more" in result.stdout
    assert f"would link {count.crema_d:,} features" in printed(result) and "check mode" in printed(result)
    assert result.recap[host.name]["changed"] == 1
    assert result.ssh_executions[host.name] == 1


def test_one_command_links_everything_and_copies_nothing(host, prepared, count):
    result, before, after = prepared
    assert result.rc == 0, result.stdout
    assert result.recap[host.name]["changed"] == 1
    assert result.ssh_executions[host.name] == 1
    assert rows(after, "/home") == rows(before, "/home")
    assert {line.split("|")[1] for line in rows(after, "/data")} == {"d", "l"}
    seen = as_trainer(host)
    for target, number, prefix in (("wav2vec_features", count.ravdess, "ravdess"), ("wav2vec_crema_d", count.crema_d, "cremad")):
        assert seen[target] == {
            "names": number, "links": number, "resolved": number, "features": number, "prefixes": [prefix],
            "directories": [f"/{WAV2VEC_DIR}"],
        }


def test_the_facts_count_features_and_reject_the_others_for_the_right_reason(host, prepared, count):
    facts = prepared[0].facts(host)
    assert facts["feature_status"] == 3 and facts["features_ready"] is True
    ravdess, crema = facts["feature_sets"]["wav2vec"], facts["feature_sets"]["wav2vec_crema_d"]
    assert (ravdess["features"], crema["features"]) == (count.ravdess, count.crema_d)
    assert ravdess["rejected"]["count"] + crema["rejected"]["count"] == count.audio + count.npz_files
    rejected = {one["path"]: one["rejected"] for one in ravdess["legacy"] if one["rejected"]}
    assert rejected == {f"/{AUDIO_DIR}": count.audio, f"/{NPZ_FILES_DIR}": count.npz_files}
    reasons = {(Path(one["path"]).parent.name, one["reason"]) for one in ravdess["rejected"]["samples"]}
    assert reasons == {
        (Path(AUDIO_DIR).name, "has arrays mfcc, sr instead of wav2vec_features"),
        (Path(NPZ_FILES_DIR).name, "has arrays timestamps, video_features instead of wav2vec_features"),
    }
    alias = next(one for one in crema["legacy"] if one["path"] == f"/{ALIAS_DIR}")
    assert alias["same_as"] == f"/{WAV2VEC_DIR}" and alias["features"] == 0
    # Their size does not grow with the number of files.
    assert len(json.dumps(facts)) < 15_000


def test_the_report_is_plain_text(host, prepared, count):
    text = printed(prepared[0])
    assert f"{host.name}: READY, status 3: target and legacy" in text
    for words in (
        f"/data/wav2vec_crema_d: {count.crema_d:,} features (all links, ", "); ubuntu:ubuntu 0755",
        f"/{ALIAS_DIR}: the same directory as /{WAV2VEC_DIR}",
        f"/{NPZ_FILES_DIR}: no feature, {count.npz_files:,} files of another kind",
        "absent: /home/ubuntu/emotion-recognition/crema_d_features",
        f"done linked {count.crema_d:,} features", f"done linked {count.ravdess:,} features", "ubuntu can read every feature",
    ):
        assert words in text, words
    # Each reason once, and how many more there are.
    assert re.search(r"has arrays mfcc, sr instead of wav2vec_features .* and [\d,]+ more files", text)


def test_a_second_run_costs_one_execution_and_changes_nothing(host, play, prepared):
    result = play(host, PLAYBOOK)
    assert result.rc == 0 and result.recap[host.name]["changed"] == 0, result.stdout
    assert result.ssh_executions[host.name] == 1, result.ssh_commands
    assert [event["event"] for event in result.events] == ["ok", "skipped", "ok"]
    assert host.tree() == prepared[2]
    assert f"{host.name}: READY, status 3" in printed(result)


def test_absent_takes_all_links_away_and_the_alias_and_a_nested_copy_change_nothing(host, play, prepared, count):
    taken = play(host, PLAYBOOK, extra_vars={"prepare_features_state": "absent"})
    assert taken.rc == 0, taken.stdout
    assert taken.facts(host)["feature_status"] == 2
    left = {line.split("|")[0]: line.split("|")[1] for line in rows(host.tree("/data"), "/data")}
    assert left == {"/data/wav2vec_features": "d", "/data/wav2vec_crema_d": "d"}
    # Now with the old directory listed by its link, twice, and a copy of 96 files in it.
    host.run(f"cd /{WAV2VEC_DIR} && mkdir sample && ls | grep cremad | head -96 | xargs -I@ cp -p --sparse=always @ sample/")
    sets = [{**one, "legacy": [f"/{ALIAS_DIR}", *one["legacy"], f"/{ALIAS_DIR}"]} for one in DEFAULTS]
    result = play(host, PLAYBOOK, extra_vars={"prepare_features_sets": sets})
    assert result.rc == 0, result.stdout
    seen = as_trainer(host)
    for target, number in (("wav2vec_features", count.ravdess), ("wav2vec_crema_d", count.crema_d)):
        assert seen[target]["resolved"] == seen[target]["features"] == seen[target]["names"] == number
        assert seen[target]["directories"] == [f"/{WAV2VEC_DIR}"]
    facts = result.facts(host)["feature_sets"]
    assert (facts["wav2vec"]["features"], facts["wav2vec_crema_d"]["features"]) == (count.ravdess, count.crema_d)
    assert facts["wav2vec"]["rejected"]["count"] + facts["wav2vec_crema_d"]["rejected"]["count"] == count.audio + count.npz_files
    assert facts["wav2vec_crema_d"]["legacy"][1]["features"] == count.crema_d + 96


# --- in other users' plays, with a small set ------------------------------------------------------------------

@pytest.fixture
def small(host):
    """The variables of a set of four features that nobody has linked yet."""
    host.run("rm -rf /srv/small; mkdir -p /srv/small")
    host.lay_out("--features", "/srv/small/old", "--crema-d", "3", "--ravdess", "1")
    return one_set("/srv/small")


def inventory(path, *members):
    path.write_text(json.dumps({"all": {"hosts": dict(members)}}))
    return path


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_an_unreachable_host_is_unreachable_and_the_others_go_on(host, play, small, tmp_path):
    gone = {**host.variables, "ansible_port": closed_port(), **small}
    result = play(inventory(tmp_path / "two.yml", ("gone", gone), ("here", {**host.variables, **small})), PLAYBOOK)
    assert result.rc == 4
    assert result.recap["gone"]["unreachable"] == 1 and result.recap["gone"]["failures"] == 0
    assert result.facts("gone") == {}
    assert "no features" not in result.stdout
    assert result.recap["here"]["unreachable"] == result.recap["here"]["failures"] == 0
    assert result.facts("here")["features_ready"] is True and result.recap["here"]["changed"] == 1


@pytest.mark.parametrize(("how", "who"), [("import_role", ""), ("include_role", ""), ("roles", ""), ("import_role", "other")])
def test_as_a_part_of_another_play(host, play, small, how, who):
    """Without gathered facts and injected variables; what follows runs as who it ran as before, and sees the facts."""
    after = [
        {"name": "Who am I", "ansible.builtin.command": {"cmd": "id -un"}, "changed_when": False},
        {"name": "See", "ansible.builtin.assert": {"that": [
            "ansible_facts['features_ready']", "ansible_facts['feature_sets']['clips']['target']['features'] == 4"]}},
    ]
    book = {"hosts": "all", "gather_facts": False, "vars": small, "tasks": after}
    if who:
        # Else Ansible warns that it makes it.
        host.run("install -d -m 0700 -o other -g other /home/other/.ansible /home/other/.ansible/tmp")
        book.update(become=True, become_user=who)
    if how == "roles":
        book["roles"] = [{"role": ROLE}]
    else:
        book["pre_tasks"] = [{"name": "Features first", f"ansible.builtin.{how}": {"name": ROLE}}]
    result = play(host, [book], env={"ANSIBLE_INJECT_FACT_VARS": "false"})
    assert result.rc == 0, result.stdout
    assert result.results(host, "ansible.builtin.command")[0]["result"]["stdout"] == (who or "ubuntu")
    assert host.run("ls /srv/small/target | wc -l").stdout.strip() == "4"
    assert "DEPRECATION" not in result.stdout and "WARNING" not in result.stdout


def test_twice_in_one_play_for_two_sets(host, play, small):
    """What the first inclusion did is not taken for what the second one found."""
    small = {**small, "prepare_features_report": "full"}
    other = {**small["prepare_features_sets"][0], "name": "more", "target": "/srv/small/more"}
    tasks = [
        {"ansible.builtin.include_role": {"name": ROLE}, "vars": small},
        {"ansible.builtin.include_role": {"name": ROLE}, "vars": {**small, "prepare_features_sets": [other]}},
        {"ansible.builtin.include_role": {"name": ROLE}, "vars": small},
    ]
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    assert result.rc == 0, result.stdout
    assert printed(result).count("done linked 4 features") == 2
    assert printed(result).count("done nothing to change") == 1
    assert result.recap[host.name]["changed"] == 2
    assert result.ssh_executions[host.name] == 3


@pytest.mark.parametrize("task", ["Upload what no host has", "Report"])
def test_a_run_that_starts_later_is_one_message(host, play, small, task):
    result = play(host, PLAYBOOK, small, args=["--start-at-task", task])
    messages = [event["result"]["msg"] for event in result.results(host) if event["event"] == "failed"]
    assert result.rc == 2 and len(messages) == 1, result.stdout
    assert messages[0].endswith(f"this run has not inspected the features of {host.name}: let the role run from its first task"
                                " (without --start-at-task)")


def test_a_host_that_is_ignored_when_it_cannot_be_reached_ends_nothing(host, play, small):
    """Its first task leaves no result for the later ones to decide by."""
    gone = dataclasses.replace(host, name="gone", port=1)
    role = {"ansible.builtin.include_role": {"name": ROLE, "apply": {"ignore_unreachable": True}}, "vars": small}
    after = {"ansible.builtin.debug": {"msg": "went on"}}
    result = play([host, gone], [{"hosts": "all", "gather_facts": False, "tasks": [role, after]}])
    assert result.rc == 0 and result.stdout.count("went on") == 2, result.stdout


def test_the_playbook_of_the_installed_collection_on_chosen_hosts(host, play, small, tmp_path):
    both = inventory(tmp_path / "two.yml", ("one", {**host.variables, **small}), ("other", {**host.variables, **small}))
    result = play(both, ROLE, extra_vars={"training_hosts": "one"})
    assert result.rc == 0, result.stdout
    assert set(result.recap) == {"one"}
    assert result.facts("one")["features_ready"] is True
