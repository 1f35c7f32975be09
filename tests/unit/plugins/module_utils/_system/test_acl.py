# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os
import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import acl as posix_acl
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import PASS, READ, WRITE, Acl

TRAINER = Account("trainer", 1001, 1001, (1001, 50), "/")
RICH = Acl(7, ((1001, 4), (1002, 6)), 5, ((50, 1), (60, 7)), 5, 0)


@pytest.mark.parametrize("acl", [RICH, posix_acl.of_mode(0o640), Acl(6, (), 4, (), 7, 1)])
def test_what_is_packed_is_parsed_again(acl):
    assert posix_acl.parse(posix_acl.pack(acl)) == acl


def test_the_kernel_takes_what_is_packed_and_gives_it_back(tmp_path):
    file = tmp_path / "file"
    file.touch()
    os.setxattr(file, posix_acl.XATTR, posix_acl.pack(RICH))
    assert posix_acl.parse(os.getxattr(file, posix_acl.XATTR)) == RICH
    assert file.stat().st_mode & 0o777 == 0o750  # the middle is the mask


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\x00",
        posix_acl.pack(RICH)[:-1],
        struct.pack("<I", 3) + posix_acl.pack(RICH)[4:],
        posix_acl.pack(RICH)[:-8],
        posix_acl.pack(RICH) + struct.pack("<HHI", 0x40, 7, 0),
    ],
)
def test_what_is_no_acl_is_refused(data):
    with pytest.raises(ValueError, match="ACL"):
        posix_acl.parse(data)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "wanted", "expected"),
    [
        (0o700, 1001, 0, READ | PASS, True),
        (0o077, 1001, 1001, READ, False),  # the owner's bits decide, though the group's would do
        (0o070, 1000, 50, READ | PASS, True),
        (0o707, 1000, 50, READ, False),  # in the group: everyone's bits do not count
        (0o705, 1000, 1000, READ | PASS, True),
        (0o750, 1000, 1000, PASS, False),
        (0o744, 1000, 1000, READ | PASS, False),
    ],
)
def test_modes_decide_by_class(mode, uid, gid, wanted, expected):
    assert posix_acl.may(posix_acl.of_mode(mode), uid, gid, TRAINER, wanted) is expected


@pytest.mark.parametrize(
    ("acl", "gid", "wanted", "expected"),
    [
        (Acl(7, ((1001, 5),), 0, (), 5, 0), 0, READ | PASS, True),
        (Acl(7, ((1001, 5),), 0, (), 1, 0), 0, READ, False),  # masked
        (Acl(7, ((1001, 0),), 7, (), 7, 7), 50, READ, False),  # an entry of one's own comes before groups
        (Acl(7, (), 4, ((50, 1),), 7, 0), 1001, READ | PASS, False),  # one entry must have both
        (Acl(7, (), 4, ((50, 5),), 7, 0), 1001, READ | PASS, True),
        (Acl(7, (), 0, ((50, 0),), 7, 7), 0, READ, False),
        (Acl(7, (), 0, ((60, 7),), 7, 4), 0, READ, True),
    ],
)
def test_entries_decide_as_in_the_kernel(acl, gid, wanted, expected):
    assert posix_acl.may(acl, 1000, gid, TRAINER, wanted) is expected


def test_root_may_all():
    root = Account("root", 0, 0, (0,), "/")
    assert posix_acl.may(posix_acl.of_mode(0), 1000, 1000, root, READ | WRITE | PASS)


def test_a_first_entry_brings_a_mask_that_takes_nothing_from_the_group():
    new = posix_acl.with_user(posix_acl.of_mode(0o750), 1001, PASS)
    assert new == Acl(7, ((1001, 1),), 5, (), 5, 0)
    assert posix_acl.with_user(posix_acl.of_mode(0o700), 1001, READ | PASS).mask == 5


def test_a_wider_mask_wakes_what_it_had_suppressed_and_says_what():
    old = Acl(7, ((1001, 0), (4242, 7)), 5, ((4243, 1),), 2, 0)
    new = posix_acl.with_user(old, 1001, READ | PASS)
    assert posix_acl.unmasked(old, new, 1001) == ["user:4242:rwx", "group::r-x", "group:4243:--x"]
    assert posix_acl.unmasked(old, posix_acl.with_user(old, 1001, WRITE), 1001) == []


def test_nobody_else_gains_by_an_entry_unless_it_is_said():
    """Over all small ACLs: who is not the user has the same rights after, or is named as unmasked."""
    other = Account("other", 1002, 1002, (1002,), "/")
    third = Account("third", 1003, 1003, (60,), "/")
    for named, group, ngroup, mask, wanted in itertools.product(
        (0, 4, 7), (0, 5), (0, 1), (None, 0, 1, 4, 7), (1, 4, 5)
    ):
        users, groups = (((1002, named),), ((60, ngroup),)) if mask is not None else ((), ())
        old = Acl(7, users, group, groups, mask, 0)
        new = posix_acl.with_user(old, 1001, wanted)
        gained = any(
            posix_acl.may(new, 1000, gid, account, bit) > posix_acl.may(old, 1000, gid, account, bit)
            for account in (other, third)
            for gid in (1000, 60, 1002)
            for bit in (1, 2, 4)
        )
        assert posix_acl.may(new, 1000, 1000, TRAINER, wanted)
        assert not gained or posix_acl.unmasked(old, new, 1001), (old, new)
