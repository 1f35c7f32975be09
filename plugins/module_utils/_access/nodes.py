# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of the file system reached from C(/) by open descriptors, one component after another, through no link.

Descriptors are opened with O_PATH: that reads nothing, starts no device and waits for no pipe.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

from .. import errors
from .._system import accounts, acl, at, owners, paths

_MAX_LINKS = 40


class Blocked(Exception):
    """A path that is not to be followed; the message is for the user."""


class Trust(NamedTuple):
    """C(owners): the owners of what may be opened up here, None for all; C(why): the component and who writes it."""

    owners: Optional[FrozenSet[int]] = None
    why: str = ""

    def accepts(self, uid: int) -> bool:
        return self.owners is None or uid in self.owners


class Node:
    """A file or directory as it was found: its place, owner, permissions, and whose objects may be opened up there."""

    def __init__(
        self, parent: Optional[Node], name: str, descriptor: int, read_only: bool, groups: owners.Groups
    ) -> None:
        info = os.fstat(descriptor)
        self.parent = parent
        self.name = name
        self.path: str = os.path.join(parent.path, name) if parent else "/"
        self.key = (info.st_dev, info.st_ino)
        self.uid, self.gid, self.mode, self.nlink = info.st_uid, info.st_gid, info.st_mode, info.st_nlink
        self.acl, self.has_acls = acl.read(descriptor, info.st_mode)
        self.read_only = read_only
        self._files_trust: Optional[Trust] = None
        self.trust = Trust()
        if parent is not None:
            self.trust = parent.trust_below(self, groups)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def trust_below(self, child: Node, groups: owners.Groups) -> Trust:
        """Whose objects may be opened up in this directory: one answer for all files in it."""
        if not child.is_directory and self._files_trust is not None:
            return self._files_trust
        found = trust_below(self.trust, self, child.uid, child.is_directory, groups)
        if not child.is_directory:
            self._files_trust = found
        return found

    def same_as(self, other: Node) -> bool:
        """True if nothing that a grant depends on has changed between two looks."""
        mine, theirs = ((one.key, one.uid, one.gid, one.mode, one.acl, one.trust.owners) for one in (self, other))
        return mine == theirs


def trust_below(trust: Trust, directory: Node, child_uid: int, child_is_directory: bool, groups: owners.Groups) -> Trust:
    """Return what may be opened up for a child of a directory whose own trust is C(trust). Pure.

    A user who can write a directory decides what its names mean, also while we work: another user's private file may be put there. So
    below such a directory only that user's own objects are opened to others.
    """
    found = owners.writers(directory.acl, directory.uid, directory.gid, groups)
    if directory.mode & stat.S_ISVTX and child_is_directory:
        # Only its owner can have moved a directory into a sticky one: as if it were in a directory of its owner.
        # A file can have been moved there by any user who could write the place it came from.
        found = found.through_sticky(directory.uid, child_uid)
    if found.none:
        return trust
    if found.only is None:
        return Trust(frozenset(), f"{paths.display(directory.path)}, which several users can write ({found})")
    why = trust.why or f"{paths.display(directory.path)}, which user {accounts.user_name(found.only)} can write"
    return Trust(found.uids if trust.owners is None else trust.owners & found.uids, why)


class ResolvedPath(NamedTuple):
    """C(end) is the directory, or where its path ends for now (C(complete) is false: the rest is absent); C(passed)
    are all directories that must be passed to it, in order, C(end) included."""

    end: Node
    passed: Tuple[Node, ...]
    complete: bool


def not_seen(path: str, error: OSError) -> str:
    """The message for what cannot be inspected."""
    advice = (
        f"set {errors.named('become')} to true"
        if error.errno in (errno.EACCES, errno.EPERM)
        else "see to its file system"
    )
    return f"{paths.display(path)} cannot be inspected ({error.strerror}): {advice}"


def open_child(directory: int, name: str) -> int:
    """An O_PATH descriptor of a name in a directory; of the link itself if it is one."""
    return at.step(directory, at.one(name))


@contextmanager
def reopened(node: Node) -> Iterator[int]:
    """The directory opened once more, from C(/) on; Blocked if another object now stands under one of the names."""
    chain: List[Node] = []
    current: Optional[Node] = node
    while current is not None:
        chain.append(current)
        current = current.parent
    descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in reversed(chain[:-1]):
            following = open_child(descriptor, step.name)
            os.close(descriptor)
            descriptor = following
            info = os.fstat(descriptor)
            if (info.st_dev, info.st_ino) != step.key:
                raise Blocked(f"{paths.display(step.path)} was changed during the inspection: run again")
        yield descriptor
    finally:
        os.close(descriptor)


class PathResolver:
    """Finds directories by their declared paths; each is inspected once."""

    def __init__(self) -> None:
        self.groups = owners.Groups()
        descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.root = Node(None, "/", descriptor, False, self.groups)
        finally:
            os.close(descriptor)
        self._ways: Dict[str, ResolvedPath] = {"/": ResolvedPath(self.root, (self.root,), True)}

    def directory(self, path: str, links: int = 0) -> ResolvedPath:
        """The way to a directory. Links are followed only if root alone can have made and can change them."""
        known = self._ways.get(path)
        if known is None:
            known = self._ways[path] = self._find(path, links)
        return known

    def _find(self, path: str, links: int) -> ResolvedPath:
        above, name = os.path.split(path)
        way = self.directory(above, links)
        if not way.complete or name in ("", "."):
            return way
        if name == "..":
            return way._replace(end=way.end.parent or way.end)
        try:
            with reopened(way.end) as directory:
                descriptor = open_child(directory, name)
                try:
                    read_only = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
                    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                        return self._follow(way, name, descriptor, links)
                    node = Node(way.end, name, descriptor, read_only, self.groups)
                finally:
                    os.close(descriptor)
        except FileNotFoundError:
            return way._replace(complete=False)
        except OSError as error:
            raise Blocked(not_seen(path, error)) from None
        if not node.is_directory:
            raise Blocked(f"{paths.display(path)} is not a directory any more: run again")
        return ResolvedPath(node, (*way.passed, node), True)

    def _follow(self, way: ResolvedPath, name: str, descriptor: int, links: int) -> ResolvedPath:
        info = os.fstat(descriptor)
        place = os.path.join(way.end.path, name)
        found = owners.writers(way.end.acl, way.end.uid, way.end.gid, self.groups)
        if info.st_uid != 0 or not found.none or way.end.trust.owners is not None or links >= _MAX_LINKS:
            raise Blocked(
                f"{paths.display(place)} is a link that others than root can change, and no access is granted through such a "
                f"link: declare the directory it leads to, {paths.display(os.path.realpath(place))}"
            )
        text = at.readlink_opened(descriptor)
        target = self.directory(os.path.join(way.end.path, text), links + 1)
        return ResolvedPath(target.end, (*way.passed, *target.passed), target.complete)
