# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data a run saw, and whether they are still the same."""

from __future__ import annotations

import json

import pytest

from tests.support.trainings import WORK, monitor, state, wait_for

CALLBACKS = {"ANSIBLE_CALLBACKS_ENABLED": "events,trainprep.features.feature_report", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def host(start_host):
    return start_host("page", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])


@pytest.fixture(scope="module")
def deployed(host, play, tmp_path_factory):
    """A run that has ended well; its record."""
    script = tmp_path_factory.mktemp("scripts") / "train.py"
    script.write_text("print('Epoch 1/1')\n")
    result = play(host, "deploy_training.yml", {"deploy_training_script": str(script), "deploy_training_virtualenv": ""})
    assert result.rc == 0, result.stdout
    wait_for(lambda: "ended" in state(host, "attn_crnn_v2"), "the end")
    return json.loads(host.run(["cat", f"{WORK}/runs/attn_crnn_v2/latest/run.json"]).stdout)


def test_the_record_says_which_data_the_run_saw_and_the_monitor_whether_they_changed(host, play, deployed, tmp_path):
    data = deployed["data"]
    # Of what was linked by that very play, not of the look before it.
    reports = tmp_path / "reports"
    again = play(host, "prepare_features.yml", {"prepare_features_report_dir": str(reports)}, env=CALLBACKS)
    assert again.rc == 0, again.stdout
    report = json.loads((reports / "report.json").read_text())
    assert {one["name"]: one["digest"] for one in report["hosts"][0]["sets"]} == data["sets"]
    assert len(set(data["sets"].values()) | {data["digest"]}) == 3

    same = monitor(play, host)
    assert same.rc == 0, same.stdout
    assert f"✓ data unchanged since the run was started (digest {data['digest'][:12]})" in same.stdout

    # Gone, though all that is left is in order.
    host.run("rm $(ls /data/wav2vec_crema_d/*.npz | head -n 1)")
    other = monitor(play, host)
    assert other.rc == 0, other.stdout
    assert "✗ WARNING: the data of wav2vec_crema_d have changed since the run was started" in other.stdout


def test_hosts_whose_data_differ_are_told_by_the_fleet_report(host, start_host, play, tmp_path):
    twin = start_host("page-twin", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    same = play([host, twin], "prepare_features.yml", env=CALLBACKS)
    assert same.rc == 0, same.stdout
    assert "same data" not in same.stdout
    # One clip fewer wherever the twin has it.
    twin.run("name=$(ls /data/wav2vec_crema_d | head -n 1); rm -f /data/wav2vec_crema_d/$name; find / -xdev -name $name -delete")
    other = play([host, twin], "prepare_features.yml", env=CALLBACKS)
    assert other.rc == 0, other.stdout
    assert "The hosts do not train on the same data of wav2vec_crema_d." in " ".join(other.stdout.split())
