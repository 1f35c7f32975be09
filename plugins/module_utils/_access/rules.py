# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The least change that lets one user pass a directory, list it, or read a file: pure, no file is touched here."""

from __future__ import annotations

import os
from typing import Any, List, NamedTuple, Optional

from .. import errors
from .._system import accounts, acl
from .._system.acl import PASS, READ, Acl
from .._system.paths import display
from . import nodes

GRANT, WIDEN = "grant", "widen"

_VERBS = {PASS: "pass", READ: "read", READ | PASS: "list and pass"}


class Means(NamedTuple):
    """What we may use: C(uid) we work as, C(permissions) as the role's variable, C(tools): setfacl is on the host."""

    uid: int
    permissions: str
    tools: bool


class Change(NamedTuple):
    """One object's new permissions: C(acl) with C(extended), else the mode bits of C(acl) alone.

    C(opened_to) is empty if the user alone gained, else who else did: "everyone" or "group ml".
    """

    node: nodes.Node
    acl: Acl
    extended: bool
    opened_to: str

    @property
    def old(self) -> str:
        return acl.describe(self.node.acl)

    @property
    def new(self) -> str:
        return acl.describe(self.acl)


class Refusal(Exception):
    """Why an object is not changed: a message. C(hopeless): nothing of this run can be granted in this way."""

    def __init__(self, text: str, hopeless: bool = False) -> None:
        super().__init__(text)
        self.hopeless = hopeless


def decide(node: nodes.Node, needed: int, account: accounts.Account, means: Means) -> Optional[Change]:
    """The change that gives the account the needed bits; None if it has them. Raises Refusal."""
    if acl.may(node.acl, node.uid, node.gid, account, needed):
        return None
    _check_safety(node, needed, account, means)
    had = _held(node, account)
    if account.uid == node.uid:
        return Change(node, node.acl._replace(owner=node.acl.owner | needed), False, "")
    if node.has_acls and means.tools:
        return _by_entry(node, needed | had, account)
    if means.permissions == WIDEN:
        return _by_mode(node, needed, account)
    if not node.has_acls:
        raise Refusal(
            f"{display(node.path)}: its file system keeps no ACLs, so user {account.name} alone cannot be allowed to "
            f"{_VERBS[needed]} it: use a group that the user and the owner share, or set {errors.named('permissions')} "
            "to widen, which opens it to more users",
            hopeless=True,
        )
    raise Refusal(
        f"{display(node.path)}: this host has no setfacl, so what is granted to user {account.name} alone could be neither "
        f"seen nor undone: install the package acl, use a group that the user and the owner share, or set "
        f"{errors.named('permissions')} to widen, which opens it to more users",
        hopeless=True,
    )


def _check_safety(node: nodes.Node, needed: int, account: accounts.Account, means: Means) -> None:
    path = display(node.path)
    if node.parent is None:
        raise Refusal(
            f"user {account.name} lacks search permission on /, and the root directory is never changed: see who changed it"
        )
    if not node.trust.accepts(node.uid):
        raise Refusal(
            f"{path} belongs to {accounts.user_name(node.uid)} but is below {node.trust.why}, so it is not opened to others: "
            f"let its owner allow user {account.name} to {_VERBS[needed]} it, or move the features where only root can write"
        )
    if not node.is_directory and node.nlink > 1 and node.uid != node.parent.uid:
        raise Refusal(
            f"{path} has other names (hard links) and belongs to {accounts.user_name(node.uid)}, not to the owner of its directory, "
            "so it is not opened to others: replace it by a copy"
        )
    if means.uid not in (0, node.uid):
        raise Refusal(
            f"{path} belongs to {accounts.user_name(node.uid)}, and only its owner or root may change who can "
            f"{_VERBS[needed]} it: set {errors.named('become')} to true"
        )
    if node.read_only:
        raise Refusal(
            f"{path} is on a read-only file system, so user {account.name} cannot be allowed to {_VERBS[needed]} it: "
            "mount it writable, or grant the access where it is written",
            hopeless=True,
        )


def _held(node: nodes.Node, account: accounts.Account) -> int:
    """The bits that the account has already; an entry of its own takes the place of what it had by a group."""
    return sum(bit for bit in (4, 2, 1) if acl.may(node.acl, node.uid, node.gid, account, bit))


def _by_entry(node: nodes.Node, permissions: int, account: accounts.Account) -> Change:
    new = acl.with_user(node.acl, account.uid, permissions)
    unmasked = acl.unmasked(node.acl, new, account.uid)
    if unmasked:
        raise Refusal(
            f"{display(node.path)}: the mask of its ACL is kept, because a wider one, which user {account.name} needs, "
            f"would bring back to life {', '.join(unmasked)}: remove such entries, or allow the user in another way"
        )
    return Change(node, new, True, "")


def _by_mode(node: nodes.Node, needed: int, account: accounts.Account) -> Change:
    """Mode bits, if there are no ACLs: those of the group if the account is in it, else everyone's."""
    kind = acl.entry_for(node.acl, node.uid, node.gid, account)
    limited = node.acl.mask is not None
    if kind == "other":
        return Change(node, node.acl._replace(other=node.acl.other | needed), False, "everyone")
    if kind == "group" and not limited:
        group = "group " + accounts.group_name(node.gid)
        return Change(node, node.acl._replace(group=node.acl.group | needed), False, group)
    raise Refusal(
        f"{display(node.path)} has an ACL that decides for user {account.name}, and mode bits cannot change that: "
        "install the package acl"
    )


def mode_of(change: Change) -> int:
    """The mode for chmod; if an ACL stays, its group bits are the ACL's mask."""
    acl = change.acl
    middle = acl.group if acl.mask is None else acl.mask
    return (change.node.mode & 0o7000) | acl.owner << 6 | middle << 3 | acl.other


def opened(changes: List[Change]) -> List[str]:
    """For whom mode bits opened what: one message for each kind of opening."""
    found: Any = {}
    for change in changes:
        if change.opened_to:
            found.setdefault((change.opened_to, change.node.is_directory), []).append(change.node.path)
    sentences = []
    for (who, directories), paths in found.items():
        what = "director" + ("y" if len(paths) == 1 else "ies") if directories else "file" + "s" * (len(paths) != 1)
        common = paths[0] if len(paths) == 1 else os.path.commonpath(paths)
        where = f": {display(common)}" if len(paths) == 1 else f", below {display(common)}"
        sentences.append(f"opened to {who}, not to the training user alone, by mode bits: {len(paths)} {what}{where}")
    return sentences
