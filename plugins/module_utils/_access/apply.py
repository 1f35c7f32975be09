# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply planned changes of access: each object is opened again, compared, and changed through its descriptor.

Objects below a directory that a user can write are changed in a process of that user, who owns them.
"""

from __future__ import annotations

import errno
import os
from typing import Dict, List, NamedTuple, Sequence, Tuple

from .. import errors
from .._system import acl, become, owners, paths
from . import nodes, rules


class Applied(NamedTuple):
    """C(done) were made; C(missed) were not, because the object was another one by then (messages)."""

    done: List[rules.Change]
    missed: List[str]


def apply_changes(changes: Sequence[rules.Change], result: Applied) -> None:
    """Make the changes. An object that changed since the plan is left alone; FeatureError if the system refuses.

    result: is filled with each change as it is made.
    """
    groups = owners.Groups()
    for parent_changes in _by_parent(changes):
        parent = parent_changes[0].node.parent
        if parent is None:
            raise AssertionError("the root directory is never changed")
        try:
            with nodes.reopened(parent) as directory:
                made, error = _as_owner(directory, parent_changes, groups)
        except (nodes.Blocked, FileNotFoundError, NotADirectoryError):
            # Raised before the first of them: another directory stands there now.
            result.missed.extend(_changed(change) for change in parent_changes)
            continue
        for change, was_made in zip(parent_changes, made):
            if was_made:
                result.done.append(change)
            else:
                result.missed.append(_changed(change))
        if error:
            raise errors.FeatureError(error)


def _as_owner(directory: int, changes: Sequence[rules.Change], groups: owners.Groups) -> Tuple[List[bool], str]:
    trusted = changes[0].node.trust.owners
    if trusted is None or os.geteuid() != 0:
        return _apply_all(directory, changes, groups)
    (uid,) = trusted
    done: Tuple[List[bool], str] = become.run_as(owners.account_of(uid), _apply_all, directory, changes, groups)
    return done


def _apply_all(directory: int, changes: Sequence[rules.Change], groups: owners.Groups) -> Tuple[List[bool], str]:
    """Return which changes were made, up to the first error, and that error's message."""
    made: List[bool] = []
    for change in changes:
        try:
            made.append(_apply(directory, change, groups))
        except OSError as error:
            return made, _why(change, error)
    return made, ""


def _by_parent(changes: Sequence[rules.Change]) -> List[List[rules.Change]]:
    """Files before directories, so that a run that is killed opens no way to what it has not yet decided."""
    found: Dict[object, List[rules.Change]] = {}
    for change in sorted(changes, key=lambda change: change.node.is_directory):
        parent = change.node.parent
        found.setdefault((parent and parent.key, change.node.is_directory, change.node.trust.owners), []).append(change)
    return list(found.values())


def _apply(directory: int, change: rules.Change, groups: owners.Groups) -> bool:
    """Make one change; False if the object is another one by now."""
    node = change.node
    try:
        descriptor = nodes.open_child(directory, node.name)
    except FileNotFoundError:
        return False
    try:
        now = nodes.Node(node.parent, node.name, descriptor, node.read_only, groups)
        if not now.same_as(node) or (now.nlink > 1 and node.nlink == 1 and not node.is_directory):
            return False
        if change.extended:
            os.setxattr(acl.magic(descriptor), acl.XATTR, acl.pack(change.acl))
        else:
            os.chmod(acl.magic(descriptor), rules.mode_of(change))
        return True
    finally:
        os.close(descriptor)


def _changed(change: rules.Change) -> str:
    return f"{paths.display(change.node.path)} was changed while access to it was granted, so it was left alone: run again"


def _why(change: rules.Change, error: OSError) -> str:
    path = paths.display(change.node.path)
    if error.errno == errno.EROFS:
        return (
            f"{path} is on a read-only file system, so access cannot be granted: mount it writable, or grant it there"
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"{path}: the system does not let us change who can read it ({error.strerror}): set {errors.named('become')} to "
            "true, or on a network file system grant the access on its server"
        )
    return f"{path}: access cannot be granted ({error.strerror}): see to its file system and run again"
