# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on a host laid out as the real ones are, at full size: 8,690 features among 15,412 other files."""

from __future__ import annotations

import json

import pytest

TARGETS = {"/data/wav2vec_features": 1248, "/data/wav2vec_crema_d": 7442}

# Counts what each target holds, from the disk: links, links that resolve to an archive, other things.
COUNT = """
import os
for target in ("/data/wav2vec_features", "/data/wav2vec_crema_d"):
    links = good = rest = 0
    for name in os.listdir(target):
        path = os.path.join(target, name)
        if os.path.islink(path):
            links += 1
            with open(path, "rb") as file:
                good += file.read(4) == bytes([80, 75, 3, 4]) and name == os.path.basename(os.readlink(path))
        else:
            rest += 1
    print(target, links, good, rest)
"""


@pytest.fixture(scope="module")
def walk(start_host, play):
    """Check mode, the run, the run again, on one host; with the trees around the first two."""
    # 24,000 files are written and removed in seconds in memory, whatever the disk of the machine.
    memory = [f"--tmpfs=/home/ubuntu/{part}:uid=1000,gid=1000,mode=0755" for part in ("audio_emotion", "emotion-recognition")]
    host = start_host("full", args=memory, layout=["--root", "/", "--scale", "full", "--owner", "ubuntu"])
    # Ansible's own directory in the home is no part of the host's data.
    host.run("mkdir -p ~/.ansible/tmp", user="ubuntu")
    trees = [host.tree()]
    checked = play(host, "prepare_features.yml", check=True, diff=True)
    trees.append(host.tree())
    first = play(host, "prepare_features.yml")
    second = play(host, "prepare_features.yml")
    return {"host": host, "trees": trees, "checked": checked, "first": first, "second": second}


def _without_ansible(tree):
    return sorted(line for line in tree.splitlines() if "/.ansible" not in line and not line.startswith("/home/ubuntu|"))


def test_check_mode_tells_the_plan_and_changes_nothing(walk):
    checked, name = walk["checked"], walk["host"].name
    assert checked.rc == 0, checked.stdout
    assert checked.recap[name]["changed"] >= 1
    assert "7442" in checked.stdout.replace(",", "") and "1248" in checked.stdout.replace(",", "")
    # Counts and samples, not a line per file.
    assert len(checked.stdout.splitlines()) < 250
    before, after = map(_without_ansible, walk["trees"])
    assert before == after
    assert len(before) > 24000


def test_one_run_links_every_feature_once_and_copies_none(walk):
    first, host = walk["first"], walk["host"]
    assert first.rc == 0, first.stdout
    counted = {line.split()[0]: tuple(map(int, line.split()[1:])) for line in host.python(COUNT, user="ubuntu").stdout.splitlines()}
    assert counted == {target: (count, count, 0) for target, count in TARGETS.items()}
    facts = first.facts(host)
    assert (facts["feature_status"], facts["features_ready"]) == (3, True)
    assert facts["feature_sets"]["wav2vec_crema_d"]["features"] == 7442


def test_legacy_directories_are_as_they_were(walk):
    def legacy(tree):
        # Inode change times aside: reading proves nothing about them.
        return [line for line in _without_ansible(tree) if line.startswith("/home/ubuntu/")]

    assert legacy(walk["host"].tree("/home")) == legacy(walk["trees"][0])


def test_the_second_run_changes_nothing(walk):
    assert walk["second"].rc == 0
    assert walk["second"].recap[walk["host"].name]["changed"] == 0


def test_remote_executions(walk):
    name = walk["host"].name
    assert walk["first"].ssh_executions[name] <= 5, walk["first"].ssh_commands
    assert walk["second"].ssh_executions[name] == 1, walk["second"].ssh_commands


def test_facts_do_not_grow_with_the_files(walk):
    # Some 3 KB where 8,690 features and 15,412 other files were looked at.
    looked = walk["second"].results(walk["host"], "trainprep.features.feature_facts")
    assert [len(json.dumps(event["result"]["ansible_facts"])) < 8000 for event in looked] == [True]


def test_an_unreachable_host_is_unreachable_and_the_others_go_on(walk, play, tmp_path):
    host = walk["host"]
    inventory = tmp_path / "hosts.ini"
    nowhere = host.inventory_line.replace(host.name, "nowhere", 1).replace(f"ansible_port={host.port}", "ansible_port=1")
    inventory.write_text(f"{nowhere}\n{host.inventory_line}\n")
    result = play(inventory, "prepare_features.yml")
    assert result.rc == 4, result.stdout
    assert result.recap["nowhere"]["unreachable"] == 1
    assert result.recap[host.name]["failures"] == 0
    assert result.recap[host.name]["ok"] >= 2
    assert result.facts("nowhere") == {}
