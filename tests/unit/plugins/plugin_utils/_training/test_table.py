# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TRAININGS table of the terminal."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import gpu_cell, training_table


def a_host(name, **changes):
    return {
        "host": name,
        "state": "running",
        "healthy": True,
        "message": "running.",
        "epoch": 3,
        "epochs": 30,
        "gpu_problem": None,
        "runs": [{"best": {"metric": "val_loss", "epoch": 2.0, "value": 0.512345}}],
        "expected_end": "2026-01-03T14:21:00Z",
        "gpus": [{"use": 97}],
        "features": {"changed": False},
        **changes,
    }


FAILED = {
    "state": "failed",
    "healthy": False,
    "message": "failed (exit code 1: KeyError).",
    "expected_end": None,
    "gpus": [],
    "epoch": 2.5,
    "epochs": None,
}
HOSTS = [
    a_host("gpu-1"),
    a_host("gpu-2", **FAILED),
    a_host("gpu-10", runs=[], epoch=None, features={"changed": None}, gpu_problem="nvidia-smi: bad"),
]
REPORT = {
    "hosts": HOSTS,
    "differing": [],
    "summary": {"hosts": 3, "states": {"running": 2, "succeeded": 0, "failed": 1}},
}


def test_the_table_has_unhealthy_hosts_first_with_what_is_wrong():
    assert training_table(REPORT, 120) == [
        ("HOST    VERDICT  EPOCH  BEST                  EXPECTED END       GPU      DATA", ""),
        ("gpu-2   failed   2.5    val_loss 0.5123 at 2  -                  -        unchanged", "failed"),
        ("  ! failed (exit code 1: KeyError).", "failed"),
        ("gpu-1   running  3/30   val_loss 0.5123 at 2  2026-01-03 14:21Z  97 %     unchanged", "running"),
        ("gpu-10  running  -      -                     2026-01-03 14:21Z  trouble  -", "running"),
        ("  ! nvidia-smi: bad", "failed"),
        ("3 hosts: 2 running, 1 failed.", ""),
        ("Need attention: gpu-2", "failed"),
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 70])
def test_a_narrow_terminal_gets_one_paragraph_a_host(width):
    lines = [line for line, _state in training_table(REPORT, width)]
    assert max(map(len, lines)) <= width
    assert [line.split(":")[0] for line in lines if line.startswith("gpu")] == ["gpu-2", "gpu-1", "gpu-10"]
    assert "failed (exit code 1: KeyError)." in " ".join(line.lstrip(" !") for line in lines)


@pytest.mark.parametrize(
    ("gpus", "cell"),
    [
        ([], "-"),
        ([{"use": 5}], "5 %"),
        ([{"use": 5}, {"use": 9}], "2: 5-9 %"),
        ([{"use": 5}, {"use": 5}], "2: 5 %"),
        ([{"use": None}], "1"),
        ([{"use": None}, {"use": 7}], "2: 7 %"),
    ],
)
def test_gpus_in_few_characters(gpus, cell):
    assert gpu_cell({"gpus": gpus, "gpu_problem": None}) == cell
