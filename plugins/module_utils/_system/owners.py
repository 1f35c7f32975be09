# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account that owns a place.

Root works only where root alone can write, all path components included. Everywhere else the work is done as the one user who
can write there (C(become.run_as)), so that an attacker has only his own rights. A place that several users can write has no owner.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence

from .. import errors
from . import accounts, acl, at, paths, words

_MAX_LINKS = 40
_NO_GROUP = 65534


class Groups:
    """Groups of this host; each is looked up once."""

    def __init__(self) -> None:
        self._private: Dict[int, Optional[int]] = {}

    def private_owner(self, gid: int) -> Optional[int]:
        """Return the uid of the account whose private group this is, None if others are, or may be, in the group.

        Private: the account's primary group, with the account's own name, and no other member is known. The members of any other
        group count as several users, listed or not: directory services do not list them, and PAM and systemd add to them.
        """
        if gid not in self._private:
            self._private[gid] = self._look_up(gid)
        return self._private[gid]

    def _look_up(self, gid: int) -> Optional[int]:
        try:
            group = grp.getgrgid(gid)
            name = group.gr_name
            account = pwd.getpwnam(name)
        except KeyError:
            return None
        # A directory service knows the members of the one group that it is asked for, and may not list it among all.
        entries = [group, *(entry for entry in grp.getgrall() if entry.gr_gid == gid)]
        listed = {member for entry in entries for member in entry.gr_mem} - {name}
        primary = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid} - {account.pw_uid}
        return None if account.pw_gid != gid or listed or primary else account.pw_uid


@dataclass(frozen=True)
class Writers:
    """The users other than root who can write a directory: known uids, groups with unknown members, every user."""

    uids: FrozenSet[int] = frozenset()
    groups: FrozenSet[int] = frozenset()
    everyone: bool = False

    @property
    def none(self) -> bool:
        return not (self.uids or self.groups or self.everyone)

    @property
    def only(self) -> Optional[int]:
        """The uid of the one user who can write, None if there is none or several."""
        return next(iter(self.uids)) if len(self.uids) == 1 and not (self.groups or self.everyone) else None

    @property
    def several(self) -> bool:
        return not self.none and self.only is None

    def through_sticky(self, directory_uid: int, entry_uid: int) -> Writers:
        """Return who of these can exchange one name in a sticky directory: the owners of the directory and of what it names."""
        if self.uids <= {directory_uid} and not (self.groups or self.everyone):
            return self
        return Writers(frozenset({directory_uid, entry_uid} - {0}))

    def __or__(self, other: Writers) -> Writers:
        return Writers(self.uids | other.uids, self.groups | other.groups, self.everyone or other.everyone)

    def __str__(self) -> str:
        if self.everyone:
            return "every user"
        names = [f"user {accounts.user_name(uid)}" for uid in sorted(self.uids)]
        names += [f"group {accounts.group_name(gid)}" for gid in sorted(self.groups)]
        return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "root alone"


def writers(entries: acl.Acl, uid: int, gid: int, groups: Groups) -> Writers:
    """Return who can write a directory with this ACL, owner and group. The owner can: he can give himself the bit."""
    uids = {uid}
    uids.update(number for number, permissions in entries.users if permissions & entries.limit & acl.WRITE)
    shared = set()
    for number, permissions in ((gid, entries.group), *entries.groups):
        if permissions & entries.limit & acl.WRITE:
            private = groups.private_owner(number)
            if private is None:
                shared.add(number)
            else:
                uids.add(private)
    return Writers(frozenset(uids - {0}), frozenset(shared), bool(entries.other & acl.WRITE))


class Step(NamedTuple):
    """One name looked up on the way to a place: the directory, and the owner of the name in it.

    C(entry_uid): None for the last directory, in which names are going to be made. C(link): the name is a link; its owner chose where
    it leads.
    """

    path: str
    uid: int
    gid: int
    acl: acl.Acl
    sticky: bool = False
    entry_uid: Optional[int] = None
    link: bool = False


class Decision(NamedTuple):
    """C(uid): who works at the place, None if several users can write C(component), the first such directory on the way."""

    uid: Optional[int]
    component: str
    writers: Writers


