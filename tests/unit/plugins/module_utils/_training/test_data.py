# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.info import compare_data


def record(**sets):
    return {"digest": "run", "sets": sets}


def found(**sets):
    return {name: {"digest": value, "digest_reason": None if value else f"{name} has no checksums"} for name, value in sets.items()}


NO_RECORD = "the run's record has no digest of the data of set 'a'"
CASES = [
    (record(a="1", b="2"), found(a="1", b="2"), False, [], None),
    (record(a="1", b="2"), found(a="1", b="3"), True, ["b"], None),
    # That one has changed is known, whatever is unknown of the other.
    (record(a="1", b="2"), found(a=None, b="3"), True, ["b"], None),
    (record(a="1", b="2"), found(a=None, b="2"), None, [], "a has no checksums"),
    (record(a=None), found(a=None), None, [], NO_RECORD),
    (None, found(a="1"), None, [], NO_RECORD),
    ("written by hand", found(a="1"), None, [], NO_RECORD),
    ({"digest": "x", "sets": ["a"]}, found(a="1"), None, [], NO_RECORD),
    (record(a="1"), {}, None, [], "no feature sets are known"),
]


@pytest.mark.parametrize(("recorded", "sets", "changed", "names", "reason"), CASES)
def test_data_of_now_against_those_on_record(recorded, sets, changed, names, reason):
    answer = compare_data(recorded, sets, "now")
    assert (answer["changed"], answer["changed_sets"], answer["reason"], answer["digest"]) == (changed, names, reason, "now")
