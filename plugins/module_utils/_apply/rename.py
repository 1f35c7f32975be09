# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System calls that Python does not offer: a rename that overwrites nothing, and syncing one file system.

They are called through ctypes, which a Python that was built without libffi lacks: there is another way for each.
"""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from typing import Callable, Optional

from .._system import at

_NOREPLACE = 1

# The file system or the kernel does not know the call.
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


@lru_cache(maxsize=None)
def _call(name: str) -> Optional[Callable[..., int]]:
    """A function of the C library that returns 0 or the number of an error; None if this Python cannot call it."""
    try:
        import ctypes

        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (ImportError, OSError, AttributeError):
        return None
    return lambda *arguments: 0 if function(*arguments) == 0 else ctypes.get_errno()


def load() -> None:
    """Load what the calls need, before a process becomes a user who may be unable to read this Python's files."""
    _call("renameat2")
    _call("syncfs")


def rename_new(name: str, source: int, new_name: str, target: int) -> bool:
    """Renames between two open directories; FileExistsError if the new name is taken.

    False if this file system cannot do that in one step; then nothing was done.
    """
    call = _call("renameat2")
    if call is None:
        return False
    number = call(source, os.fsencode(at.one(name)), target, os.fsencode(at.one(new_name)), _NOREPLACE)
    if number in _UNSUPPORTED:
        return False
    if number == 0:
        return True
    raise OSError(number, os.strerror(number), new_name)


def move_file(name: str, source: int, target: int) -> None:
    """Move a regular file to the same name in another directory of its file system, never over an existing name."""
    if rename_new(name, source, name, target):
        return
    at.link(source, name, target, name)
    at.unlink(source, name)


def move_directory(name: str, new_name: str, parent: int) -> None:
    """Rename a directory within its parent; FileExistsError if the new name is taken."""
    if rename_new(name, parent, new_name, parent):
        return
    try:
        at.lstat(parent, new_name)
    except FileNotFoundError:
        # Without that call, an empty directory is all that a rename of a directory could replace.
        at.rename(parent, name, parent, new_name)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)


def sync_file_system(fd: int) -> None:
    """Returns when all that was written to the file system of an open directory is on the disk."""
    call = _call("syncfs")
    if call is None:
        os.sync()
        return
    number = call(fd)
    if number:
        raise OSError(number, os.strerror(number))
