# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a plan to the disk: the only code that makes or removes links.

Everything happens from the target's open descriptor, and no call here can overwrite or remove a regular file:
links are made by plain symlink, which refuses a name that exists; what has to go is first renamed to a name of our
own, looked at once more, and only then removed. It may be killed anywhere: the next run plans what is missing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from .. import errors
from .._plan.links import SetPlan
from .._system import paths, refusals
from . import directories, rename

LOCK_SECONDS = 60.0


@dataclass
class LinkCounts:
    """What was done in one target; C(linked) counts the replaced ones too."""

    linked: int = 0
    replaced: int = 0
    removed: int = 0
    kept: int = 0
    created_target: bool = False


def apply_links(
    target: str, plan: SetPlan, uid: int, gid: int, expected: Optional[paths.InodeKey], lock_seconds: float = LOCK_SECONDS
) -> LinkCounts:
    """Carries out one plan.

    uid, gid: owner of a target, or of a folder in it, that has to be created. expected: the directory that was scanned,
    None where the target was absent. Errors: FeatureError that names the path.
    """
    counts = LinkCounts(kept=plan.unchanged)
    if plan.is_empty:
        return counts
    try:
        top, counts.created_target = _open_target(target, uid, gid, expected)
    except OSError as error:
        raise errors.FeatureError(
            f"target {paths.display(target)} cannot be opened or created ({error.strerror}): {refusals.advice(error)}"
        ) from None
    try:
        with locked(top, target, lock_seconds):
            _apply(top, plan, uid, gid, counts)
    except OSError as error:
        raise errors.FeatureError(
            f"target {paths.display(target)} cannot be changed ({error.strerror}) after {counts.linked} links: {refusals.advice(error)}"
        ) from None
    finally:
        os.close(top)
    return counts


def _apply(top: int, plan: SetPlan, uid: int, gid: int, counts: LinkCounts) -> None:
    for name, text in plan.to_remove:
        with contextlib.suppress(FileNotFoundError), _folder(top, name, None) as (fd, base):
            counts.removed += _remove_link(fd, base, text)
    for name, text, old in plan.to_replace:
        with _folder(top, name, (uid, gid)) as (fd, base):
            if _remove_link(fd, base, old):
                os.symlink(text, base, dir_fd=fd)
                counts.replaced += 1
                counts.linked += 1
    flat: List[Tuple[str, str]] = []
    deep: List[Tuple[str, str]] = []
    for name, text in plan.to_create:
        (deep if "/" in name else flat).append((name, text))
    counts.linked += _link_all(top, flat)
    for name, text in deep:
        with _folder(top, name, (uid, gid)) as (fd, base):
            counts.linked += _link_all(fd, [(base, text)])


def _link_all(fd: int, links: List[Tuple[str, str]]) -> int:
    symlink = os.symlink
    made = 0
    for name, text in links:
        try:
            symlink(text, name, dir_fd=fd)
            made += 1
        except FileExistsError:
            pass  # somebody was faster; the look afterwards tells what lies there
    return made


def _remove_link(fd: int, name: str, text: str) -> int:
    """Removes a link that says text; anything else under that name stays. Returns how many were removed."""
    if _link_text(fd, name) != text:
        return 0
    aside = paths.OURS + secrets.token_hex(8)
    try:
        os.rename(name, aside, src_dir_fd=fd, dst_dir_fd=fd)
    except FileNotFoundError:
        return 0
    if _link_text(fd, aside) == text:
        os.unlink(aside, dir_fd=fd)
        return 1
    # Something else took the link's place in between: back it goes, never over what may have come meanwhile.
    if not rename.rename_new(aside, fd, name, fd):
        os.link(aside, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        os.unlink(aside, dir_fd=fd)
    return 0


def _link_text(fd: int, name: str) -> Optional[str]:
    """What a link says; None where the name is gone or no link."""
    try:
        return os.readlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return None
        raise


@contextlib.contextmanager
def _folder(top: int, name: str, create_for: Optional[Tuple[int, int]]) -> Iterator[Tuple[int, str]]:
    """The open folder of a name below the target, and its base name there; never through a link."""
    *folders, base = name.split("/")
    fd = os.dup(top)
    try:
        for folder in folders:
            if create_for is not None:
                directories.make_directory(fd, folder, *create_for)
            inner = os.open(folder, paths.OPEN_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd, base
    finally:
        os.close(fd)


def _open_target(target: str, uid: int, gid: int, expected: Optional[paths.InodeKey]) -> Tuple[int, bool]:
    created = False
    if expected is None:
        parent = os.path.dirname(target)
        directories.make_above(parent)
        fd = directories.open_directory(parent)
        try:
            created = directories.make_directory(fd, os.path.basename(target), uid, gid)
            return os.open(os.path.basename(target), paths.OPEN_DIRECTORY, dir_fd=fd), created
        finally:
            os.close(fd)
    top = directories.open_directory(target)
    info = os.fstat(top)
    if (info.st_dev, info.st_ino) != expected:
        os.close(top)
        raise errors.FeatureError(
            f"target {paths.display(target)} was exchanged for another directory while it was looked at: run again"
        )
    return top, created


@contextlib.contextmanager
def locked(fd: int, path: str, seconds: float) -> Iterator[None]:
    """Holds the lock on an open directory; FeatureError where somebody else keeps it for that long."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= end:
                raise errors.FeatureError(
                    f"{paths.display(path)} is locked by another run: wait until that has ended, then run again"
                ) from None
            time.sleep(0.2)
        except OSError:
            break  # a file system without locks: the calls above are safe without it
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
