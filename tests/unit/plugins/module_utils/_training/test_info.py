# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._cache import files, store
from ansible_collections.trainprep.features.plugins.module_utils._steps import inspect
from ansible_collections.trainprep.features.plugins.module_utils._system import mounts
from ansible_collections.trainprep.features.plugins.module_utils._training import gpus, runs, tmux
from ansible_collections.trainprep.features.plugins.module_utils._training.info import (
    count_features,
    look,
)
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.answer import INFO_ANSWER
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import check_answer
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    ME,
    a_set,
    features,
    npy,
)

ASKED = {"session": "s", "sets": [], "stale_after": 900, "lines": 0, "history": False, "metrics": []}


def test_the_table_of_runs_has_the_best_value_of_those_whose_curves_are_read(tmp_path):
    for number in (1, 2):
        run = tmp_path / "runs" / "s" / f"2026010{number}T000000Z"
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"commit": "c" * 40, "dirty": False, "data": {"digest": "d" * 64}}))
        (run / "state.json").write_text(json.dumps({"started": 100.0, "ended": 160.0, "exit_code": 0}))
        (run / "training.log").write_text(f"Epoch 1/2\ntrain loss: 0.5 val loss: {number}.5\nEpoch 2/2\nval loss: {number}.75\n")
    (tmp_path / "runs" / "s" / "latest").symlink_to(run.name)
    found = look(ME, {**ASKED, "dir": str(tmp_path), "history": True})["runs"]
    best = {"metric": "val_loss", "epoch": 1.0, "axis": "epoch"}
    assert [one["best"] for one in found] == [{**best, "value": 2.5}, {**best, "value": 1.5}]
    assert (found[0]["commit"], found[0]["digest"], found[0]["seconds"]) == ("c" * 40, "d" * 64, 60.0)
    assert [one["best"] for one in look(ME, {**ASKED, "dir": str(tmp_path)})["runs"]] == [None, None]


def test_a_second_health_check_finds_the_inspection_in_the_cache(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir(mode=0o700)
    (tmp_path / "t").mkdir()
    features(tmp_path / "t", "a.npz", "b.npz")
    monkeypatch.setattr(files, "place", lambda: str(tmp_path / "kept" / "trainprep.features"))
    monkeypatch.setattr(store, "AGE", 0.02)
    monkeypatch.setattr(mounts, "file_system_type", lambda *_args: "ext4")
    time.sleep(0.05)
    asked = [a_set(tmp_path / "t")]
    first = count_features(ME, {}, asked)
    assert first["count"] == 2 and first["ready"]
    with monkeypatch.context() as patch:
        patch.setattr(inspect, "inspect_host", None)  # nothing is inspected
        assert count_features(ME, {}, asked) == first
    (tmp_path / "t" / "b.npz").unlink()
    assert count_features(ME, {}, asked)["count"] == 1


def test_a_health_check_does_not_read_all_data_whatever_the_set_says(tmp_path):
    npy(tmp_path / "t/a.npy", 1)
    found = count_features(ME, {}, [a_set(tmp_path / "t", verify="full", patterns=["*.npy"], reads=["*.npy"])])
    assert found["count"] == 1 and found["ready"]
    assert found["data"]["changed"] is None and found["data"]["digest"] is None


ODD = [True, 10**30, -1e300, float("nan"), "x", [1], [[]], {"pid": {}}, {"pid": "x", "started": []}, {"by": [1]}]
RECORD = ("commit", "command_line", "data", "dirty", "feature_status", "metrics", "sets")
STATE = ("attempt", "attempts", "boot_id", "changes", "ended", "epoch_named", "error", "exit_code", "launcher", "outlived", "signal",
         "started", "stopped", "trainer")  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_whatever_the_user_writes_into_a_record_the_answer_has_its_types(tmp_path, odd, monkeypatch):
    monkeypatch.setattr(gpus, "find_gpus", lambda: gpus.Gpus([]))
    monkeypatch.setattr(tmux, "find_session", lambda _account, name: tmux.Session(name, False))
    run = tmp_path / "runs" / "s" / "20260101T000000Z"
    run.mkdir(parents=True)
    (tmp_path / "runs" / "s" / "latest").symlink_to(run.name)
    (run / "training.log").write_text("Epoch 1/2\ntrain loss: 0.5 val loss: 1.5\n")
    state = {"started": 100.0, "ended": 160.0, "exit_code": 1, "boot_id": tmux.boot_id()}
    for name in (*RECORD, *STATE):
        (run / "run.json").write_text(json.dumps({name: odd} if name in RECORD else {}))
        (run / "state.json").write_text(json.dumps({**state, **({name: odd} if name in STATE else {})}))
        found = look(ME, {**ASKED, "dir": str(tmp_path), "history": True})
        assert not check_answer(json.loads(json.dumps(found)), INFO_ANSWER, "host", "training_info").get("failed"), name


def test_a_record_that_is_too_deep_is_damaged(tmp_path):
    (tmp_path / "state.json").write_text("[" * 200_000)
    with pytest.raises(FeatureError, match=r"state.json is damaged: remove"):
        runs.read_json(str(tmp_path / "state.json"))


def test_the_schema_names_all_that_is_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "find_gpus", lambda: gpus.Gpus([gpus._entry(0, "T4", 1, 2, 3)]))
    monkeypatch.setattr(tmux, "find_session", lambda _account, name: tmux.Session(name, False))
    run = tmp_path / "runs" / "s" / "20260101T000000Z"
    run.mkdir(parents=True)
    (run.parent / "latest").symlink_to(run.name)
    npy(tmp_path / "t/a.npy", 1)
    declared = [a_set(tmp_path / "t", patterns=["*.npy"], reads=["*.npy"])]
    (run / "run.json").write_text(json.dumps({"sets": declared, "data": {"digest": "1" * 64}}))
    (run / "state.json").write_text(json.dumps({"started": 100.0, "ended": time.time() + 60, "exit_code": 1}))
    (run / "training.log").write_text("Epoch 1/2\ntrain loss: 0.5 val loss: 1.5\nEpoch 2/2\ntrain loss: nan val loss: 1.75\n")
    (tmp_path / "m.keras").write_bytes(b"x")
    found = json.loads(json.dumps(look(ME, {**ASKED, "dir": str(tmp_path), "history": True})))
    assert found["features"]["sets"] and found["checkpoint"] and found["history"][0]["best"] and found["gpus"]
    assert check_answer(found, INFO_ANSWER, "host", "training_info") == found


def test_a_host_without_a_run_is_told_where_none_is_on_record(tmp_path):
    found = look(ME, {**ASKED, "dir": str(tmp_path), "session": "nowhere"})
    assert (found["state"], found["sentence"]) == (
        "never started", f"never started: there is no record of a run in {tmp_path}/runs/nowhere")  # fmt: skip
