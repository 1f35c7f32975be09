# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pwd
from collections import namedtuple

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access.nodes import Trust, trust_below
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import of_mode
from ansible_collections.trainprep.features.plugins.module_utils._system.owners import Groups

ALICE, BOB = 2001, 2002
Directory = namedtuple("Directory", "path mode uid gid acl")


class Known(Groups):
    """alice's and root's private groups; the members of any other group are unknown."""

    def private_owner(self, gid: int) -> int | None:
        return {ALICE: ALICE, 0: 0}.get(gid)


GROUPS = Known()


def directory(mode: int, uid: int, gid: int) -> Directory:
    return Directory("/d", mode, uid, gid, of_mode(mode))


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
        ([directory(0o775, ALICE, 50)], ALICE, False),
        ([directory(0o2775, ALICE, ALICE)], ALICE, True),
        ([directory(0o777, 0, 0)], ALICE, False),
        ([directory(0o777, 0, 0)], 0, False),
    ],
)
def test_only_the_writers_own_objects_below_what_he_can_write(chain, owner, accepted):
    found = Trust()
    for above in chain:
        found = trust_below(found, above, owner, True, GROUPS)
    assert found.accepts(owner) is accepted


def test_in_a_sticky_directory_a_folder_is_its_owners_and_a_file_is_anybodys():
    sticky = directory(0o1777, 0, 0)
    assert trust_below(Trust(), sticky, ALICE, True, GROUPS).owners == {ALICE}
    assert trust_below(Trust(), sticky, 0, True, GROUPS).owners is None
    assert trust_below(Trust(), sticky, ALICE, False, GROUPS).owners == frozenset()
    assert not trust_below(Trust(), directory(0o1777, BOB, BOB), ALICE, True, GROUPS).accepts(ALICE)


def test_the_sentence_names_the_first_component_and_its_writer():
    name = pwd.getpwuid(65534).pw_name if 65534 in {entry.pw_uid for entry in pwd.getpwall()} else "65534"
    above = Directory("/home/x", 0o755, 65534, 0, of_mode(0o755))
    assert trust_below(Trust(), above, 65534, True, GROUPS).why == f"/home/x, which user {name} can write"
    assert "several users" in trust_below(Trust(), directory(0o777, 0, 0), 0, True, GROUPS).why
