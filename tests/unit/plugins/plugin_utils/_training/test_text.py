# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import (
    ATTN_CRNN_TARGETS,
    check_lines,
    expected_end,
    gpu_text,
    health_lines,
    with_expected_end,
)

RUNNING = {
    "state": "running",
    "healthy": True,
    "outcome": "",
    "sentence": "running",
    "user": "ubuntu",
    "directory": "/home/ubuntu/w",
    "session": {"name": "attn_crnn_v2", "active": True},
    "process": {"running": True, "pid": 4711, "others": []},
    "run": {
        "path": "/home/ubuntu/w/runs/s/1",
        "started": 100.0,
        "ended": None,
        "command_line": "python -u x.py",
        "feature_status": 2,
        "exit_code": None,
        "signal": None,
        "sets": ["a"],
    },
    "runs": [],
    "log": {"path": "x", "bytes": 1, "age": 3.0, "lines": ["Epoch 3/30"]},
    "progress": {
        "epoch": 3,
        "epochs": 30,
        "metrics": {"loss": 1.23456, "val_loss": "nan"},
        "errors": [],
    },
    "checkpoint": {"path": "/home/ubuntu/w/checkpoints/b.keras", "bytes": 1_500_000, "age": 130.0},
    "gpus": [
        {"index": 0, "name": "Tesla T4", "instance": None, "use": 97, "memory_used": 11019, "memory_total": 15360}
    ],
    "gpu_problem": None,
    "memory": {"total": 16_000_000_000, "available": 9_000_000_000},
    "disk": {"total": None, "free": None},
    "features": {
        "count": 8690,
        "from": "record",
        "problem": None,
        "sets": {"a": {"features": 8690, "target": "/data/a", "problems": ["one link there dangles"]}},
        "data": {
            "digest": "0123456789abcdef",
            "at_start": "0123456789abcdef",
            "changed": False,
            "changed_sets": [],
            "reason": None,
        },
    },
}

ENDED = copy.deepcopy(RUNNING)
ENDED.update(
    state="failed",
    healthy=False,
    outcome="exit code 3",
    sentence="failed (exit code 3)",
    session={"name": "attn_crnn_v2", "active": False},
    process={"running": False, "pid": None, "in_session": False, "command": [], "others": [{"pid": 5, "name": "htop"}]},
    checkpoint=None,
    gpus=[],
    features={"count": None, "problem": "/data/a cannot be read by user ubuntu", "sets": {}},
)
ENDED["run"]["ended"] = 400.0


def test_the_lines_of_a_run_that_lives():
    assert health_lines("gpu-1", RUNNING, "ATTN-CRNN TRAINING HEALTH CHECK", "WAV2VEC") == [
        "=== ATTN-CRNN TRAINING HEALTH CHECK ===",
        "Host: gpu-1 (user ubuntu, /home/ubuntu/w)",
        "✓ tmux session 'attn_crnn_v2' is active",
        "✓ training process is running (process 4711)",
        "WAV2VEC feature files found: 8690",
        "  a: 8690 in /data/a",
        "    ✗ WARNING: one link there dangles",
        "✓ data unchanged since the run was started (digest 0123456789ab)",
        "✓ last run: running",
        "  run: /home/ubuntu/w/runs/s/1, feature status 2 at the start",
        "  command: python -u x.py",
        "  epoch: 3/30",
        "  metrics: loss 1.235, val_loss nan",
        "  ✗ WARNING: val_loss is nan",
        "  log: last line 3 s ago",
        "✓ checkpoint: /home/ubuntu/w/checkpoints/b.keras (1.5 MB, 2 min old)",
        "  GPU 0: Tesla T4, 97 % used, 11019 of 15360 MiB",
        "  memory: 9.0 GB of 16.0 GB available",
        "  recent log:",
        "    Epoch 3/30",
    ]


def test_the_lines_of_a_run_that_has_failed():
    lines = health_lines("gpu-1", ENDED, "T", "L")
    assert lines[0] == "=== T ==="
    for line in (
        "✗ WARNING: tmux session 'attn_crnn_v2' not found",
        "✗ WARNING: training process not running",
        "  also in the session: htop (process 5)",
        "✗ WARNING: L feature files not counted: /data/a cannot be read by user ubuntu",
        "✗ WARNING: last run: failed (exit code 3)",
        "  run: /home/ubuntu/w/runs/s/1 (5 min), feature status 2 at the start",
        "  checkpoint: none yet",
    ):
        assert line in lines
    assert not any("found:" in line for line in lines)


