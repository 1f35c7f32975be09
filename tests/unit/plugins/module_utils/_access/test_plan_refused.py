# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan of access leaves closed: each file counted once, and said by name of what it takes."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access.plan import plan_grants
from ansible_collections.trainprep.features.plugins.module_utils._access.probe import (
    LinkSource,
    ProbeResult,
    Reason,
    RefusedDirectory,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_access import MEANS, TRAINER, make

DENIED = Reason("denied", True, True)
BROKEN = Reason("Input/output error", False, True)


def whole(path, *names, reason=DENIED, closed=None, sources=(), means=MEANS):
    """The plan for the files of these names, or for a directory, that the user was refused."""
    is_closed = not names if closed is None else closed
    answer = ProbeResult([reason], [RefusedDirectory(str(path), True, is_closed, list(names), [0] * (len(names) or 1))])
    return plan_grants(TRAINER, means, {"s": answer}, {"s": [LinkSource(*one) for one in sources]})


def plan(path, *names, **keys):
    return whole(path, *names, **keys).sets["s"]


def nothing(found):
    return (found.opens, found.hopeless, found.refused, found.changes) == (set(), set(), {}, [])


@pytest.mark.parametrize("closed", [True, False])
def test_what_no_permission_refuses_is_not_planned_for(place, closed):
    legacy = make(place / "legacy", "a.npz")
    legacy.chmod(0o700)
    assert nothing(plan(legacy, reason=BROKEN, closed=closed))
    assert nothing(plan(legacy, "a.npz", reason=BROKEN, closed=closed))
    assert nothing(plan(legacy, "../x.npz", closed=False))
    assert not nothing(plan(legacy, closed=True))


def test_what_has_vanished_is_no_matter(place):
    legacy = make(place / "legacy", "a.npz")
    found = plan(legacy, "gone.npz", "gone/b.npz", "a.npz")
    assert (len(found.opens), found.refused) == (1, {})


def test_each_name_behind_what_is_not_followed_is_refused_once(place):
    (place / "file").write_text("x")
    (place / "circle").symlink_to("circle")
    for path in (place / "file", place / "circle"):
        for names, count in ((("a.npz",), 1), (("a.npz", "b.npz"), 2), ((), 1)):
            found = plan(path, *names)
            assert (len(found.refused), found.opens) == (count, set())


def test_the_first_reason_why_nothing_can_be_granted_is_that_of_the_run(place):
    legacy = make(place / "legacy", "a.npz", "b.npz")
    found = whole(legacy, "a.npz", "b.npz", means=MEANS._replace(tools=False))
    assert found.hopeless.startswith(f"{legacy}/a.npz: this host has no setfacl")
    assert (len(found.sets["s"].hopeless), found.sets["s"].opens) == (2, set())
    assert whole(legacy, "a.npz").hopeless is None


@pytest.mark.parametrize(("number", "right"), [(1, True), (8, True), (9, False)])
def test_links_of_declared_features_are_followed_to_a_bound(place, number, right):
    names = [f"{one}.npz" for one in range(number)]
    legacy = make(place / "legacy", f"{number}.npz")
    for one in range(number):
        (legacy / names[one]).symlink_to(f"{one + 1}.npz")
    found = plan(legacy, "0.npz", sources=[(str(legacy), [*names, f"{number}.npz"])])
    assert (len(found.opens) == 1) is right
    assert (len(found.refused) == 1) is not right


# Where the links of one directory lead, and what of it is named.
INTO = [
    (["/nowhere/deep/a", "/nowhere/deep/b"], "/nowhere/deep"),
    (["/nowhere/a", "/nowhere/b"], "/nowhere/a and /nowhere/b"),
    (["/nowhere/b", "/nowhere/a", "/nowhere/b"], "/nowhere/a and /nowhere/b"),
    (["/nowhere", "/nowhere/b"], "/nowhere"),
    (["/nowhere4", "/nowhere3", "/nowhere2", "/nowhere1"], "/nowhere1 and /nowhere2 and /nowhere3"),
]


@pytest.mark.parametrize(("directories", "named"), INTO)
def test_links_into_undeclared_directories_are_each_counted_and_named_by_what_they_share(place, directories, named):
    target = make(place / "target")
    names = []
    for number, directory in enumerate(directories):
        names.append(f"{number}.npz")
        os.symlink(f"{directory}/{number}.npz", target / names[-1])
    found = plan(target, *names)
    assert len(found.refused) == len(names)
    assert set(found.refused.values()) == {f"{target} has links into {named}, not declared: add what holds them to 'legacy'"}
