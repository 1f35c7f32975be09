# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet with every kind of host, as its people see it: terminal, JSON and page."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PLAYBOOK = "prepare_features.yml"
CALLBACKS = {"ANSIBLE_CALLBACKS_ENABLED": "events,trainprep.features.feature_report"}
OLD = "/home/ubuntu/audio_emotion/models/wav2vec"


def write_inventory(path: Path, members) -> Path:
    path.write_text(json.dumps({"all": {"hosts": members}}))
    return path


@pytest.fixture(scope="module")
def fleet(start_host, play, tmp_path_factory):
    """Four containers and six hosts: one to link, one prepared, one empty, one of unknown status, one that fails, one gone."""
    layout = ["--root", "/", "--scale", "small", "--owner", "ubuntu"]
    legacy = start_host("legacy", layout=layout)
    ready = start_host("ready", layout=layout)
    empty = start_host("empty", layout=[*layout, "--no-wav2vec", "--no-alias"])
    unknown = start_host("unknown", layout=[*layout, "--no-wav2vec"])
    # A volume that is not mounted, and a damaged file whose name holds markup and an escape sequence.
    unknown.run("rm -rf /home/ubuntu/audio_emotion && ln -s /mnt/gone /home/ubuntu/audio_emotion")
    folder = tmp_path_factory.mktemp("fleet")
    inventory = write_inventory(folder / "hosts.yml", {
        "gpu-1": ready.variables,
        "gpu-2": legacy.variables,
        "gpu-3": empty.variables,
        "gpu-4": unknown.variables,
        "gpu-5": {**ready.variables, "prepare_features_user": "nobody-here"},
        "gpu-10": {**ready.variables, "ansible_port": 1},
    })  # fmt: skip
    assert play(ready, PLAYBOOK).rc == 0
    ready.run("printf x > $'/data/wav2vec_features/<b>\\e[31m.npz'")
    checked = play(legacy, PLAYBOOK, check=True, env=CALLBACKS)
    result = play(
        inventory, PLAYBOOK, {"prepare_features_report_dir": str(folder / "report")}, env={**CALLBACKS, "COLUMNS": "80"}
    )
    report = json.loads((folder / "report" / "report.json").read_text())
    return result, report, folder, checked


def of(report, name):
    return next(host for host in report["hosts"] if host["host"] == name)


def test_the_run_fails_and_the_others_go_on(fleet):
    result, report, *_rest = fleet
    assert result.rc != 0
    assert {name: (recap["failures"], recap["unreachable"]) for name, recap in result.recap.items()} == {
        "gpu-1": (1, 0), "gpu-2": (0, 0), "gpu-3": (1, 0), "gpu-4": (1, 0), "gpu-5": (1, 0), "gpu-10": (0, 1),
    }  # fmt: skip
    assert {host["host"]: (host["outcome"], host["status"]) for host in report["hosts"]} == {
        "gpu-1": ("not_ready", 3),
        "gpu-2": ("ready", 3),
        "gpu-3": ("not_ready", 0),
        "gpu-4": ("not_ready", None),
        "gpu-5": ("failed", None),
        "gpu-10": ("unreachable", None),
    }
    assert report["summary"]["changed"] == 1


def test_json_tells_what_was_found_and_done(fleet):
    _result, report, *_rest = fleet
    linked = {one["name"]: (one["found"], one["linked"], one["readable"]) for one in of(report, "gpu-2")["sets"]}
    assert linked == {"wav2vec": (8, 8, "yes"), "wav2vec_crema_d": (24, 24, "yes")}
    places = {place["path"]: place for place in of(report, "gpu-2")["sets"][0]["directories"]}
    assert (places["/data/wav2vec_features"]["features"], places["/data/wav2vec_features"]["links"]) == (8, 8)
    assert places[OLD]["features"] == 8
    assert places["/home/ubuntu/emotion_project/wav2vec_features"]["same_as"] == OLD
    assert "nobody-here" in of(report, "gpu-5")["message"]
    assert "audio_emotion" in of(report, "gpu-4")["message"]
    assert "it has no 'source' to upload from" in of(report, "gpu-3")["message"]
    assert "port 1: Connection refused" in of(report, "gpu-10")["message"]


