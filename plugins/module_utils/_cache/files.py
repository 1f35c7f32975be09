# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files that a run leaves for the next one, in a directory that no other user can have written.

As root, that is below a directory that only root can write; otherwise the cache directory of the current user, which root never reads.
A file or directory of another kind, owner or mode counts as none.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from typing import BinaryIO, Iterator, Optional

from .._system import at, paths

NAME = "trainprep.features"
MOST_BYTES = 1 << 20
MOST_FILES = 16

_NEW = ".new"


def load(name: str) -> Optional[bytes]:
    """Return the content that C(save) left under this name; None if there is none that can be trusted."""
    with contextlib.suppress(OSError, KeyError), _directory(make=False) as directory, _open(directory, name) as file:
        info = os.fstat(file.fileno())
        if stat.S_ISREG(info.st_mode) and _is_ours(info) and info.st_nlink == 1 and info.st_size <= MOST_BYTES:
            return file.read(MOST_BYTES)
    return None


def _open(directory: int, name: str) -> BinaryIO:
    return os.fdopen(at.open_name(directory, name, paths.OPEN_FILE), "rb")


def save(name: str, content: bytes) -> bool:
    """Save the content under a plain name, whole or not at all; return whether that was possible."""
    if len(content) > MOST_BYTES:
        return False
    with contextlib.suppress(OSError, KeyError), _directory(make=True) as directory:
        with contextlib.suppress(FileNotFoundError):
            at.unlink(directory, name + _NEW)
        with os.fdopen(at.create(directory, name + _NEW), "wb") as file:
            file.write(content)
        at.rename(directory, name + _NEW, directory, name)
        _forget_the_oldest(directory)
        return True
    return False


def forget(name: str) -> None:
    with contextlib.suppress(OSError, KeyError), _directory(make=False) as directory:
        at.unlink(directory, name)


def place() -> str:
    if os.geteuid() == 0:
        return f"/var/cache/{NAME}"
    return f"{pwd.getpwuid(os.geteuid()).pw_dir}/.cache/{NAME}"


@contextlib.contextmanager
def _directory(make: bool) -> Iterator[int]:
    """A descriptor of the directory; OSError if other users could write it or it is reached through a link. make: create it."""
    above, name = os.path.split(place())
    fd = os.open(above, paths.OPEN_DIRECTORY)
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                at.mkdir(fd, name, 0o700)
        below = at.open_name(fd, name, paths.OPEN_DIRECTORY)
        if not (_is_ours(os.fstat(fd)) and _is_ours(os.fstat(below))):
            os.close(below)
            raise PermissionError(f"{above}/{name} can be written by others")
    finally:
        os.close(fd)
    try:
        yield below
    finally:
        os.close(below)


def _is_ours(info: os.stat_result) -> bool:
    return info.st_uid == os.geteuid() and not info.st_mode & 0o022


def _forget_the_oldest(directory: int) -> None:
    names = os.listdir(directory)
    if len(names) > MOST_FILES:
        oldest = sorted(names, key=lambda name: at.lstat(directory, name).st_mtime_ns)
        for name in oldest[: len(names) - MOST_FILES]:
            at.unlink(directory, name)