def test_what_is_gone_after_a_run_that_ended_well_is_no_warning():
    info = copy.deepcopy(ENDED)
    info.update(state="succeeded", healthy=True, outcome="exit code 0", sentence="succeeded (exit code 0)")
    info["features"] = RUNNING["features"]
    lines = health_lines("gpu-1", info, "T", "")
    assert lines[2:5] == [
        "  tmux session 'attn_crnn_v2' not found (the run has ended)",
        "  training process not running (the run has ended)",
        "  also in the session: htop (process 5)",
    ]
    assert lines[5] == "feature files found: 8690"
    assert "✓ last run: succeeded (exit code 0)" in lines


def test_nothing_in_a_record_or_log_drives_the_terminal():
    info = copy.deepcopy(RUNNING)
    info["run"]["command_line"] = "python \x1b]0;title\x07\r\x1b[2J\n=== fake ==="
    lines = health_lines("gpu-1", info, "T", "L")
    assert all(line.isprintable() for line in lines)
    assert "=== fake ===" not in lines


DATA = [
    (
        {"changed": True, "changed_sets": ["a", "b"]},
        ["✗ WARNING: the data of a, b have changed since the run was started"],
    ),
    (
        {"changed": None, "reason": "a has no checksums"},
        ["  data: unknown whether changed since the start: a has no checksums"],
    ),
    # Without a record there is nothing to compare with, and nothing to say.
    ({"changed": None, "reason": "no record", "at_start": None}, []),
]


@pytest.mark.parametrize(("data", "lines"), DATA)
def test_what_is_said_of_the_data(data, lines):
    info = copy.deepcopy(RUNNING)
    info["features"]["data"].update(data)
    shown = health_lines("h", info, "T", "W")
    assert [line for line in shown if "data" in line and "/data" not in line] == lines


NOW = datetime(2026, 1, 31, 22, 30)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (0.0, "expected end 22:30, in 0 s"),
        (3600.0, "expected end 23:30, in 60 min"),
        (7200.0, "expected end 2026-02-01 00:30, in 2 h"),
        (1e300, "expected end 2057-10-10 00:16, in"),
    ],
)
def test_the_expected_end_by_the_clock_of_whoever_looks(left, text):
    assert expected_end(left, NOW).startswith(text)


def test_the_expected_end_stands_beside_the_last_epoch():
    lines = ["Epoch 1/3", "loss: 1", "Epoch 2/3", "loss: 0.5"]
    assert with_expected_end(lines, None, NOW) == lines
    assert with_expected_end(lines, {"line": 2, "left": 60.0}, NOW) == [
        "Epoch 1/3",
        "loss: 1",
        "Epoch 2/3  (expected end 22:31, in 60 s)",
        "loss: 0.5",
    ]


@pytest.mark.parametrize(
    ("pace", "running", "line"),
    [
        ({"seconds_per_epoch": 60.0, "seconds_left": 1620.0}, True, "  epoch: 3/30, 60 s each, expected end "),
        ({"seconds_per_epoch": 60.0, "seconds_left": 1620.0}, False, "  epoch: 3/30, 60 s each"),
        ({"seconds_per_epoch": None, "seconds_left": None}, True, "  epoch: 3/30"),
    ],
)
def test_the_pace_stands_beside_the_epoch(pace, running, line):
    info = copy.deepcopy(RUNNING)
    info["progress"].update(pace)
    info["process"]["running"] = running
    (shown,) = [text for text in health_lines("h", info, "T", "W") if text.startswith("  epoch")]
    assert shown.startswith(line) and ("expected" in shown) is ("expected" in line)


OPTIONS = {"report": "short", "title": "", "label": "", "sets": []}


def healthy(target="/data/wav2vec_features", **changes):
    info = copy.deepcopy(RUNNING)
    info["progress"]["metrics"] = {"loss": 1.0}
    info["features"]["sets"] = {"a": {"features": 8690, "target": target, "problems": []}}
    info.update(changes)
    return info


def test_a_healthy_host_alone_is_told_in_short():
    assert check_lines("gpu-1", healthy(), OPTIONS, True) == [
        "=== ATTN-CRNN TRAINING HEALTH CHECK ===",
        "✓ tmux session 'attn_crnn_v2' is active",
        "✓ training process is running (process 4711)",
        "WAV2VEC feature files found: 8690",
        "✓ data unchanged since the run was started (digest 0123456789ab)",
        "✓ last run: running",
        "✓ checkpoint: /home/ubuntu/w/checkpoints/b.keras (1.5 MB, 2 min old)",
        "  epoch: 3/30",
    ]


def test_a_healthy_host_of_several_is_one_line_with_the_same_words():
    (line,) = check_lines("gpu-1", healthy(), OPTIONS, False)
    assert line.startswith(
        "=== ATTN-CRNN TRAINING HEALTH CHECK === gpu-1: ✓ tmux session 'attn_crnn_v2' is active; ✓ training process"
        " is running"
    )
    assert "WAV2VEC feature files found: 8690" in line and line.endswith("epoch: 3/30")


