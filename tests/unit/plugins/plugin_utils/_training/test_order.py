# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.action.training_info import fetch_command, place_for
from ansible_collections.trainprep.features.plugins.action.training_run import conclude
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils import run_id
from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import (
    ParsedOrder,
    add_features,
    find_on_controller,
    read_order,
)

VARIABLES = {"inventory_hostname": "b", "ansible_play_hosts_all": ["a", "b"], "hostvars": {"a": {"ansible_host": "10.0.0.1"}}}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(b"print('\xff')\n")
    return path


def test_the_order_of_a_script(script, tmp_path):
    given = read_order({"script": str(script), "arguments": "--lr 0.1", "metrics": "a.csv"}, VARIABLES).given
    assert given["script"] == "print('\udcff')\n" and given["script_path"] == "scripts/train.py"
    assert (given["arguments"], given["command"], given["text"]) == (["--lr", "0.1"], [], "")
    assert given["record"] == {"project": None, "commit": None, "dirty": None, "metrics": ["a.csv"]}
    assert given["variables"] == {"NODE_RANK": "1", "NNODES": "2", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}
    assert set(given["files"]) == {"launcher.py", "old_runs.py", "checkpoints.py", "processes.py", "unpack.py"}
    # Beside the playbook too.
    assert find_on_controller("train.py", str(tmp_path)) == str(script)


def test_the_order_of_a_command():
    given = read_order({"command": ["a", "b"], "arguments": ["c d"], "on_end": "notify"}, VARIABLES).given
    assert (given["command"], given["script"], given["command_line"]) == (["a", "b", "c d"], None, "a b 'c d'")
    assert given["programs"] == {"command": "a", "on_end": ""} and given["on_end_text"] == "notify"
    # A text is a shell's, which knows its own first word.
    assert read_order({"command": "module load x && y"}, VARIABLES).given["programs"] == {"command": "", "on_end": ""}


@pytest.mark.parametrize(("metrics", "globs"), [
    ("", []), ("a.csv", ["a.csv"]), ("a.csv, b/*.csv", ["a.csv", "b/*.csv"]), ('["a.csv"]', ["a.csv"]), (["a.csv"], ["a.csv"]),
])  # fmt: skip
def test_a_survey_gives_text(metrics, globs):
    given = read_order({"command": ["x"], "metrics": metrics, "environment": '{"A": 1}'}, VARIABLES).given
    assert given["record"]["metrics"] == globs and given["environment"] == {"A": "1"}


def test_a_stop_asks_for_no_script():
    assert "script" not in read_order({"state": "stopped"}, {}).given


@pytest.mark.parametrize(("arguments", "words"), [
    ({}, "script is not set: .*, or set command"),
    ({"script": "/nowhere.py"}, "script '/nowhere.py' is not there"),
    ({"script": "/"}, "script '/' is not there"),
    ({"project": "/nowhere", "script": "a.py"}, "project '/nowhere' is not a folder"),
    ({"session": "a b", "script": "a.py"}, "session 'a b' cannot name"),
    ({"command": ["x"], "require_gpu_memory": "much"}, "require_gpu_memory 'much' is no amount"),
])  # fmt: skip
def test_orders_that_cannot_be_meant(arguments, words):
    with pytest.raises(FeatureError, match=words):
        read_order(arguments, VARIABLES)


def facts(**changed):
    one = {"access": {"user": "u"}, "digest": "d", "problems": ["few"], "declared": {"name": "s"}}
    return {"feature_run": run_id.run_id(), "features_ready": True, "feature_status": 3, "feature_sets": {"s": one}, **changed}


def test_features_of_this_run_are_recorded():
    order = ParsedOrder({"record": {}}, None)
    variables = {**VARIABLES, "ansible_facts": facts(feature_digest="all"), "prepare_features_inspected": {"found_status": 2}}
    assert add_features(order, variables, False) == ""
    assert order.given["ready_for"] == "u"
    assert order.given["record"] == {
        "feature_status": 2, "sets": [{"name": "s"}], "data": {"digest": "all", "sets": {"s": "d"}}}  # fmt: skip