def test_json_has_its_documented_form(fleet):
    schema = json.loads((REPOSITORY / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(fleet[1])


def test_each_host_has_one_block_and_the_fleet_one_table_after_the_recap(fleet):
    output = fleet[0].stdout
    for name in ("gpu-1", "gpu-2", "gpu-3", "gpu-4"):
        assert len(re.findall(rf"^{name}: (?:NOT )?READY", output, re.M)) == 1
    table = output[output.index("PLAY RECAP") :]
    table = table[table.index("FEATURES") :]
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line.startswith("gpu-")}
    assert rows["gpu-2"][1:7] == ["wav2vec", "READY", "target", "and", "legacy", "8"]
    assert "UNREACHABLE" in rows["gpu-10"] and "FAILED" in rows["gpu-5"] and "unknown" in rows["gpu-4"]
    assert "6 hosts: 1 ready, 3 not ready, 1 failed, 1 unreachable." in table
    assert "Unreachable: gpu-10" in table
    assert [line for line in table.splitlines() if len(line) > 80 and " " in line.strip() and "Report:" not in line] == []
    assert "\x1b" not in output


def test_page_holds_the_hosts_and_no_markup_of_theirs(fleet):
    page = (fleet[2] / "report" / "report.html").read_text()
    for name in ("gpu-1", "gpu-2", "gpu-3", "gpu-4", "gpu-5", "gpu-10"):
        assert f"<h2>{name}</h2>" in page
    assert "&lt;b&gt;\\x1b[31m.npz" in page
    assert "<b>\\" not in page and "\x1b" not in page


def test_narrow_terminal(fleet, play):
    result = play(fleet[2] / "hosts.yml", PLAYBOOK, env={**CALLBACKS, "COLUMNS": "50"}, args=["-l", "gpu-2,gpu-10"])
    table = result.stdout[result.stdout.index("PLAY RECAP") :].split("FEATURES ", 1)[1].splitlines()[1:]
    assert [line[:7] for line in table if "result READY" in line] == ["gpu-2: "] and "gpu-10: result UNREACHABLE" in table
    assert [line for line in table if len(line) > 50] == []


def test_colour_only_if_it_is_wanted(fleet, play):
    plain = {**CALLBACKS, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "0"}
    colour = {**CALLBACKS, "ANSIBLE_NOCOLOR": "0", "ANSIBLE_FORCE_COLOR": "1"}
    for env, wanted in ((plain, False), (colour, True)):
        result = play(fleet[2] / "hosts.yml", PLAYBOOK, env=env, args=["-l", "gpu-2"])
        table = result.stdout[result.stdout.rindex("FEATURES") :]
        assert ("\x1b[0;32mgpu-2" in table) is wanted


def test_the_directory_can_come_from_the_environment_if_no_host_answers(fleet, play, tmp_path):
    env = {**CALLBACKS, "TRAINPREP_FEATURES_REPORT_DIR": str(tmp_path / "from env")}
    result = play(fleet[2] / "hosts.yml", PLAYBOOK, env=env, args=["-l", "gpu-10"])
    assert result.rc == 4
    assert json.loads((tmp_path / "from env" / "report.json").read_text())["summary"]["unreachable"] == 1


def test_the_role_variable_counts_if_no_host_answers(fleet, play, tmp_path):
    play(fleet[2] / "hosts.yml", PLAYBOOK, {"prepare_features_report_dir": str(tmp_path / "r")}, env=CALLBACKS, args=["-l", "gpu-10"])
    assert (tmp_path / "r" / "report.html").exists()


def test_without_the_callback_each_host_adds_itself_to_the_report(fleet, play, tmp_path):
    result = play(fleet[2] / "hosts.yml", PLAYBOOK, {"prepare_features_report_dir": str(tmp_path / "r")}, args=["-l", "gpu-2,gpu-10"])
    assert "FEATURES" not in result.stdout
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert [host["host"] for host in report["hosts"]] == ["gpu-2", "gpu-10"]
    assert report["summary"]["unreachable"] == 1
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "report.json"]


def test_without_the_callback_a_host_whose_upload_fails_is_in_the_report(fleet, play, tmp_path):
    sets = [{"name": "wav", "target": "/data/wav", "source": str(tmp_path / "none")}]
    variables = {"prepare_features_sets": sets, "prepare_features_search_roots": [], "prepare_features_report_dir": str(tmp_path / "r")}
    result = play(fleet[2] / "hosts.yml", PLAYBOOK, variables, args=["-l", "gpu-3"])
    [failed] = [event["result"]["msg"] for event in result.results("gpu-3") if event["event"] == "failed"]
    [host] = json.loads((tmp_path / "r" / "report.json").read_text())["hosts"]
    assert (host["host"], host["outcome"], host["status"], host["message"].rstrip(".")) == ("gpu-3", "failed", 0, failed)
    assert [one["name"] for one in host["sets"]] == ["wav"]


def test_without_the_callback_a_host_with_bad_variables_is_in_the_report(fleet, play, tmp_path):
    variables = {"prepare_features_on_conflict": "guess", "prepare_features_report_dir": str(tmp_path / "r")}
    assert play(fleet[2] / "hosts.yml", PLAYBOOK, variables, args=["-l", "gpu-3"]).rc == 2
    [host] = json.loads((tmp_path / "r" / "report.json").read_text())["hosts"]
    assert (host["host"], host["outcome"]) == ("gpu-3", "failed") and "on_conflict" in host["message"]


def test_a_directory_that_cannot_be_written_is_reported(fleet, play, tmp_path):
    (tmp_path / "file").write_text("")
    result = play(
        fleet[2] / "hosts.yml", PLAYBOOK, {"prepare_features_report_dir": str(tmp_path / "file")}, env=CALLBACKS, args=["-l", "gpu-2"]
    )
    assert "The report could not be written" in result.stdout
    assert "1 host: 1 ready" in result.stdout


def test_check_mode_is_worded_as_a_prediction(fleet):
    checked = fleet[3]
    assert checked.rc == 0, checked.stdout
    assert "would link 8 features" in checked.stdout
    assert "Check mode: nothing was changed." in checked.stdout


def test_runner_sees_the_lines_in_the_result(fleet, hosts, tmp_path):
    """A program that reads events gets the report as data."""
    import ansible_runner

    seen = []
    hosts_file = tmp_path / "inventory" / "hosts.yml"
    hosts_file.parent.mkdir()
    hosts_file.write_text((fleet[2] / "hosts.yml").read_text())
    run = ansible_runner.run(
        private_data_dir=str(tmp_path), inventory=str(hosts_file), playbook=str(REPOSITORY / PLAYBOOK), limit="gpu-2", quiet=True,
        envvars={key: value for key, value in hosts.environment(tmp_path).items() if key.startswith(("ANSIBLE_", "PATH"))},
        event_handler=lambda event: seen.append(event) and False,
    )  # fmt: skip
    assert run.status == "successful", subprocess.list2cmdline([event["stdout"] for event in seen])
    results = [event["event_data"]["res"] for event in seen if event["event"] == "runner_on_ok"]
    blocks = [result["report"] for result in results if result.get("report")]
    assert len(blocks) == 1 and any("gpu-2: READY" in line for line in blocks[0])
