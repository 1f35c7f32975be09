# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program drives the role through ansible-runner, as a pre-task of a play of its own, and follows its events."""

from __future__ import annotations

import json
import threading

import ansible_runner
import pytest

from tests.support.hosts import REPOSITORY
from tests.support.waiting import limit

PLAYS = {
    "import": [{"name": "Prepare", "ansible.builtin.import_role": {"name": "trainprep.features.prepare_features"}}],
    "include": [{"name": "Prepare", "ansible.builtin.include_role": {"name": "trainprep.features.prepare_features"}}],
}
TRAIN = [{"name": "Train", "ansible.builtin.command": {"cmd": "ls /data/wav2vec_crema_d"}, "changed_when": False}]
PREPARES = "Inspect, link and grant access"


@pytest.fixture(scope="module")
def runs(start_host, hosts, tmp_path_factory):
    """Per way of taking the role in: the events of a first and a second run on a host of its own."""
    found = {}
    for way, tasks in PLAYS.items():
        host = start_host(way, layout=["--root", "/", "--owner", "ubuntu"])
        for turn in ("first", "second"):
            folder = tmp_path_factory.mktemp(f"{way}-{turn}")
            play = [{"name": "Train on prepared features", "hosts": "all", "gather_facts": False, "pre_tasks": tasks, "tasks": TRAIN}]
            (folder / "play.json").write_text(json.dumps(play))
            events = []
            thread, runner = ansible_runner.run_async(
                private_data_dir=str(folder), playbook=str(folder / "play.json"), inventory=host.inventory_line + "\n",
                project_dir=str(REPOSITORY), envvars=hosts.environment(folder), quiet=True, event_handler=events.append)
            assert isinstance(thread, threading.Thread)
            thread.join(timeout=limit(300))
            found[way, turn] = (runner, events)
    return found


def _tasks(events):
    """Per task's name without the role's: what it did."""
    kinds = {"runner_on_ok": "ok", "runner_on_skipped": "skipped", "runner_on_failed": "failed", "runner_on_unreachable": "unreachable"}
    done = {}
    for event in events:
        if event["event"] in kinds:
            data = event["event_data"]
            done[data["task"]] = "changed" if data.get("res", {}).get("changed") else kinds[event["event"]]
    return done


@pytest.mark.parametrize("way", PLAYS)
def test_the_first_run_links_and_the_play_goes_on(runs, way):
    runner, events = runs[way, "first"]
    assert (runner.status, runner.rc) == ("successful", 0), runner.stdout.read()
    done = _tasks(events)
    assert done[PREPARES] == "changed" and done["Train"] == "ok"
    assert [name for name, what in done.items() if what == "changed"] == [PREPARES]
    assert done["Report"] == "ok"


@pytest.mark.parametrize("way", PLAYS)
def test_the_second_run_only_inspects(runs, way):
    runner, events = runs[way, "second"]
    assert (runner.status, runner.rc) == ("successful", 0)
    done = _tasks(events)
    assert "changed" not in done.values()
    assert (done[PREPARES], done["Train"]) == ("ok", "ok") and done["Report"] == "ok"


@pytest.mark.parametrize("way", PLAYS)
def test_events_carry_the_facts_a_program_decides_by(runs, way):
    events = runs[way, "first"][1]
    results = [event["event_data"]["res"] for event in events if event["event"] == "runner_on_ok"]
    (prepared,) = [result for result in results if "feature_status" in result.get("ansible_facts", {})]
    facts = prepared["ansible_facts"]
    assert (prepared["found_status"], facts["feature_status"], facts["features_ready"], facts["feature_steps"]) == (2, 3, True, [])
