# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of all hosts in check mode: what it predicts."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.trainprep.features.plugins.callback.feature_report import CallbackModule
from ansible_collections.trainprep.features.plugins.plugin_utils._report.files import to_html
from ansible_collections.trainprep.features.plugins.plugin_utils._report.fleet import Fleet
from ansible_collections.trainprep.features.tests.unit.plugins.plugin_utils._report.test_fleet import (
    PREFIX,
    facts,
    of_data,
    report_of,
    terminal,
)


def planned(fleet, host, **changes):
    """A host in check mode whose features are only in legacy directories."""
    found = facts(ready=False, status=2, problems=["/data/wav2vec lacks 7442 features"], features=0, links=0)
    found["features_will_be_ready"] = True
    found["feature_sets"]["wav2vec"].update(will_be_ready=True, planned=["/data/wav2vec lacks 7442 features"], **changes)
    result = {"ansible_facts": found, "changed": True, "sets": {"wav2vec": {"linked": 7442}}}
    fleet.check_mode = True
    fleet.saw(host, PREFIX + "feature_prepare", result)


def test_planned_is_one_word_in_table_page_and_json():
    fleet = Fleet()
    planned(fleet, "a")
    fleet.check_mode = True
    fleet.saw("b", PREFIX + "feature_prepare", {"ansible_facts": facts(ready=False, problems=["x.npz is damaged"])})
    report = report_of(fleet)
    assert [(host["outcome"], host["sets"][0]["outcome"]) for host in report["hosts"]] == [("would_be_ready",) * 2, ("not_ready",) * 2]
    lines = terminal(fleet, 80)
    assert [line.split()[1:] for line in lines[:2]] == [
        ["SET", "RESULT", "STATUS", "FEATURES", "PLAN"],
        ["wav2vec", "would", "be", "ready", "legacy", "only", "7,442", "link", "7,442"],
    ]
    assert "2 hosts: 1 would be ready, 1 not ready." in " ".join(lines)
    assert "lacks 7442" not in " ".join(lines) and "x.npz is damaged" in " ".join(lines)
    page = to_html(report)
    assert ">would be ready<" in page and "lacks 7442" not in page


def test_a_step_that_fails_in_check_mode_leaves_no_set_about_to_be_ready():
    fleet = Fleet()
    planned(fleet, "a")
    fleet.failed("a", PREFIX + "feature_upload", "Upload", {"msg": "source /x does not exist"})
    host = report_of(fleet)["hosts"][0]
    assert (host["outcome"], host["sets"][0]["outcome"]) == ("failed", "not_ready")
    assert "would be ready" not in " ".join(terminal(fleet, 80))


def test_check_mode_is_known_if_the_first_task_fails_on_every_host():
    fleet = Fleet()
    task = SimpleNamespace(action=PREFIX + "feature_prepare", check_mode=True)
    CallbackModule.v2_playbook_on_task_start(SimpleNamespace(_used=False, _fleet=fleet), task, False)
    fleet.failed("a", PREFIX + "feature_prepare", "Inspect", {"msg": "x"})
    assert report_of(fleet)["check_mode"]


def test_data_that_this_run_would_change_is_not_compared():
    fleet = of_data(a=("1" * 64, 9), b=("2" * 64, 8))
    fleet.check_mode = True
    fleet.saw("b", PREFIX + "feature_prepare", {"changed": True, "sets": {"wav2vec": {"linked": 1}}})
    assert report_of(fleet)["hosts"][1]["ready"] and report_of(fleet)["differing"] == []
