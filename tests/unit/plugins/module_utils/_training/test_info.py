# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time

from ansible_collections.trainprep.features.plugins.module_utils._cache import files, store
from ansible_collections.trainprep.features.plugins.module_utils._steps import inspect
from ansible_collections.trainprep.features.plugins.module_utils._system import mounts
from ansible_collections.trainprep.features.plugins.module_utils._training.info import (
    count_features,
    look,
)
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