def decide_owner(steps: Sequence[Step], groups: Groups, user: int) -> Decision:
    """Decide which account owns a place, from all directories on the way to it. Pure.

    user: uid of the training user. In a sticky directory (e.g. /tmp) a name can be exchanged only by its owner and the directory's,
    so no other user counts on the way through. New names in a shared sticky directory are made as the training user, never as root.
    """
    found, component = Writers(), "/"
    for step in steps:
        here = writers(step.acl, step.uid, step.gid, groups)
        if step.sticky and step.entry_uid is not None:
            here = here.through_sticky(step.uid, step.entry_uid)
        elif step.sticky and here.several and user != 0:
            here = here.through_sticky(step.uid, user)
        if step.link and step.entry_uid:
            here = here | Writers(frozenset({step.entry_uid}))
        if not here.none and (found | here) != found:
            found, component = found | here, step.path
        if found.several:
            return Decision(None, component, found)
    return Decision(0 if found.none else found.only, component, found)


def owner_of(path: str, user: accounts.Account, via: str = "/") -> accounts.Account:
    """Return the account that works at a place: root if root alone can write all the way, else the one user who can.

    path: an absolute path; what does not exist yet is judged by the nearest existing directory. user: the training user, who works
    if root is refused (NFS with root_squash, FUSE). via: another directory that led here; its writers count too. Without root,
    this is the current user.
    Raises FeatureError if several users can write there.
    """
    if os.geteuid() != 0:
        return accounts.find_account(None)
    try:
        steps = [*steps_to(via), *steps_to(path)]
    except PermissionError:
        return user
    except OSError as error:
        raise errors.FeatureError(
            f"{paths.display(path)} cannot be inspected ({error.strerror}): {words.advice(error)}"
        ) from None
    decision = decide_owner(steps, Groups(), user.uid)
    if decision.uid is None:
        raise errors.FeatureError(
            f"{paths.display(path)}: nothing is changed there as root, because {paths.display(decision.component)} can be written by"
            f" {decision.writers}: let root or one user alone write it (chown, chmod g-w,o-w), name another directory, or set"
            f" {errors.named('become')} to false to work as the connecting user"
        )
    return user if decision.uid == user.uid else account_of(decision.uid)


def account_of(uid: int) -> accounts.Account:
    """Return the account with this uid, also if the host has no entry for it."""
    try:
        return accounts.find_account(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return accounts.Account(str(uid), uid, _NO_GROUP, (_NO_GROUP,), "/")


def steps_to(path: str) -> List[Step]:
    """Return every name that is looked up on the way to a place, links included, read through descriptors one at a time.

    Raises PermissionError if a directory cannot be passed, OSError (ELOOP) for too many links.
    """
    steps: List[Step] = []
    current, shown, links = os.open("/", at.PASS_DIRECTORY), "", 0
    waiting = path.split("/")[::-1]
    try:
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            try:
                child = at.step(current, name)
            except FileNotFoundError:
                break
            info = os.fstat(child)
            if name != "..":
                steps.append(_step(shown or "/", current, info))
            if stat.S_ISDIR(info.st_mode):
                os.close(current)
                current, shown = child, os.path.dirname(shown) if name == ".." else f"{shown}/{name}"
                continue
            text = _link_text(child, info)
            if text is None:
                break  # a file is in the way: who works here says so
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if text.startswith("/"):
                os.close(current)
                current, shown = os.open("/", at.PASS_DIRECTORY), ""
            waiting.extend(text.split("/")[::-1])
        return [*steps, _step(shown or "/", current, None)]
    finally:
        os.close(current)


def _link_text(child: int, info: os.stat_result) -> Optional[str]:
    try:
        return at.readlink_opened(child) if stat.S_ISLNK(info.st_mode) else None
    finally:
        os.close(child)


def _step(shown: str, directory: int, entry: Optional[os.stat_result]) -> Step:
    info = os.fstat(directory)
    entries, _known = acl.read(directory, info.st_mode)
    names = (None, False) if entry is None else (entry.st_uid, stat.S_ISLNK(entry.st_mode))
    return Step(shown, info.st_uid, info.st_gid, entries, bool(info.st_mode & stat.S_ISVTX), *names)
