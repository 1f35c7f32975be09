# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System calls below an open directory: one name at a time, never through a link.

The kernel follows links in all components of a path but the last, also with O_NOFOLLOW. So every call with C(dir_fd) is here, and
refuses a path; C(opened) and C(parent) walk one.
"""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, Tuple

from . import paths

PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
PASS_DIRECTORY = PASS | os.O_DIRECTORY
_SEARCH = PASS_DIRECTORY & ~os.O_NOFOLLOW


def one(name: str) -> str:
    """Return the name; ValueError if it is a path."""
    if "/" in name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is not a single name")
    return name


def open_name(directory: int, name: str, flags: int, mode: int = 0o600) -> int:
    return os.open(one(name), flags, mode, dir_fd=directory)


def step(directory: int, name: str) -> int:
    """Open one component of a path, C(..) too, with O_PATH; the link itself if it is one."""
    return os.open(name if name == ".." else one(name), PASS, dir_fd=directory)


def create(directory: int, name: str, mode: int = 0o600) -> int:
    """Create a file for writing; FileExistsError if the name is taken."""
    return os.open(one(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory)


def lstat(directory: int, name: str) -> os.stat_result:
    return os.lstat(one(name), dir_fd=directory)


def stat(directory: int, name: str) -> os.stat_result:
    return os.stat(one(name), dir_fd=directory)


def readlink(directory: int, name: str) -> str:
    return os.readlink(one(name), dir_fd=directory)


def readlink_opened(link: int) -> str:
    return os.readlink("", dir_fd=link)


def mkdir(directory: int, name: str, mode: int) -> None:
    os.mkdir(one(name), mode, dir_fd=directory)


def symlink(text: str, directory: int, name: str) -> None:
    """Make a symbolic link; FileExistsError if the name is taken."""
    os.symlink(text, one(name), dir_fd=directory)


def unlink(directory: int, name: str) -> None:
    os.unlink(one(name), dir_fd=directory)


def rmdir(directory: int, name: str) -> None:
    os.rmdir(one(name), dir_fd=directory)


def rename(directory: int, name: str, target: int, new_name: str) -> None:
    """Rename, over what has the new name."""
    os.rename(one(name), one(new_name), src_dir_fd=directory, dst_dir_fd=target)


def link(directory: int, name: str, target: int, new_name: str) -> None:
    """Make a hard link; FileExistsError if the new name is taken."""
    os.link(one(name), one(new_name), src_dir_fd=directory, dst_dir_fd=target, follow_symlinks=False)


@contextlib.contextmanager
def parent(directory: int, path: str) -> Iterator[Tuple[int, str]]:
    """Yield the open folder of a path below a directory, and the last name; no folder on the way is a link."""
    *folders, base = path.split("/")
    current = os.dup(directory)
    try:
        for folder in folders:
            inner = open_name(current, folder, paths.OPEN_DIRECTORY)
            os.close(current)
            current = inner
        yield current, one(base)
    finally:
        os.close(current)


def opened(directory: int, path: str, flags: int) -> int:
    """Open a path below a directory; no folder on the way is a link."""
    if "/" not in path:
        return open_name(directory, path, flags)
    with parent(directory, path) as (folder, base):
        return open_name(folder, base, flags)


def folder_opened(directory: int, path: str) -> int:
    """Open a folder below a directory; the directory itself for the empty path."""
    return opened(directory, path, paths.OPEN_DIRECTORY) if path else os.open(".", paths.OPEN_DIRECTORY, dir_fd=directory)


def opened_through_links(directory: int, path: str, flags: int) -> int:
    """Open a path below a directory, through links, as the trainer will; to read only."""
    *folders, base = [name for name in path.split("/") if name not in ("", ".")] or ["."]
    current = os.dup(directory)
    try:
        for folder in folders:
            inner = os.open(folder if folder == ".." else one(folder), _SEARCH, dir_fd=current)
            os.close(current)
            current = inner
        return os.open(base if base in (".", "..") else one(base), flags, dir_fd=current)
    finally:
        os.close(current)
