# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POSIX access ACLs as Linux stores them. Pure, except for C(read).

A plain mode is an ACL of three entries, so that the same decisions serve both.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import accounts

XATTR = "system.posix_acl_access"
READ, WRITE, PASS = 4, 2, 1

_NO_ACL_HERE = (errno.EOPNOTSUPP, errno.ENOSYS)
_VERSION = 2
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF


class Acl(NamedTuple):
    """Permissions as bits 0-7; C(users) and C(groups) are (id, permissions), sorted by id; no mask, no limit."""

    owner: int
    users: Tuple[Tuple[int, int], ...]
    group: int
    groups: Tuple[Tuple[int, int], ...]
    mask: Optional[int]
    other: int

    @property
    def limit(self) -> int:
        """What the entries other than owner and other are cut down to."""
        return 7 if self.mask is None else self.mask


def of_mode(mode: int) -> Acl:
    return Acl(mode >> 6 & 7, (), mode >> 3 & 7, (), None, mode & 7)


def parse(data: bytes) -> Acl:
    if len(data) < _HEADER.size or (len(data) - _HEADER.size) % _ENTRY.size:
        raise ValueError("not an ACL: its length is odd")
    (version,) = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"an ACL of version {version}, {_VERSION} is known")
    single: Dict[int, int] = {}
    named: Dict[int, List[Tuple[int, int]]] = {_USER: [], _GROUP: []}
    for tag, permissions, number in _ENTRY.iter_unpack(data[_HEADER.size :]):
        if tag in named:
            named[tag].append((number, permissions))
        else:
            single[tag] = permissions
    if not {_USER_OBJ, _GROUP_OBJ, _OTHER} <= set(single) <= {_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER}:
        raise ValueError("not an ACL: an entry is missing or unknown")
    return Acl(
        single[_USER_OBJ],
        tuple(sorted(named[_USER])),
        single[_GROUP_OBJ],
        tuple(sorted(named[_GROUP])),
        single.get(_MASK),
        single[_OTHER],
    )


def magic(descriptor: int) -> str:
    """Return a path that is the opened object itself, whatever its name now leads to; O_PATH descriptors need it."""
    return f"/proc/self/fd/{descriptor}"


def read(descriptor: int, mode: int) -> Tuple[Acl, bool]:
    """Return the access ACL of an open object, and whether its file system has ACLs."""
    try:
        return parse(os.getxattr(magic(descriptor), XATTR)), True
    except OSError as error:
        if error.errno == errno.ENODATA:
            return of_mode(mode), True
        if error.errno in _NO_ACL_HERE:
            return of_mode(mode), False
        raise


def pack(acl: Acl) -> bytes:
    """The extended attribute for an ACL, in the order that the kernel asks for."""
    entries = [(_USER_OBJ, acl.owner, _NO_ID)]
    entries += [(_USER, permissions, number) for number, permissions in acl.users]
    entries.append((_GROUP_OBJ, acl.group, _NO_ID))
    entries += [(_GROUP, permissions, number) for number, permissions in acl.groups]
    if acl.mask is not None:
        entries.append((_MASK, acl.mask, _NO_ID))
    entries.append((_OTHER, acl.other, _NO_ID))
    return _HEADER.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in entries)


def entry_for(acl: Acl, uid: int, gid: int, account: accounts.Account) -> str:
    """Which class of entries decides for the account on an object of uid and gid: owner, user, group or other."""
    if account.uid == uid:
        return "owner"
    if any(number == account.uid for number, _permissions in acl.users):
        return "user"
    if gid in account.groups or any(number in account.groups for number, _permissions in acl.groups):
        return "group"
    return "other"


def may(acl: Acl, uid: int, gid: int, account: accounts.Account, wanted: int) -> bool:
    """True if the kernel's rule gives the account all of the wanted bits at once."""
    if account.uid == 0:
        return True
    kind = entry_for(acl, uid, gid, account)
    if kind == "owner":
        return acl.owner & wanted == wanted
    if kind == "other":
        return acl.other & wanted == wanted
    if kind == "user":
        entries = [permissions for number, permissions in acl.users if number == account.uid]
    else:
        entries = [acl.group] if gid in account.groups else []
        entries += [permissions for number, permissions in acl.groups if number in account.groups]
    return any(permissions & acl.limit & wanted == wanted for permissions in entries)


def with_user(acl: Acl, uid: int, permissions: int) -> Acl:
    """The ACL with an entry of these permissions for a user, and a mask wide enough for it."""
    users = dict(acl.users)
    users[uid] = permissions
    mask = acl.group | permissions if acl.mask is None else acl.mask | permissions
    return acl._replace(users=tuple(sorted(users.items())), mask=mask)


def unmasked(old: Acl, new: Acl, uid: int) -> List[str]:
    """The entries, other than that user's, that a wider mask brings back to life."""
    changed = new.limit & ~old.limit
    entries = [("user:" + accounts.user_name(number), permissions) for number, permissions in old.users if number != uid]
    entries.append(("group:", old.group))
    entries += [("group:" + accounts.group_name(number), permissions) for number, permissions in old.groups]
    return [f"{who}:{text(permissions)}" for who, permissions in entries if permissions & changed]


def text(permissions: int) -> str:
    """Permissions as setfacl writes them: C(r-x)."""
    return "".join(letter if permissions & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", PASS)))


def describe(acl: Acl) -> str:
    entries = ["user::" + text(acl.owner)]
    entries += [f"user:{accounts.user_name(number)}:{text(permissions)}" for number, permissions in acl.users]
    entries.append("group::" + text(acl.group))
    entries += [f"group:{accounts.group_name(number)}:{text(permissions)}" for number, permissions in acl.groups]
    if acl.mask is not None:
        entries.append("mask::" + text(acl.mask))
    entries.append("other::" + text(acl.other))
    return ",".join(entries)
