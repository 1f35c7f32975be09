# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver: all that a host can do by itself in one execution, and what the result says if a step fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, token_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request, prepare
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    ME,
    a_set,
    feature,
    features,
    links,
)


def prepared(*sets, state="present", check=False, **policy):
    """The result of feature_prepare, and the message that it fails with."""
    result = {}
    request = Request(parse_sets(sets), ME, Policy(**policy), state, check)
    try:
        prepare({"sets": sets}, request, result)
    except FeatureError as error:
        return result, str(error)
    return result, ""


def stage(raw, *names):
    """What a finished upload leaves next to a target."""
    (one,) = parse_sets([raw])
    place = os.path.join(os.path.dirname(one.target), "." + os.path.basename(one.target) + ".incoming")
    os.makedirs(place, mode=0o700)
    manifest = {}
    for name in names:
        path = feature(Path(place, name), name)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            manifest[name] = Wanted(size, token_of(classify(file.fileno(), size, name, *one.criteria), lambda: b""))
    write_manifest(one.target, manifest)


def too_deep(directory):
    """A feature whose path is too long to be the text of a link."""
    made = feature(directory / "deep.npz")
    here = os.open(str(directory), os.O_RDONLY)
    for _level in range(20):
        os.mkdir("d" * 240, dir_fd=here)
        below = os.open("d" * 240, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.rename(str(made), "deep.npz", dst_dir_fd=here)
    os.close(here)


def test_status_2_with_a_finished_staging_directory_publishes_then_links(host):
    raw = a_set(host / "data/t", host / "old")
    features(host / "old", "a.npz", "b.npz")
    stage(raw, "b.npz", "c.npz")
    checked, message = prepared(raw, check=True)
    assert (checked["steps"], message) == (["publish", "link"], "") and not (host / "data/t").exists()
    result, message = prepared(raw)
    assert (result["steps"], message, result["found_status"], result["changed"]) == (["publish", "link"], "", 2, True)
    facts = result["ansible_facts"]
    assert (facts["feature_status"], facts["features_ready"], facts["feature_steps"]) == (3, True, [])
    counts = result["sets"]["t"]
    assert (counts["published"], counts["linked"]) == (2, 1) and links(host / "data/t") == {"a.npz": str(host / "old/a.npz")}
    assert [checked["sets"]["t"][key] for key in ("published", "linked")] == [2, 1]
    again, _message = prepared(raw)
    assert (again["changed"], again["steps"], again["sets"]) == (False, [], {})


def test_absent_never_publishes(host):
    raw = a_set(host / "data/t", host / "old")
    features(host / "old", "a.npz")
    prepared(raw)
    stage(raw, "c.npz")
    result, message = prepared(raw, state="absent")
    assert (result["steps"], message, result["sets"]["t"]["removed"]) == (["unlink"], "", 1)
    assert os.listdir(str(host / "data/t")) == [] and (host / "data/.t.incoming/c.npz").exists()
    assert result["ansible_facts"]["feature_steps"] == []


def test_if_the_second_set_fails_the_result_tells_what_the_first_one_changed(host):
    one, two = a_set(host / "data/t", host / "old"), a_set(host / "data/u", host / "deep")
    features(host / "old", "a.npz", "b.npz")
    too_deep(host / "deep")
    checked, predicted = prepared(one, two, check=True)
    result, message = prepared(one, two)
    assert predicted == message and [checked["sets"][name]["linked"] for name in "tu"] == [2, 0]
    assert "File name too long" in message and result["changed"] is True and result["steps"] == ["link"]
    assert result["sets"]["t"]["linked"] == 2 and result["sets"]["u"]["linked"] == 0
    facts = result["ansible_facts"]["feature_sets"]
    assert (facts["t"]["target"]["links"], facts["u"]["target"]["links"]) == (2, 0)


@pytest.mark.parametrize("expected", [None, 2, 3])
def test_check_mode_says_whether_the_host_will_be_ready(host, expected):
    raw = a_set(host / "data/t", host / "old", expected=expected)
    features(host / "old", "a.npz", "b.npz")
    checked, _message = prepared(raw, check=True)
    ran, _message = prepared(raw)
    assert checked["ansible_facts"]["features_will_be_ready"] == ran["ansible_facts"]["features_ready"] == (expected != 3)


def test_an_obstacle_of_one_set_stops_all_but_publish(host):
    one, two = a_set(host / "data/t", host / "old"), a_set(host / "data/u", host / "none")
    features(host / "old", "a.npz")
    stage(one, "c.npz")
    result, _message = prepared(one, two)
    assert result["steps"] == ["publish"] and links(host / "data/t") == {}


@pytest.mark.parametrize(("keys", "ready"), [({}, True), ({"source": "/nowhere"}, True), ({"source": "/nowhere", "expected": 3}, False)])
def test_check_mode_counts_what_a_publication_brings(host, keys, ready):
    raw = a_set(host / "data/t", host / "old", **keys)
    stage(raw, "b.npz", "c.npz")
    checked, _message = prepared(raw, check=True)
    assert checked["steps"] == checked["ansible_facts"]["feature_steps"] == ["publish"]
    ran, _message = prepared(raw)
    assert checked["ansible_facts"]["features_will_be_ready"] == ran["ansible_facts"]["features_ready"] == ready
