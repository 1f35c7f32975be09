# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of what training_info answers: whatever a host answers, the others are shown."""

from __future__ import annotations

import copy

import jsonschema
from ansible_collections.trainprep.features.plugins.plugin_utils._training.answer import INFO_ANSWER
from ansible_collections.trainprep.features.plugins.plugin_utils._training.files import to_html
from ansible_collections.trainprep.features.plugins.plugin_utils._training.fleet import INFO, Trainings, document
from ansible_collections.trainprep.features.plugins.plugin_utils._training.text import training_table
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import check_answer
from ansible_collections.trainprep.features.tests.unit.plugins.plugin_utils._training.test_page import (
    ANSWER,
    NOW,
    SCHEMA,
)

ODD = [None, True, 10**18, -1e300, float("nan"), "x", [1], {"x": [1]}, "gone"]


def places_in(value, path=()):
    """The paths of all values in an answer; of a list, of its first two."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield from places_in(item, (*path, key))


def with_odd(path, odd):
    answer = copy.deepcopy(ANSWER)
    part = answer
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = odd
    if odd == "gone":
        del part[path[-1]]
    return answer


def test_whatever_one_host_answers_the_others_are_shown():
    def checked(answer):
        return check_answer(answer, INFO_ANSWER, "odd", "training_info")

    assert not checked(ANSWER).get("failed")
    trainings, refused = Trainings(), 0
    for number, (path, odd) in enumerate((path, odd) for path in places_in(ANSWER) for odd in ODD):
        answer = checked(with_odd(path, odd))
        if answer.get("failed"):
            refused += 1
        else:
            trainings.saw(f"odd-{number}", INFO, answer)
    trainings.saw("good", INFO, checked(ANSWER))
    assert refused > 1000 and len(trainings.hosts) > 300
    report = document(trainings, "p", NOW)
    jsonschema.validate(report, SCHEMA)
    assert "good" in to_html(report)
    assert any(line.startswith("good") for line, _state in training_table(report, 120))
