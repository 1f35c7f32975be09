# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts of this host."""

from __future__ import annotations

import grp
import os
import pwd
from functools import lru_cache
from typing import NamedTuple, Optional, Tuple

from .. import errors


class Account(NamedTuple):
    """An account: C(gid) is its primary group, C(groups) all of its groups (the primary one included)."""

    name: str
    uid: int
    gid: int
    groups: Tuple[int, ...]
    home: str


def find_account(name: Optional[str]) -> Account:
    """Return the account of that name on this host; without a name, the account of this process.

    The controller fills in the connecting user: root cannot know who that was. FeatureError for an unknown name.
    """
    if name:
        return _named(name)
    uid = os.geteuid()
    try:
        return _of_entry(pwd.getpwuid(uid))
    except KeyError:
        groups = tuple(sorted({os.getegid(), *os.getgroups()}))
        return Account(str(uid), uid, os.getegid(), groups, "/")


def _named(name: str) -> Account:
    try:
        return _of_entry(pwd.getpwnam(name))
    except KeyError:
        pass
    if name.isdigit():
        try:
            return _of_entry(pwd.getpwuid(int(name)))
        except (KeyError, OverflowError):
            pass
    raise errors.FeatureError(
        f"{errors.named('user')}: this host has no account '{name}': "
        "create it, or name the account that runs the training"
    )


def _of_entry(entry: pwd.struct_passwd) -> Account:
    groups = tuple(sorted({entry.pw_gid, *os.getgrouplist(entry.pw_name, entry.pw_gid)}))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir or "/")


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """The name of an account for messages; the number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=256)
def group_name(gid: int) -> str:
    """The name of a group for messages; the number if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
