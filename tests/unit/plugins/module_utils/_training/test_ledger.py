# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.ledger import last_runs, row, table
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import Run, RunState, read_run
from ansible_collections.trainprep.features.plugins.module_utils._training.tmux import Process, Session

ENDED = {"started": 100.0, "ended": 160.0, "attempts": [{}]}


@pytest.mark.parametrize(("state", "lives", "wanted"), [
    ({**ENDED, "exit_code": 0}, False, {"state": "succeeded", "outcome": "exit code 0", "seconds": 60.0, "attempts": 1}),
    ({**ENDED, "exit_code": 3, "attempts": [{}, {}]}, False, {"state": "failed", "outcome": "exit code 3", "attempts": 2}),
    ({**ENDED, "signal": 9}, False, {"state": "killed", "outcome": "signal 9"}),
    ({**ENDED, "signal": 15, "stopped": {"by": "a@b"}}, False, {"state": "stopped", "stopped_by": "a@b"}),
    ({"started": 100.0}, False, {"state": "vanished", "seconds": None}),
    ({"started": 100.0, "attempts": [{}]}, True, {"state": "running", "attempts": 2}),
    ({"started": "x", "ended": [], "attempts": 3, "changes": {"a": 1}, "stopped": 5}, False, {"state": "vanished", "changes": []}),
])  # fmt: skip
def test_a_line_of_the_table(tmp_path, state, lives, wanted):
    record = {"commit": "c", "dirty": True, "data": {"digest": "d"}, "command_line": "x\x1b[2J"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "state.json").write_text(json.dumps(state))
    found = row(read_run(str(tmp_path)), lives)
    assert wanted.items() <= found.items()
    assert (found["commit"], found["dirty"], found["digest"]) == ("c", True, "d") and "\x1b" not in found["command_line"]


def test_the_newest_runs_come_first_and_a_damaged_one_hides_none(tmp_path):
    root = tmp_path / "runs" / "s"
    names = ["20260101T000000Z", "20260101T000000Z-10", "20260101T000000Z-9", "20260102T000000Z"]
    for name in (*names, ".new", "latest.1", "20260103T000000Z"):
        (root / name).mkdir(parents=True)
        (root / name / "state.json").write_text(json.dumps({"started": 1.0}) if name in names else "{")
    state = RunState(Session("s", True), Run(str(root / names[-1])), Process(1, 1, 1, "S", "python"), None, ())
    listed = last_runs(str(tmp_path), "s")
    best = {names[1]: {"metric": "loss", "epoch": 3.0, "value": 0.5, "axis": "epoch"}}
    found = table(listed, state, best)
    assert [one["run"] for one in found] == [names[3], names[1], names[2], names[0]]
    assert [one["state"] for one in found] == ["running", "vanished", "vanished", "vanished"]
    assert [one["best"] for one in found] == [None, best[names[1]], None, None]
    assert last_runs("/nowhere", "s") == []
