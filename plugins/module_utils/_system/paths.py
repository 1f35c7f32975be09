# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths and file descriptors: safe display, home directories, open flags, inode keys."""

from __future__ import annotations

import os
import pwd
import re
from typing import Tuple

from .. import errors

# How the names begin under which we work; what a killed run left under them is removed by the next one.
OURS = ".trainprep-"

InodeKey = Tuple[int, int]  # (st_dev, st_ino)


def display(path: str) -> str:
    """A path as it can stand in a fact: no surrogates, no control characters."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def expand_home(path: str, home: str) -> str:
    """C(~) is the training user's home, C(~name) that of another account of this host."""
    if path.startswith("~"):
        head, slash, rest = path.partition("/")
        if head == "~":
            base = home
        else:
            try:
                base = pwd.getpwnam(head[1:]).pw_dir
            except KeyError:
                raise errors.FeatureError(
                    f"{display(path)}: this host has no account '{head[1:]}': name an existing account or write the whole path"
                ) from None
        path = base + slash + rest
    return re.sub("/+", "/", path).rstrip("/") or "/"


def is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


FOLLOW_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
OPEN_FILE = FOLLOW_FILE | os.O_NOFOLLOW
FOLLOW_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
OPEN_DIRECTORY = FOLLOW_DIRECTORY | os.O_NOFOLLOW


def key_of(info: os.stat_result) -> InodeKey:
    return (info.st_dev, info.st_ino)
