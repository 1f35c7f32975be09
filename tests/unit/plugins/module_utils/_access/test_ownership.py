# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access import ownership
from ansible_collections.trainprep.features.plugins.module_utils._access.acl import Acl, of_mode
from ansible_collections.trainprep.features.plugins.module_utils._access.ownership import (
    Directory,
    Groups,
    Trust,
)

ALICE, BOB = 2001, 2002


class Known(Groups):
    """Groups as this test has them: alice's own, one of two people, an empty one."""

    def members(self, gid: int) -> frozenset:
        return {ALICE: frozenset({ALICE}), 50: frozenset({ALICE, BOB}), 0: frozenset()}.get(gid, frozenset())


GROUPS = Known()


def directory(mode: int, uid: int, gid: int, acl: Acl = None) -> Directory:
    return Directory("/d", mode, uid, gid, acl or of_mode(mode))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (directory(0o755, 0, 0), set()),
        (directory(0o775, 0, 0), set()),  # the group root has no other members
        (directory(0o555, ALICE, ALICE), {ALICE}),  # an owner can give himself the bit
        (directory(0o775, ALICE, ALICE), {ALICE}),
        (directory(0o775, 0, 50), {ALICE, BOB}),
        (directory(0o755, 0, 50), set()),
        (directory(0o777, 0, 0), {-1}),
        (directory(0, 0, 0, Acl(7, ((BOB, 2),), 5, (), 7, 5)), {BOB}),
        (directory(0, 0, 0, Acl(7, ((BOB, 2),), 5, (), 5, 5)), set()),  # masked
        (directory(0, 0, 0, Acl(7, (), 5, ((50, 7),), 7, 5)), {ALICE, BOB}),
    ],
)
def test_who_can_write_a_directory(found, expected):
    assert ownership.writers(found.acl, found.uid, found.gid, GROUPS) == expected


@pytest.mark.parametrize(
    ("chain", "owner", "accepted"),
    [
        ([directory(0o755, 0, 0)], ALICE, True),
        ([directory(0o755, 0, 0)], 0, True),
        ([directory(0o750, ALICE, ALICE)], ALICE, True),
        ([directory(0o750, ALICE, ALICE)], BOB, False),
        ([directory(0o750, ALICE, ALICE)], 0, False),
        ([directory(0o750, ALICE, ALICE), directory(0o755, 0, 0)], ALICE, True),
        ([directory(0o750, ALICE, ALICE), directory(0o755, 0, 0)], 0, False),
        ([directory(0o750, ALICE, ALICE), directory(0o755, BOB, BOB)], ALICE, False),
        ([directory(0o750, ALICE, ALICE), directory(0o755, BOB, BOB)], BOB, False),
        ([directory(0o775, 0, 50)], ALICE, False),
        ([directory(0o777, 0, 0)], ALICE, False),
        ([directory(0o777, 0, 0)], 0, False),
    ],
)
def test_only_the_writers_own_objects_below_what_he_can_write(chain, owner, accepted):
    found = Trust()
    for above in chain:
        found = ownership.below(found, above, owner, True, GROUPS)
    assert found.accepts(owner) is accepted


def test_in_a_sticky_directory_a_folder_is_its_owners_and_a_file_is_anybodys():
    sticky = directory(0o1777, 0, 0)
    assert ownership.below(Trust(), sticky, ALICE, True, GROUPS).owners == {ALICE}
    assert ownership.below(Trust(), sticky, 0, True, GROUPS).owners is None
    assert ownership.below(Trust(), sticky, ALICE, False, GROUPS).owners == frozenset()
    assert not ownership.below(Trust(), directory(0o1777, BOB, BOB), ALICE, True, GROUPS).accepts(ALICE)


def test_the_sentence_names_the_first_component_and_its_writer():
    name = pwd.getpwuid(65534).pw_name if 65534 in {entry.pw_uid for entry in pwd.getpwall()} else "65534"
    above = Directory("/home/x", 0o755, 65534, 0, of_mode(0o755))
    assert ownership.below(Trust(), above, 65534, True, GROUPS).why == f"/home/x, which user {name} can write"
    assert "several users" in ownership.below(Trust(), directory(0o777, 0, 0), 0, True, GROUPS).why


def test_members_are_those_named_and_those_whose_primary_group_it_is():
    groups = Groups()
    for entry in pwd.getpwall():
        if entry.pw_uid:
            assert entry.pw_uid in groups.members(entry.pw_gid)
    for group in grp.getgrall():
        for name in group.gr_mem:
            if name in {entry.pw_name for entry in pwd.getpwall()} and pwd.getpwnam(name).pw_uid:
                assert pwd.getpwnam(name).pw_uid in groups.members(group.gr_gid)
    assert 0 not in groups.members(0)
    assert groups.members(os.getpid() + 2**30) == frozenset()
