# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data the trainer sees: what changes the digest, what does not, and where there is none."""

from __future__ import annotations

import errno
import os
import re

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import FEATURE, Classification
from ansible_collections.trainprep.features.plugins.module_utils._plan.features_digest import (
    digest_of_run,
    digest_of_set,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import FILE, Entry
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    crc_twins,
    damaged,
    feature,
    features,
    link,
    npy,
    other,
    run,
    see,
    unprivileged,
)


@pytest.fixture
def data(tmp_path):
    """Two features in a target, each linked or lying there, and room for more."""
    features(tmp_path / "one/t", "a.npz", "b.npz")
    return tmp_path


def told(target, *legacy, **keys):
    one = facts(see(a_set(target, *legacy, **keys)))["feature_sets"]["t"]
    return one["digest"], one["digest_reason"]


def digest(target, *legacy, **keys):
    value, reason = told(target, *legacy, **keys)
    assert re.fullmatch("[0-9a-f]{64}", value) and reason is None
    return value


SAME = {
    "links": lambda two: [link(two / "t" / name, feature(two / "store" / name)) for name in ("a.npz", "b.npz")],
    "beside rejected files": lambda two: [features(two / "t", "a.npz", "b.npz"), other(two / "t/v.npz"), damaged(two / "t/d.npz")],
    "beside what the trainer does not read": lambda two: [features(two / "t", "a.npz", "b.npz"), npy(two / "t/c.npy", 1)],
    # Identities are then told apart by bytes, on that host alone.
    "beside another name of one": lambda two: [
        features(two / "t", "a.npz", "b.npz"), copy(two / "t/a.npz", two / "old/other.npz")],
}  # fmt: skip


@pytest.mark.parametrize("lay_out", SAME.values(), ids=SAME)
def test_the_same_features_under_the_same_names_have_one_digest(data, lay_out):
    lay_out(data / "two")
    assert digest(data / "two/t", data / "two/old") == digest(data / "one/t")


OTHERS = {
    "one more": lambda target: features(target, "a.npz", "b.npz", "c.npz"),
    "one less": lambda target: features(target, "a.npz"),
    "none": lambda target: target.mkdir(parents=True),
    "another content": lambda target: [feature(target / "a.npz"), feature(target / "b.npz", "changed")],
    "another name": lambda target: [feature(target / "a.npz"), feature(target / "c.npz", "b.npz")],
    "names exchanged": lambda target: [feature(target / "a.npz", "b.npz"), feature(target / "b.npz", "a.npz")],
}


@pytest.mark.parametrize("lay_out", OTHERS.values(), ids=OTHERS)
def test_other_data_have_another_digest(data, lay_out):
    lay_out(data / "two/t")
    assert digest(data / "two/t") != digest(data / "one/t")


def test_it_is_of_what_the_trainer_sees_now(data):
    target = data / "three/t"
    before = digest(target, data / "one/t")
    run(a_set(target, data / "one/t"))
    assert digest(target, data / "one/t") == digest(data / "one/t") != before


def test_checksums_are_believed_and_no_data_read(data):
    crc_twins(data / "p/t/a.npz", data / "q/t/a.npz")
    assert digest(data / "p/t") == digest(data / "q/t")


def test_a_format_without_checksums_has_none_unless_all_is_to_be_verified(data):
    keys = {"patterns": ["*.np?"], "reads": ["*.np?"]}
    for number, host in enumerate(("p", "q", "same-as-p")):
        features(data / host / "t", "a.npz")
        npy(data / host / "t/n.npy", number % 2)
    value, reason = told(data / "p/t", **keys)
    assert value is None
    assert reason == f"{data}/p/t/n.npy has no checksums, and its data was not read ('verify: full' of the set makes an inspection read it)"
    p, q, same = (digest(data / host / "t", verify="full", **keys) for host in ("p", "q", "same-as-p"))
    assert p == same != q


def test_a_target_that_is_not_seen_in_full_has_none(data):
    with unprivileged(data) as account:
        if account.uid != os.geteuid():
            os.chown(data / "one/t", 0, 0)
        os.chmod(data / "one/t", 0)
        try:
            one = run_as(account, _told_as, account, data / "one/t")
        finally:
            os.chmod(data / "one/t", 0o755)
    assert (one["target"]["state"], one["digest"]) == ("unreadable", None)
    assert one["digest_reason"] == f"{data}/one/t could not be scanned in full"


def test_a_file_that_fails_while_it_is_read_has_none():
    entry = Entry("n.npy", FILE, 1, 1, Classification(FEATURE, "", None))

    failed = {"n.npy": (errno.EIO, os.strerror(errno.EIO))}
    assert digest_of_set("/t", [entry], True, failed) == (None, f"/t/n.npy cannot be read ({os.strerror(errno.EIO)})")
    assert digest_of_set("/t", [entry], True, {"n.npy": b"x"}).value


def _told_as(account, target):
    return facts(see(a_set(target), account=account))["feature_sets"]["t"]


RUNS = [
    ({}, {}, True),
    ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, True),
    ({"a": "1", "b": "2"}, {"a": "2", "b": "1"}, False),
    ({"a": "1"}, {"a": "1", "b": "2"}, False),
]


@pytest.mark.parametrize(("one", "two", "same"), RUNS)
def test_the_digest_of_a_run_is_over_its_sets_by_name(one, two, same):
    assert (digest_of_run(one) == digest_of_run(two)) is same


def test_a_run_with_a_set_without_digest_has_none(data):
    assert digest_of_run({"a": "1", "b": None}) is None
    found = facts(see(a_set(data / "one/t")))
    assert found["feature_digest"] == digest_of_run({"t": found["feature_sets"]["t"]["digest"]})
