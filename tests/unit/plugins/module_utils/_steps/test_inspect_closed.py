# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hidden folders, snapshots and wastebaskets inside legacy directories: not entered, and never taken for none."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.plugins.module_utils._steps.inspect import inspect_host
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    feature,
    features,
    links,
    run,
    see,
    unprivileged,
)


def said(raw, **policy):
    """(status, steps that are due, obstacles) of one set."""
    found = facts(see(raw, **policy))
    one = found["feature_sets"][raw["name"]]
    return one["status"], found["feature_steps"], one["obstacles"], one


@pytest.fixture
def snapshots(host):
    """Features that were replaced since: older states under the same names, and thrown-away ones."""
    for number, folder in enumerate((".snapshot/daily.0", ".snapshot/daily.1", ".Trash-1000/files")):
        feature(host / "old" / folder / "a.npz", str(number))
    return host


def test_older_states_beside_features_are_neither_linked_nor_a_conflict(snapshots):
    features(snapshots / "old", "a.npz", "b.npz")
    raw = a_set(snapshots / "data/t", snapshots / "old")
    status, steps, obstacles, one = said(raw)
    assert (status, steps, obstacles, one["warnings"]) == (2, ["link"], [], [])
    assert one["legacy"][0]["closed"] == {"count": 2, "samples": [".Trash-1000", ".snapshot"]}
    run(raw)
    assert links(snapshots / "data/t") == {name: f"{snapshots}/old/{name}" for name in ("a.npz", "b.npz")}


def test_where_only_they_are_left_it_is_a_discovery_and_no_upload(snapshots):
    raw = a_set(snapshots / "data/t", snapshots / "old", source="/source")
    status, steps, obstacles, one = said(raw)
    assert (status, steps) == (0, [])
    assert obstacles == [
        f"features of the set 't' are in directories that no set lists: {snapshots}/old/.Trash-1000 (1),"
        f" {snapshots}/old/.snapshot (2); add them to its 'legacy', or set on_discovery to link or upload"
    ]
    assert one["discovered"]["count"] == 3
    assert said(raw, on_discovery="upload")[1] == ["upload"]


def test_following_the_advice_ends_in_features(snapshots):
    raw = a_set(snapshots / "data/t", snapshots / "old/.snapshot/daily.0", snapshots / "old")
    run(raw)
    assert links(snapshots / "data/t") == {"a.npz": f"{snapshots}/old/.snapshot/daily.0/a.npz"}
    assert see(raw).status == 3


def test_they_are_linked_and_taken_away_again_where_that_was_chosen(host):
    features(host / "old/.kept", "a.npz")
    raw, chosen = a_set(host / "data/t", host / "old"), {"on_discovery": "link"}
    run(raw, **chosen)
    assert links(host / "data/t") == {"a.npz": f"{host}/old/.kept/a.npz"}
    assert run(raw, state="absent", **chosen)["sets"]["t"]["removed"] == 1
    assert links(host / "data/t") == {}


def test_hidden_enters_them_as_any_folder(host):
    features(host / "old/.kept", "a.npz")
    raw = a_set(host / "data/t", host / "old", hidden=True)
    assert said(raw)[0] == 2
    run(raw)
    assert links(host / "data/t") == {"a.npz": f"{host}/old/.kept/a.npz"}


def test_sets_that_enter_them_and_sets_that_do_not_share_a_directory(host):
    features(host / "old", "a.npz", ".kept/b.npz", "x/c.npz")
    host_state = see(
        a_set(host / "data/one", host / "old", patterns=["a.npz", "b.npz"]),
        a_set(host / "data/two", host / "old", patterns=["b.npz", "c.npz"], hidden=True),
        a_set(host / "data/three", host / "old", patterns=["c.npz"], exclude=["x/"]),
    )
    assert [one.legacy[0].state for one in host_state.sets] == ["present"] * 3
    assert [[entry.path for entry in one.legacy[0].features] for one in host_state.sets] == [["a.npz"], [".kept/b.npz", "x/c.npz"], []]


def test_an_excluded_folder_is_no_discovery(host):
    features(host / "old/backup", "a.npz")
    features(host / "old/.Trash-1000", "b.npz")
    raw = a_set(host / "data/t", host / "old", exclude=["backup/", ".Trash-*/"], source="/source")
    assert said(raw)[:3] == (0, ["upload"], [])


def test_a_folder_that_is_listed_itself_is_no_discovery(host):
    (host / "old/.kept").mkdir(parents=True)
    assert said(a_set(host / "data/t", host / "old", host / "old/.kept", source="/source"))[:3] == (0, ["upload"], [])


def test_a_set_that_may_stay_empty_is_told_and_does_not_stop(snapshots):
    features(snapshots / "other", "b.npz")
    optional = a_set(snapshots / "data/t", snapshots / "old", required=False)
    found = facts(see(optional, a_set(snapshots / "data/u", snapshots / "other")))
    one = found["feature_sets"]["t"]
    assert (one["status"], one["obstacles"], one["problems"], found["feature_steps"]) == (0, [], [], ["link"])
    assert "features of the set 't' are in directories that no set lists" in one["warnings"][0]


def test_a_folder_that_cannot_be_looked_into_may_hold_features(host):
    with unprivileged(host) as account:
        features(host / "old/lost+found", "a.npz")
        os.chmod(host / "old/lost+found", 0o700)
        raw = a_set(host / "data/t", host / "old", source="/source")

        def look():
            return facts(inspect_host(parse_sets([raw]), account, Policy(), False))["feature_sets"]["t"]["obstacles"]

        if os.geteuid() == 0:
            assert f"{host}/old/lost+found (1)" in look()[0], "root may look"
        assert f"{host}/old/lost+found (not all could be seen)" in as_account(account, look)[0]
        raw["exclude"] = ["lost+found/"]
        assert as_account(account, look) == []
        os.chmod(host / "old/lost+found", 0o755)


def as_account(account, function):
    """The result of a function in a process that is the account."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(account.gid, account.gid, account.gid)
                os.setresuid(account.uid, account.uid, account.uid)
            os.write(writer, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return json.loads(answer)
