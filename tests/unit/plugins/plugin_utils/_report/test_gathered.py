# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet without the callback: each host adds itself."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils import run_id
from ansible_collections.trainprep.features.plugins.plugin_utils._report.callbacks import FEATURES, announce
from ansible_collections.trainprep.features.plugins.plugin_utils._report.files import add_host, record_of
from ansible_collections.trainprep.features.plugins.plugin_utils._report.fleet import HostRecord


def add(directory, number):
    return add_host(directory, f"gpu-{number}", HostRecord(unreachable="timed out"), False, "Prepare")


def read(directory):
    return json.loads((directory / "report.json").read_text())


def test_hosts_that_run_concurrently_are_all_there(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(add, [str(tmp_path / "r")] * 12, range(12)))
    assert [host["host"] for host in read(tmp_path / "r")["hosts"]] == [f"gpu-{number}" for number in range(12)]
    assert read(tmp_path / "r")["summary"]["unreachable"] == 12
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "report.json"]


def test_a_report_of_another_run_is_replaced(tmp_path, monkeypatch):
    add(str(tmp_path), 1)
    monkeypatch.setattr(run_id, "run_id", lambda: "another")
    add(str(tmp_path), 2)
    assert [host["host"] for host in read(tmp_path)["hosts"]] == ["gpu-2"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": 1}'])
def test_a_file_that_is_no_report_is_replaced(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    add(str(tmp_path), 1)
    assert [host["host"] for host in read(tmp_path)["hosts"]] == ["gpu-1"]


def test_the_last_state_of_a_host_counts(tmp_path):
    facts = {"features_ready": True, "feature_status": 1, "feature_sets": {}}
    add(str(tmp_path), 1)
    done = [{"changed": True}, {"skipped": True}, {"changed": False}]
    add_host(str(tmp_path), "gpu-1", record_of(facts, done, "present", ""), False, "Prepare")
    (host,) = read(tmp_path)["hosts"]
    assert (host["outcome"], host["changed"]) == ("ready", True)


def test_the_callback_writes_instead_if_it_is_enabled(tmp_path, monkeypatch):
    monkeypatch.setenv("_TRAINPREP_FEATURES_FEATURE_REPORT_CALLBACK", "")
    announce(FEATURES)
    assert add(str(tmp_path), 1) == [] and add("", 1) == []
    assert list(tmp_path.iterdir()) == []
