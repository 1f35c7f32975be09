# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._plan.status import (
    STATUS_WORDS,
    any_holds,
    holds,
    host_status,
    set_status,
)

COUNTS = [(0, True, False), (0, False, None), (1, True, True), (1, False, True), (8690, False, True)]


@pytest.mark.parametrize(("features", "sure", "expected"), COUNTS)
def test_none_is_said_only_where_all_was_seen(features, sure, expected):
    assert holds(features, sure) is expected


ANSWERS = [
    ([], False),
    ([False], False),
    ([False, None], None),
    ([None, True], True),
    ([False, True], True),
    ([None, None], None),
]


@pytest.mark.parametrize(("answers", "expected"), ANSWERS)
def test_several_legacy_directories(answers, expected):
    assert any_holds(iter(answers)) is expected


SETS = [
    (False, False, 0),
    (True, False, 1),
    (False, True, 2),
    (True, True, 3),
    (None, False, None),
    (None, True, None),
    (False, None, None),
    (True, None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("in_target", "in_legacy", "expected"), SETS)
def test_status_of_a_set(in_target, in_legacy, expected):
    assert set_status(in_target, in_legacy) == expected


HOSTS = [
    ([0], 0),
    ([1], 1),
    ([2], 2),
    ([3], 3),
    ([None], None),
    ([0, 0], 0),
    ([0, 1], 1),
    ([1, 1], 1),
    ([0, 2], 2),
    ([2, 2], 2),
    ([1, 2], 3),
    ([2, 1], 3),
    ([0, 3], 3),
    ([1, 3], 3),
    ([2, 3], 3),
    ([0, 1, 2], 3),
    ([0, None], None),
    ([1, None], None),
    ([3, None, 2], None),
]


@pytest.mark.parametrize(("statuses", "expected"), HOSTS, ids=[str(statuses) for statuses, _expected in HOSTS])
def test_status_of_a_host(statuses, expected):
    assert host_status(statuses) == expected


def test_each_status_has_its_words():
    assert set(STATUS_WORDS) == {0, 1, 2, 3, None}
