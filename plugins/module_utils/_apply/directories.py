# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories opened and made for root to work in: no user's link can lead root somewhere else, even while it looks."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import Dict

from .. import errors
from .._system import paths

_MAX_LINKS = 40
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(path: str) -> int:
    """A descriptor of the directory behind an absolute path.

    As root, follow a user-owned link, or a link in a user-owned directory, only to a directory of that user; raise
    FeatureError otherwise. Links are read through their own descriptors, so the checked link is the followed link.
    """
    if os.geteuid() != 0:
        return os.open(path, paths.FOLLOW_DIRECTORY)
    owners: Dict[int, str] = {}
    current = _walk(path, owners)
    try:
        top = os.open(".", paths.FOLLOW_DIRECTORY, dir_fd=current)
    finally:
        os.close(current)
    end = os.fstat(top).st_uid
    for owner, link in owners.items():
        if owner != end:
            os.close(top)
            raise errors.FeatureError(
                f"{paths.display(link)} is a link of user id {owner} to a directory that belongs to user id {end}: name the real "
                "directory, or let root own the link and the directory it lies in"
            )
    return top


def _walk(path: str, owners: Dict[int, str]) -> int:
    """An O_PATH descriptor of the end of a path, and, by user id, the links on the way that this user can change."""
    current = os.open("/", _PASS | os.O_DIRECTORY)
    above = ""  # the text of the way, for messages
    waiting = path.split("/")[::-1]
    links = 0
    try:
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            child = os.open(name, _PASS, dir_fd=current)
            info = os.fstat(child)
            if not stat.S_ISLNK(info.st_mode):
                current, child = child, current
                os.close(child)
                above = os.path.dirname(above) if name == ".." else f"{above}/{name}"
                continue
            text = _text(child)
            for owner in {info.st_uid, os.fstat(current).st_uid} - {0}:
                owners.setdefault(owner, f"{above}/{name}")
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if text.startswith("/"):
                os.close(current)
                current, above = os.open("/", _PASS | os.O_DIRECTORY), ""
            waiting.extend(text.split("/")[::-1])
    except OSError:
        os.close(current)
        raise
    return current


def _text(link: int) -> str:
    try:
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)


def make_directory(parent: int, name: str, uid: int, gid: int) -> bool:
    """Makes a directory that belongs to uid and gid, mode 0755, whole or not at all. False where the name exists."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
        return False
    except FileNotFoundError:
        pass
    # One fixed name, so that the next run finishes what a killed one began. Somebody else's is left alone.
    draft = paths.OURS + name
    try:
        os.mkdir(draft, 0o700, dir_fd=parent)
    except FileExistsError:
        if not _is_draft(parent, draft, uid):
            draft = paths.OURS + secrets.token_hex(8)
            os.mkdir(draft, 0o700, dir_fd=parent)
    try:
        fd = os.open(draft, paths.OPEN_DIRECTORY, dir_fd=parent)
        try:
            info = os.fstat(fd)
            if info.st_uid not in (os.geteuid(), uid) or os.listdir(fd):
                raise OSError(errno.EBUSY, "somebody exchanged it while it was made")
            if (info.st_uid, info.st_gid) != (uid, gid):
                os.fchown(fd, uid, gid)
            os.fchmod(fd, 0o755)
        finally:
            os.close(fd)
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(draft, dir_fd=parent)
        raise
    return True


def _is_draft(parent: int, name: str, uid: int) -> bool:
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return stat.S_ISDIR(info.st_mode) and info.st_uid in (os.geteuid(), uid)


def make_above(directory: str) -> None:
    """Makes the directories above a target that are not there: 0755 whatever the umask, and as root, the owner's above."""
    if os.path.isdir(directory):
        return
    above, name = os.path.split(directory)
    make_above(above)
    fd = open_directory(above)
    try:
        info = os.fstat(fd)
        owner = (info.st_uid, info.st_gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        make_directory(fd, name, *owner)
    finally:
        os.close(fd)