@pytest.mark.parametrize("found", [{}, facts(feature_run="another"), {"features_ready": True}, {"feature_run": run_id.run_id()}])
def test_facts_of_another_run_are_refused(found):
    for check_mode in (False, True):
        with pytest.raises(FeatureError, match="this run has not looked at the features of b, so nothing is started"):
            add_features(ParsedOrder({"record": {}}, None), {**VARIABLES, "ansible_facts": found}, check_mode)


def test_a_host_that_is_not_ready_waits_in_check_mode_only():
    variables = {**VARIABLES, "ansible_facts": facts(features_ready=False)}
    assert add_features(ParsedOrder({"record": {}}, None), variables, True).endswith("so nothing is started: few")
    with pytest.raises(FeatureError, match="the features of b are not ready, so nothing is started: few"):
        add_features(ParsedOrder({"record": {}}, None), variables, False)


def test_check_mode_predicts_the_start_on_a_host_that_the_run_makes_ready():
    order = ParsedOrder({"record": {}}, None)
    variables = {**VARIABLES, "ansible_facts": facts(features_ready=False, features_will_be_ready=True)}
    assert add_features(order, variables, True) == "" and order.given["ready_for"] == "u"
    with pytest.raises(FeatureError, match="are not ready"):
        add_features(ParsedOrder({"record": {}}, None), variables, False)


def test_a_start_that_the_run_would_refuse_changes_nothing():
    found = conclude(ANSWER, "s", "nothing is started: few")
    assert (found["changed"], found["message"]) == (False, "nothing is started: few (only predicted in check mode)")


ANSWER = {"message": "started", "run": "/r/s/1", "socket": "", "changed": True}
DEAD = {"ended": True, "exit_code": 1, "signal": None, "attempts": 1, "tail": "a\n\x1b[1mValueError: b\n"}


@pytest.mark.parametrize(("answer", "wanted"), [
    ({"failed": True, "msg": "x"}, {"failed": True, "msg": "x"}),
    (ANSWER, {"message": "started", "attach": "tmux attach -t s", "removed": 0, "warnings": []}),
    ({**ANSWER, "socket": "own"}, {"attach": "tmux -L own attach -t s"}),
    ({**ANSWER, "settled": {**DEAD, "exit_code": 0}}, {"message": "started, and has succeeded (exit code 0)"}),
    ({**ANSWER, "settled": {**DEAD, "ended": False, "again": False}},
     {"failed": True, "msg": "the launcher was killed after an attempt that ended with exit code 1: deploy again"}),
    ({**ANSWER, "settled": {**DEAD, "ended": False, "again": True}},
     {"message": "started; attempt 1 ended with exit code 1, and the training was started again"}),
    ({**ANSWER, "settled": DEAD},
     {"failed": True, "msg": "the training ended at once with exit code 1: /r/s/1/training.log ends with:\n  a\n  ValueError: b"}),
    ({**ANSWER, "settled": {**DEAD, "signal": 9, "attempts": 3, "tail": ""}},
     {"failed": True, "msg": "the training ended at once in 3 attempts with signal 9: /r/s/1/training.log ends with: it is empty"}),
    ({**ANSWER, "old_runs": {"removed": 2, "error": "full"}},
     {"removed": 2, "warnings": ["an old run in /r/s cannot be removed (full): remove it by hand"]}),
])  # fmt: skip
def test_what_a_task_says_of_an_answer(answer, wanted):
    found = conclude(answer, "s")
    assert wanted.items() <= found.items() and "settled" not in found and found.get("failed", False) == wanted.get("failed", False)


def test_where_results_come_to():
    assert place_for("/r", "gpu-1", "s", "20260101T000000Z-2") == "/r/gpu-1/s/20260101T000000Z-2"
    assert place_for("/r", "../x/y", "s", "20260101T000000Z") == "/r/_x_y/s/20260101T000000Z"
    for odd in ("..", "", "20260101T000000Z/..", "/etc"):
        with pytest.raises(FeatureError, match="is none that a deploy gives"):
            place_for("/r", "h", "s", odd)
    offer = {"python": "/usr/bin/python3", "name": "0" * 32, "uid": 1000}
    assert fetch_command(offer, None, "/r/x", "/l")[-2:] == ["localhost:./", "/r/x/"]
    with pytest.raises(FeatureError, match="is not understood"):
        fetch_command({**offer, "name": "x; reboot"}, None, "/r/x", "/l")
