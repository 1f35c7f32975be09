# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of work: one line a case."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._plan.steps import (
    GRANT,
    LINK,
    ON_HOST,
    PUBLISH,
    UNLINK,
    UPLOAD,
    SetNeeds,
    next_on_host,
    pending_after,
    steps,
    uploads,
)


def needs(words):
    return SetNeeds(**dict.fromkeys(words.split(), True))


STEPS = [
    # state, what each set needs, pending steps
    ("present", [""], []),
    ("present", ["links"], [LINK]),
    ("present", ["uploads"], [UPLOAD]),
    ("present", ["grants"], [GRANT]),
    ("present", ["staged"], [PUBLISH]),
    ("present", ["links grants"], [LINK, GRANT]),
    ("present", ["staged links grants uploads"], [PUBLISH, LINK, UPLOAD, GRANT]),
    ("present", ["staged links"], [PUBLISH, LINK]),  # status 2, and a finished staging directory
    ("present", ["links", "uploads"], [LINK, UPLOAD]),
    ("present", ["uploads", "links grants", "staged"], [PUBLISH, LINK, UPLOAD, GRANT]),
    ("present", ["obstacle"], []),
    ("present", ["obstacle links"], []),
    ("present", ["obstacle", "links uploads grants"], []),
    ("present", ["obstacle", "staged links"], [PUBLISH]),
    ("present", ["obstacle staged"], [PUBLISH]),
    ("absent", [""], [UNLINK]),
    ("absent", ["staged"], [UNLINK]),
    ("absent", ["obstacle staged uploads", "links grants"], [UNLINK]),
]


@pytest.mark.parametrize(("state", "sets", "pending"), STEPS)
def test_pending_steps_in_their_order(state, sets, pending):
    assert steps(state, list(map(needs, sets))) == pending


def test_absent_never_adds_and_an_obstacle_leaves_publish_alone():
    words = ("staged", "links", "uploads", "grants", "obstacle")
    every = [SetNeeds(*flags) for flags in itertools.product((False, True), repeat=len(words))]
    for one, other in itertools.product(every, repeat=2):
        assert steps("absent", [one, other]) == [UNLINK]
        pending = steps("present", [one, other])
        assert pending == sorted(pending, key=(PUBLISH, LINK, UPLOAD, GRANT).index)
        assert (PUBLISH in pending) == (one.staged or other.staged)
        if one.obstacle or other.obstacle:
            assert set(pending) <= {PUBLISH}


UPLOADS = [
    # status, source, top_up, lacking, staged -> is sent
    (0, True, False, 0, False, True),
    (0, False, False, 0, False, False),
    (0, False, True, 9, False, False),
    (1, True, False, 9, False, False),
    (1, True, True, 9, False, True),
    (1, True, True, 0, False, False),
    (2, True, False, 0, False, False),
    (2, True, True, 3, False, True),
    (3, True, True, 1, False, True),
    (None, True, True, 9, False, False),
    (0, True, False, 0, True, False),  # it has features once the staging directory is published
    (0, True, True, 3, True, True),
    (0, True, True, 0, True, False),
    (1, True, True, 3, True, True),
]


@pytest.mark.parametrize(("status", "source", "top_up", "lacking", "staged", "sent"), UPLOADS)
def test_only_status_0_or_a_top_up_is_uploaded(status, source, top_up, lacking, staged, sent):
    assert uploads(status, source, top_up, lacking, staged) is sent


ON_HOST_NOW = [
    # pending, done before, check mode -> done now
    ([], [], False, []),
    ([UPLOAD], [], False, []),
    ([PUBLISH], [], False, [PUBLISH]),
    ([PUBLISH, LINK, UPLOAD, GRANT], [], False, [PUBLISH]),
    ([PUBLISH, LINK, UPLOAD, GRANT], [], True, [PUBLISH, LINK, GRANT]),
    ([LINK, UPLOAD, GRANT], [PUBLISH], False, [LINK, GRANT]),
    ([LINK, GRANT], [LINK], False, [GRANT]),
    ([PUBLISH, GRANT], [PUBLISH, LINK, GRANT], False, []),
    ([UNLINK], [], False, [UNLINK]),
]


@pytest.mark.parametrize(("pending", "done", "check_mode", "now"), ON_HOST_NOW)
def test_publish_is_done_alone_and_each_step_once(pending, done, check_mode, now):
    assert next_on_host(pending, done, check_mode) == now
    assert set(now) <= set(ON_HOST)


AFTER = [
    # done, pending before, found pending after -> still pending
    ([PUBLISH], [PUBLISH], [LINK, UPLOAD], [LINK, UPLOAD]),
    ([LINK], [LINK], [UPLOAD], []),  # pruned: the next run uploads
    ([LINK], [LINK, UPLOAD], [UPLOAD, GRANT], [UPLOAD, GRANT]),
    ([LINK, GRANT], [LINK, GRANT], [], []),
    ([UNLINK], [UNLINK], [UNLINK], []),
]


@pytest.mark.parametrize(("done", "before", "after", "pending"), AFTER)
def test_pending_after_a_step(done, before, after, pending):
    assert pending_after(done, before, after) == pending
