# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply a link plan to a target: the only code that makes or removes links.

It runs as the account that owns the target and works from the target's descriptor. No call here can overwrite or remove a regular
file: links are made by plain symlink, which refuses a name that exists; a link to remove is first renamed to a name of ours, read
again, and only then removed. It can be killed at any point: the next run plans what is missing.
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
from .._plan.links import LinkPlan
from .._system import accounts, at, become, owners, paths, words
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
    target: str,
    plan: LinkPlan,
    account: accounts.Account,
    expected: Optional[paths.InodeKey],
    maker: Optional[accounts.Account] = None,
    lock_seconds: float = LOCK_SECONDS,
) -> LinkCounts:
    """Apply one plan.

    account: the training user, who gets a target that has to be made. expected: (st_dev, st_ino) of the scanned directory, None if
    the target was absent. maker: who owns the place. Raises FeatureError that names the path.
    """
    counts = LinkCounts(kept=plan.unchanged)
    if plan.is_empty:
        return counts
    rename.load()
    try:
        worker = maker or owners.owner_of(target, account)
        if expected is None:
            counts.created_target = become.run_as(worker, directories.make_target, target, account)
            worker = worker if worker.uid else owners.owner_of(target, account)
        with directories.opened_for(target, paths.OPEN_DIRECTORY if expected is None else paths.FOLLOW_DIRECTORY) as top:
            done: LinkCounts = become.run_as(worker, _link_in, top, target, plan, expected, counts, lock_seconds)
            return done
    except OSError as error:
        raise errors.FeatureError(
            f"target {paths.display(target)} cannot be opened or created ({error.strerror}): {words.advice(error)}"
        ) from None


def _link_in(
    opened: Optional[int], target: str, plan: LinkPlan, expected: Optional[paths.InodeKey], counts: LinkCounts, lock_seconds: float
) -> LinkCounts:
    top = os.open(target, paths.FOLLOW_DIRECTORY) if opened is None else at.folder_opened(opened, "")
    try:
        if expected is not None and paths.key_of(os.fstat(top)) != expected:
            raise errors.FeatureError(
                f"target {paths.display(target)} was replaced by another directory during the inspection: run again"
            )
        directories.check_folder(top, target)
        with locked(top, target, lock_seconds):
            _apply(top, target, plan, counts)
    except OSError as error:
        raise errors.FeatureError(
            f"target {paths.display(target)} cannot be changed ({error.strerror}) after {counts.linked} links: {words.advice(error)}"
        ) from None
    finally:
        os.close(top)
    return counts


def _apply(top: int, target: str, plan: LinkPlan, counts: LinkCounts) -> None:
    for name, text in plan.to_remove:
        with contextlib.suppress(FileNotFoundError), _folder(top, target, name) as (fd, base):
            counts.removed += _remove_link(fd, base, text)
    for name, text, old in plan.to_replace:
        with _folder(top, target, name, make=True) as (fd, base):
            if _remove_link(fd, base, old):
                at.symlink(text, fd, base)
                counts.replaced += 1
                counts.linked += 1
    flat: List[Tuple[str, str]] = []
    deep: List[Tuple[str, str]] = []
    for name, text in plan.to_create:
        (deep if "/" in name else flat).append((name, text))
    counts.linked += _link_all(top, flat)
    for name, text in deep:
        with _folder(top, target, name, make=True) as (fd, base):
            counts.linked += _link_all(fd, [(base, text)])


def _link_all(fd: int, links: List[Tuple[str, str]]) -> int:
    made = 0
    for name, text in links:
        try:
            at.symlink(text, fd, name)
            made += 1
        except FileExistsError:
            pass  # another process was faster; the next inspection reports what is there
    return made


def _remove_link(fd: int, name: str, text: str) -> int:
    """Remove a link with this text; anything else under that name stays. Return how many were removed."""
    if _link_text(fd, name) != text:
        return 0
    aside = paths.OURS + secrets.token_hex(8)
    try:
        at.rename(fd, name, fd, aside)
    except FileNotFoundError:
        return 0
    if _link_text(fd, aside) == text:
        at.unlink(fd, aside)
        return 1
    # Something else took the link's place in between: put it back, never over what may have come meanwhile.
    if not rename.rename_new(aside, fd, name, fd):
        at.link(fd, aside, fd, name)
        at.unlink(fd, aside)
    return 0


def _link_text(fd: int, name: str) -> Optional[str]:
    """Return the text of a link; None if the name is gone or no link."""
    try:
        return at.readlink(fd, name)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return None
        raise


@contextlib.contextmanager
def _folder(top: int, target: str, name: str, make: bool = False) -> Iterator[Tuple[int, str]]:
    """Yield the open folder of a name below the target, and its base name; through no link."""
    folder, _slash, base = name.rpartition("/")
    fd = directories.walk(top, target, folder, make)
    try:
        yield fd, base
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(fd: int, path: str, seconds: float) -> Iterator[None]:
    """Hold the lock on an open directory; FeatureError if another process keeps it for that long."""
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
