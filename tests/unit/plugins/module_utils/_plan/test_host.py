# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided for all sets of a host at once: which are sent, and for which the host is searched."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._plan.host import is_missed
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import a_set, features, see

# (required, whether it has a source, whether it holds features) of two sets, and whether each is missed.
MISSED = [
    (("true", False, False), ("true", False, True), (True, False)),
    (("true", False, True), ("true", False, False), (False, True)),
    (("false", False, False), ("true", False, True), (False, False)),
    (("false", True, False), ("true", False, True), (True, False)),
    (("false", True, True), ("true", False, True), (False, False)),
    (("any", False, False), ("any", False, True), (False, False)),
    (("any", False, False), ("any", False, False), (True, True)),
    (("any", True, False), ("any", False, True), (True, False)),
    (("any", False, False), ("true", False, True), (True, False)),
    (("any", False, False), ("false", False, True), (True, False)),
    (("any", False, False), ("false", False, False), (True, False)),
]


@pytest.mark.parametrize(("one", "two", "expected"), MISSED)
def test_a_set_is_missed_where_it_has_nothing_and_somebody_minds(host, one, two, expected):
    sets = []
    for name, (required, has_source, holds) in (("t", one), ("u", two)):
        sets.append(a_set(host / "data" / name, required=required, **({"source": "/laptop"} if has_source else {})))
        if holds:
            features(host / "data" / name, f"{name}.npz")
    planned = see(*sets).sets
    assert tuple(is_missed(each, planned) for each in planned) == expected


def test_what_cannot_be_told_is_not_missed(host):
    planned = see(a_set(host / "data/t", source="/laptop", mount=str(host / "data"))).sets
    assert [(each.status, each.uploads, is_missed(each, planned)) for each in planned] == [(None, False, False)]


# (what lies in the target, in a legacy directory, what is expected, top_up, whether there is a source, what is sent)
UPLOADS = [
    ((), (), None, False, True, True),
    ((), (), None, False, False, False),
    ((), (), 1, True, False, False),
    (("a.npz",), (), None, True, True, False),
    (("a.npz",), (), 0, True, True, False),
    (("a.npz",), (), 1, True, True, False),
    (("a.npz",), (), 2, True, True, True),
    (("a.npz",), (), 2, False, True, False),
    (("a.npz",), (), 2, True, False, False),
    (("a.npz",), ("b.npz",), 2, True, True, False),
    (("a.npz",), ("b.npz",), 3, True, True, True),
    (("a.npz",), ("a.npz",), 2, True, True, True),
    ((), ("a.npz", "b.npz"), 2, True, True, False),
]


@pytest.mark.parametrize(("here", "there", "expected", "top_up", "has_source", "uploads"), UPLOADS)
def test_what_is_sent(host, here, there, expected, top_up, has_source, uploads):
    features(host / "data/t", *here)
    features(host / "old", *there)
    keys = {**({"source": "/laptop"} if has_source else {}), **({} if expected is None else {"expected": expected})}
    (planned,) = see(a_set(host / "data/t", host / "old", **keys), top_up=top_up).sets
    assert planned.uploads is uploads
