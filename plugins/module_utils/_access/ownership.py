# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose objects root may open up below a directory: pure, no file is touched here.

A user who can write a directory decides what its names mean, also while we work: he can put somebody else's
private file or directory there. So below such a directory only his own objects are opened to others.
"""

from __future__ import annotations

import grp
import pwd
import stat
from typing import Dict, FrozenSet, NamedTuple, Optional

from .._system import accounts
from .acl import WRITE, Acl

NOBODY: FrozenSet[int] = frozenset()
_EVERYBODY = -1  # stands in a set of writers for all users of the host


class Groups:
    """Who belongs to a group of this host, root left out; each group is looked up once."""

    def __init__(self) -> None:
        self._members: Dict[int, FrozenSet[int]] = {}
        self._primary: Optional[Dict[int, FrozenSet[int]]] = None

    def members(self, gid: int) -> FrozenSet[int]:
        """The uids of the group's members."""
        if gid not in self._members:
            self._members[gid] = self._look_up(gid)
        return self._members[gid]

    def _look_up(self, gid: int) -> FrozenSet[int]:
        if self._primary is None:
            primary: Dict[int, FrozenSet[int]] = {}
            for entry in pwd.getpwall():
                primary[entry.pw_gid] = primary.get(entry.pw_gid, NOBODY) | {entry.pw_uid}
            self._primary = primary
        members = set(self._primary.get(gid, NOBODY))
        try:
            names = grp.getgrgid(gid).gr_mem
        except KeyError:
            names = []
        for name in names:
            try:
                members.add(pwd.getpwnam(name).pw_uid)
            except KeyError:
                continue
        return frozenset(members - {0})


class Directory(NamedTuple):
    """What counts of a directory: C(path) as messages show it, permission bits, owner, group and ACL."""

    path: str
    mode: int
    uid: int
    gid: int
    acl: Acl


class Trust(NamedTuple):
    """C(owners): the owners of what may be opened up here, None for all; C(why): the component and who writes it."""

    owners: Optional[FrozenSet[int]] = None
    why: str = ""

    def accepts(self, uid: int) -> bool:
        """Whether an object of that owner may be opened up."""
        return self.owners is None or uid in self.owners


def writers(acl: Acl, uid: int, gid: int, groups: Groups) -> FrozenSet[int]:
    """The users other than root who can write a directory; its owner can, whatever its mode is just now."""
    found = {uid}
    found.update(number for number, permissions in acl.users if permissions & acl.limit & WRITE)
    for number, permissions in ((gid, acl.group), *acl.groups):
        if permissions & acl.limit & WRITE:
            found |= groups.members(number)
    if acl.other & WRITE:
        found.add(_EVERYBODY)
    return frozenset(found - {0})


def below(trust: Trust, directory: Directory, child_uid: int, child_is_directory: bool, groups: Groups) -> Trust:
    """What may be opened up for a child of a directory that itself stands in C(trust)."""
    found = writers(directory.acl, directory.uid, directory.gid, groups)
    if directory.mode & stat.S_ISVTX and child_is_directory and found - {directory.uid}:
        # Only its owner can have put a directory into a sticky one: as if it lay in a directory of its owner.
        # A file can have been moved there by whoever could write the place it came from.
        found = frozenset({directory.uid, child_uid} - {0})
    if not found:
        return trust
    if len(found) == 1 and _EVERYBODY not in found:
        (only,) = found
        why = trust.why or f"{directory.path}, which user {accounts.user_name(only)} can write"
        return Trust(found if trust.owners is None else trust.owners & found, why)
    return Trust(NOBODY, f"{directory.path}, which several users can write")
