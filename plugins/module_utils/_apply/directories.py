# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories made and handed over. Runs as the account that owns the place, see C(_system.owners)."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import Iterator, Optional, Sequence

from .. import errors
from .._system import accounts, acl, at, mounts, owners, paths
from . import rename


def make_target(target: str, account: accounts.Account) -> bool:
    """Make a target and what is missing above it; False if it exists. As root, the target belongs to the account, 0755."""
    above, name = os.path.split(target)
    parent = _above(above)
    try:
        return make_directory(parent, name, account)
    finally:
        os.close(parent)


def make_above(directory: str) -> None:
    """Make what is missing of a directory: 0755 whatever the umask, owned by this process's account."""
    os.close(_above(directory))


def _above(directory: str) -> int:
    if not os.path.isdir(directory):
        above, name = os.path.split(directory)
        parent = _above(above)
        try:
            make_directory(parent, name)
        finally:
            os.close(parent)
    return os.open(directory, paths.FOLLOW_DIRECTORY)


def make_directory(parent: int, name: str, account: Optional[accounts.Account] = None) -> bool:
    """Make a directory, mode 0755, complete or not at all; False if the name is taken. As root, it is given to the account."""
    with contextlib.suppress(FileNotFoundError):
        at.lstat(parent, name)
        return False
    try:
        return _make_by_draft(parent, name, account)
    except FileNotFoundError:
        at.lstat(parent, name)  # another host of a shared volume moved the same draft there; if not, this raises again
        return False


def _make_by_draft(parent: int, name: str, account: Optional[accounts.Account]) -> bool:
    # A fixed name, so that the next run finishes what a killed one began. Another user's is left alone.
    draft = paths.OURS + name
    try:
        at.mkdir(parent, draft, 0o700)
    except FileExistsError:
        info = at.lstat(parent, draft)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid not in (os.geteuid(), account.uid if account else os.geteuid()):
            draft = paths.OURS + secrets.token_hex(8)
            at.mkdir(parent, draft, 0o700)
    try:
        fd = at.open_name(parent, draft, paths.OPEN_DIRECTORY)
        try:
            give(fd, account, 0o755)
        finally:
            os.close(fd)
        rename.move_directory(draft, name, parent)
    except FileExistsError:
        _remove(parent, draft)
        return False
    except FileNotFoundError:
        raise
    except OSError:
        _remove(parent, draft)
        raise
    return True


def _remove(parent: int, draft: str) -> None:
    with contextlib.suppress(OSError):
        at.rmdir(parent, draft)


def give(descriptor: int, account: Optional[accounts.Account], mode: int) -> None:
    """Set the mode of an open file or directory, and as root give it to the account first."""
    info = os.fstat(descriptor)
    if account is not None and os.geteuid() == 0 and (info.st_uid, info.st_gid) != (account.uid, account.gid):
        os.fchown(descriptor, account.uid, account.gid)
    if stat.S_IMODE(info.st_mode) != mode:
        os.fchmod(descriptor, mode)


def open_folder(parent: int, name: str, shown: str) -> int:
    """Open a folder to work in, through no link. FeatureError if this process is root and others can write the folder.

    shown: the folder's path, for messages.
    """
    try:
        fd = at.open_name(parent, name, paths.OPEN_DIRECTORY)
    except NotADirectoryError:
        raise errors.FeatureError(
            f"{paths.display(shown)} is a link or a file where a folder of features belongs: move it away and run again"
        ) from None
    try:
        check_folder(fd, shown)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_paths(opened: Optional[int], top: str, folders: Sequence[str]) -> None:
    """Raise FeatureError if one of these folders below a directory is there and cannot be worked in. Changes nothing."""
    fd = os.open(top, paths.FOLLOW_DIRECTORY) if opened is None else at.folder_opened(opened, "")
    try:
        check_folder(fd, top)
        _check_mounts(top, folders)
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                os.close(walk(fd, top, folder))
    finally:
        os.close(fd)


def _check_mounts(top: str, folders: Sequence[str]) -> None:
    """Raise FeatureError if one of these folders is on another mount, be it of the same file system: no file can be moved there."""
    for point in mounts.mount_points_below(top):
        inside = os.path.relpath(point, os.path.realpath(top))
        if any(paths.is_below(folder, inside) for folder in folders):
            raise errors.FeatureError(
                f"{paths.display(point)} is a mount point inside {paths.display(top)}, and an upload gathers next to that and cannot be"
                " moved across a mount point: unmount it, or make it a target of its own"
            )


def walk(top: int, shown: str, folder: str, make: bool = False) -> int:
    """Open a folder below a directory, each component by C(open_folder); with C(make), make what is missing."""
    current = at.folder_opened(top, "")
    for name in filter(None, folder.split("/")):
        shown = f"{shown}/{name}"
        try:
            if make:
                make_directory(current, name)
            inner = open_folder(current, name, shown)
        finally:
            os.close(current)
        current = inner
    return current


@contextlib.contextmanager
def opened_for(path: str, flags: int = paths.FOLLOW_DIRECTORY) -> Iterator[Optional[int]]:
    """Yield the directory's descriptor, for a worker who may be unable to pass what is above it; None if we are refused ourselves.

    A worker opens it once more: what this account may not list, it does not change.
    """
    try:
        fd: Optional[int] = os.open(path, flags)
    except PermissionError:
        fd = None
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def check_folder(descriptor: int, shown: str) -> None:
    """Raise FeatureError if this process is root and others can write the open folder."""
    if os.geteuid() != 0:
        return
    info = os.fstat(descriptor)
    found = owners.writers(acl.read(descriptor, info.st_mode)[0], info.st_uid, info.st_gid, owners.Groups())
    if not found.none:
        raise errors.FeatureError(
            f"{paths.display(shown)} can be written by {found}, but the directory it is in belongs to root, and root changes nothing"
            " there: give both to one account (chown) and run again"
        )
