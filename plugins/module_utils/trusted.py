# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory opened for root to work in, so that no user's link can lead root somewhere else, even while it looks."""

from __future__ import annotations

import errno
import os
import stat
from typing import Dict

from .errors import FeatureError
from .paths import display

_MAX_LINKS = 40
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_directory(path: str) -> int:
    """A descriptor of the directory behind an absolute path.

    As root, a link that a user owns, or one in a directory that a user owns, is followed only to a directory of that
    user; FeatureError otherwise. What is judged is what was opened: the links are read through their own descriptors.
    """
    if os.geteuid() != 0:
        return os.open(path, _DIRECTORY)
    owners: Dict[int, str] = {}
    current = _walk(path, owners)
    try:
        top = os.open(".", _DIRECTORY, dir_fd=current)
    finally:
        os.close(current)
    end = os.fstat(top).st_uid
    for owner, link in owners.items():
        if owner != end:
            os.close(top)
            raise FeatureError(
                f"{display(link)} is a link of user id {owner} to a directory that belongs to user id {end}: name the real "
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