@pytest.mark.parametrize(
    ("info", "report"),
    [
        (healthy(), "full"),
        (RUNNING, "short"),
        (healthy(gpu_problem="nvidia-smi: No devices were found (exit code 6)"), "short"),
        (ENDED | {"features": RUNNING["features"]}, "short"),
    ],
)
def test_everything_is_told_if_asked_for_or_if_anything_is_amiss(info, report):
    title = (
        "ATTN-CRNN TRAINING HEALTH CHECK"
        if info["features"]["sets"]["a"]["target"] != "/data/a"
        else "TRAINING HEALTH CHECK"
    )
    lines = check_lines("gpu-1", info, {**OPTIONS, "report": report}, False)
    assert lines == health_lines("gpu-1", info, title, "WAV2VEC" if title[0] == "A" else "")
    assert check_lines("gpu-1", info, {**OPTIONS, "report": "none"}, False) == []


@pytest.mark.parametrize(
    ("target", "options", "title", "count"),
    [
        ("/data/wav2vec_features", {}, "ATTN-CRNN TRAINING HEALTH CHECK", "WAV2VEC feature files found: 8690"),
        ("/data/other", {}, "TRAINING HEALTH CHECK", "feature files found: 8690"),
        ("/data/other", {"title": "T", "label": "HUBERT"}, "T", "HUBERT feature files found: 8690"),
    ],
)
def test_the_title_and_the_features_name_follow_the_targets(target, options, title, count):
    lines = check_lines("h", healthy(target), {**OPTIONS, **options}, True)
    assert lines[0] == f"=== {title} ===" and count in lines


def test_the_targets_of_the_title_are_those_of_the_default_sets():
    defaults = yaml.safe_load(
        (Path(__file__).parents[5] / "roles/prepare_features/defaults/main.yml").read_text(encoding="utf-8")
    )
    assert {one["target"] for one in defaults["prepare_features_sets"]} == ATTN_CRNN_TARGETS


@pytest.mark.parametrize(
    ("gpu", "text"),
    [
        (
            {"index": 0, "name": "Tesla T4", "instance": None, "use": 97, "memory_used": 11, "memory_total": 15},
            "GPU 0: Tesla T4, 97 % used, 11 of 15 MiB",
        ),
        (
            {
                "index": 0,
                "name": "A100",
                "instance": "1g.5gb, instance 1",
                "use": None,
                "memory_used": 37,
                "memory_total": 4864,
            },
            "GPU 0: A100, MIG 1g.5gb, instance 1, 37 of 4864 MiB",
        ),
        (
            {"index": None, "name": "A10G", "instance": None, "use": None, "memory_used": None, "memory_total": 9},
            "GPU: A10G, 9 MiB",
        ),
        (
            {"index": 1, "name": "A10G", "instance": None, "use": None, "memory_used": None, "memory_total": None},
            "GPU 1: A10G",
        ),
    ],
)
def test_what_is_not_known_of_a_gpu_is_left_out(gpu, text):
    assert gpu_text(gpu) == text


def a_row(run, **news):
    row = {"run": run, "started": 1.0, "ended": 61.0, "seconds": 3660.0, "state": "succeeded", "outcome": "exit code 0", "stopped_by": None}
    row.update(attempts=1, commit=None, dirty=None, command_line="x", changes=[], best=None, digest=None)
    return {**row, **news}


def test_the_runs_of_a_session_as_a_table():
    rows = [
        a_row("20260102T000000Z", ended=None, seconds=None, state="running", outcome="", commit="3f2a9c1d0b6a4e5f", dirty=True,
              digest="8d3f" * 16, attempts=2, changes=["--lr 0.05 → 0.01", "commit (none) → 3f2a9c1d0b6a", "uncommitted changes"]),
        a_row("20260101T000000Z", best={"metric": "val_loss", "epoch": 3.0, "value": 1.25, "axis": "epoch"}),
    ]  # fmt: skip
    lines = health_lines("h", {**RUNNING, "runs": rows}, "T", "")
    at = lines.index("  runs: 2, the last ones:")
    assert lines[at + 1 : at + 3] == [
        "    20260102T000000Z; running; 2 attempts; commit 3f2a9c1d0b6a, with uncommitted changes; data 8d3f8d3f8d3f; --lr 0.05 → 0.01",
        "    20260101T000000Z; succeeded (exit code 0); 61 min; best val_loss 1.25 at epoch 3",
    ]
    # One run is shown in full already.
    assert not [line for line in health_lines("h", {**RUNNING, "runs": rows[:1]}, "T", "") if "runs:" in line]
