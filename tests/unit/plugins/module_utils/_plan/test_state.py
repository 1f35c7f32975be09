# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training user has to read, now and later, and what links to features may lead to."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    features,
    link,
    other,
    see,
)

# What is in the target (None: no directory) and in the legacy directory, whether there is a source; what is to be read now
# and after, each as (directory, names, whether it is listed).
T, OLD = "data/t", "old"
READS = {
    "nothing": (None, (), False, [], []),
    "an upload into no directory": (None, (), True, [], [(T, [], True)]),
    "links into no directory": (None, ("a.npz",), False, [], [(T, [], True), (OLD, ["a.npz"], False)]),
    "an empty directory": ((), (), False, [(T, [], True)], [(T, [], True)]),
    "an upload into an empty one": ((), (), True, [(T, [], True)], [(T, [], True)]),
    "features": (("a.npz",), (), False, [(T, ["a.npz"], True)], [(T, ["a.npz"], True)]),
    "links beside a feature": (
        ("a.npz",), ("a.npz", "b.npz"), False, [(T, ["a.npz"], True)], [(T, ["a.npz"], True), (OLD, ["b.npz"], False)]),
}  # fmt: skip


@pytest.mark.parametrize(("here", "there", "has_source", "now", "after"), READS.values(), ids=READS)
def test_what_the_training_user_has_to_read(host, here, there, has_source, now, after):
    if here is not None:
        (host / "data/t").mkdir()
        features(host / "data/t", *here)
    features(host / "old", *there)
    (one,) = see(a_set(host / "data/t", host / "old", **({"source": "/laptop"} if has_source else {}))).sets
    assert one.reads_now() == [(str(host / path), names, listed) for path, names, listed in now]
    assert one.reads_after() == [(str(host / path), names, listed) for path, names, listed in after]


def test_a_link_that_is_replaced_leads_to_what_has_to_be_read(host):
    features(host / "old", "a.npz", "b.npz")
    link(host / "data/t/a.npz", "/nowhere/a.npz")
    link(host / "data/t/b.npz", host / "old/b.npz")
    (one,) = see(a_set(host / "data/t", host / "old")).sets
    assert one.reads_after() == [(str(host / "data/t"), ["b.npz"], True), (str(host / "old"), ["a.npz"], False)]


def key(path):
    info = os.stat(path)
    return (info.st_dev << 64) | info.st_ino


def test_links_may_lead_to_the_features_of_each_legacy_directory(host):
    features(host / "old", "a.npz")
    features(host / "two", "b.npz", "c.npz")
    other(host / "three/v.npz")
    (one,) = see(a_set(host / "data/t", host / "old", host / "two", host / "three")).sets
    assert [(source[0], sorted(source[1]), source[2]) for source in one.link_sources()] == [
        (str(host / "old"), ["a.npz"], frozenset()),
        (str(host / "two"), ["b.npz", "c.npz"], frozenset()),
    ]


def test_and_to_the_files_that_links_among_them_lead_to_in_whatever_legacy_directory(host):
    features(host / "old", "a.npz")
    features(host / "store", "1")
    link(host / "old/b.npz", "../store/1")
    (one,) = see(a_set(host / "data/t", host / "old", host / "store")).sets
    linked = frozenset({key(host / "store/1")})
    assert [(source[0], sorted(source[1]), source[2]) for source in one.link_sources()] == [
        (str(host / "old"), ["a.npz", "b.npz"], linked),
        (str(host / "store"), [], linked),
    ]
