# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose objects root may open up below a directory: pure, no file is touched here.

A user who can write a directory decides what its names mean, also while we work: he can put somebody else's
private file or directory there. So below such a directory only his own objects are opened to others.
"""

from __future__ import annotations

import stat
from typing import FrozenSet, NamedTuple, Optional

from .._system import accounts, owners
from .._system.acl import Acl

NOBODY: FrozenSet[int] = frozenset()


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


def below(trust: Trust, directory: Directory, child_uid: int, child_is_directory: bool, groups: owners.Groups) -> Trust:
    """Return what may be opened up for a child of a directory whose own trust is C(trust)."""
    found = owners.writers(directory.acl, directory.uid, directory.gid, groups)
    if directory.mode & stat.S_ISVTX and child_is_directory:
        # Only its owner can have moved a directory into a sticky one: as if it were in a directory of its owner.
        # A file can have been moved there by any user who could write the place it came from.
        found = found.through_sticky(directory.uid, child_uid)
    if found.none:
        return trust
    if found.only is None:
        return Trust(NOBODY, f"{directory.path}, which several users can write ({found})")
    why = trust.why or f"{directory.path}, which user {accounts.user_name(found.only)} can write"
    return Trust(found.uids if trust.owners is None else trust.owners & found.uids, why)
