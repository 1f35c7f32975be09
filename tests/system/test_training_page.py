# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data a run saw, whether they are still the same, and the page that shows how its host trains."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.charts import agree, drawn_curves, page_of
from tests.support.trainings import WORK, monitor, state
from tests.support.waiting import wait_for

CALLBACKS = {
    "ANSIBLE_CALLBACKS_ENABLED": "events,trainprep.features.feature_report,trainprep.features.training_report", "COLUMNS": "200"}

# As Keras writes to a file: a bar that goes back over itself, then the epoch's values.
TRAINER = """
import math, time
for epoch in range(1, 41):
    print('Epoch %d/40' % epoch)
    for step in range(1, 30):
        print('%2d/30 [====>....] - loss: 99.0' % step, end='\\b' * 30)
    print('30/30 [=========] - 1s 9ms/step - loss: %.4f - accuracy: %.4f - val_loss: %.4f - learning_rate: %.2e' % (
        START * math.exp(-epoch / 9), 1 - math.exp(-epoch / 9), 1 + (epoch - 25) ** 2 / 500, 1e-3 * 0.5 ** (epoch // 4)), flush=True)
"""


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


def test_the_record_has_the_data_and_the_monitor_reports_changes(host, play, deployed, tmp_path):
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


def test_hosts_with_different_data_are_in_the_fleet_report(host, start_host, play, tmp_path):
    twin = start_host("page-twin", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    same = play([host, twin], "prepare_features.yml", env=CALLBACKS)
    assert same.rc == 0, same.stdout
    assert "same data" not in same.stdout
    # One clip fewer wherever the twin has it.
    twin.run("name=$(ls /data/wav2vec_crema_d | head -n 1); rm -f /data/wav2vec_crema_d/$name; find / -xdev -name $name -delete")
    other = play([host, twin], "prepare_features.yml", env=CALLBACKS)
    assert other.rc == 0, other.stdout
    assert "The hosts do not train on the same data of wav2vec_crema_d." in " ".join(other.stdout.split())


def test_the_page_shows_what_the_logs_hold(host, play, hosts, deployed, tmp_path):
    logs = {}
    for start in (3.0, 2.0):
        script = tmp_path / "train.py"
        script.write_text(f"START = {start}\n" + TRAINER)
        result = play(host, "deploy_training.yml", {
            "deploy_training_script": str(script), "deploy_training_virtualenv": "", "deploy_training_session": "curves"})
        assert result.rc == 0, result.stdout
        wait_for(lambda: "ended" in state(host, "curves"), "the end")
        name = host.run(["readlink", f"{WORK}/runs/curves/latest"]).stdout.strip()
        logs[name] = host.run(["cat", f"{WORK}/runs/curves/latest/training.log"]).stdout

    gone = tmp_path / "hosts.ini"
    gone.write_text(host.inventory_line + "\ngone ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_common_args=-oConnectTimeout=2\n")
    variables = {"monitor_training_session": "curves", "monitor_training_report_dir": str(tmp_path / "reports")}
    result = play(gone, "monitor_training.yml", variables, env=CALLBACKS)
    assert f"Report: {tmp_path}/reports/training.json and {tmp_path}/reports/training.html" in result.stdout
    report = json.loads((tmp_path / "reports/training.json").read_text())
    assert [(one["host"], one["state"]) for one in report["hosts"]] == [("gone", "unreachable"), (host.name, "succeeded")]
    one = report["hosts"][1]
    assert (one["epoch"], one["epochs"], one["features"]["changed"], one["expected_end"]) == (40, 40, False, None)
    assert one["runs"][0]["best"] == {"metric": "val_loss", "epoch": 25.0, "value": 1.0}

    text = (tmp_path / "reports/training.html").read_text()
    drawn = drawn_curves(text)
    assert len(drawn) == 8 and page_of(text).open == []
    for name, log in logs.items():
        for metric in ("loss", "accuracy", "val_loss", "learning_rate"):
            values = re.findall(rf"ms/step.* {metric}: (\S+)", log)
            assert len(values) == 40
            assert agree(drawn[(name, metric)], [(float(epoch), float(value)) for epoch, value in enumerate(values, 1)]), metric

    # Followed, the page is of the end; without the callback the hosts write it themselves.
    followed = play(host, "monitor_training.yml", {**variables, "monitor_training_follow": True}, env=CALLBACKS)
    assert followed.rc == 0, followed.stdout
    (tmp_path / "reports/training.json").unlink()
    alone = play(host, "monitor_training.yml", variables)
    assert alone.rc == 0, alone.stdout
    assert json.loads((tmp_path / "reports/training.json").read_text())["hosts"][0]["runs"][0]["best"]["epoch"] == 25.0
