# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of runs: made whole, and locked during a start. As the training user."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from typing import Dict, Sequence, Tuple

from .. import errors
from .._system import accounts
from .._system.paths import display

PROJECT = "project"  # in a run's folder


def make_directories(account: accounts.Account, paths: Sequence[str], check: bool) -> None:
    for path in paths:
        if check or os.path.isdir(path):
            continue
        try:
            os.makedirs(path, 0o755, exist_ok=True)
        except OSError as error:
            raise errors.FeatureError(
                f"{display(path)} cannot be made by user {account.name} ({error.strerror}):"
                f" create it for that user, or set {errors.named('dir')}"
            ) from None
    for path in paths:
        if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK):
            raise errors.FeatureError(
                f"{display(path)} is not writable for user {account.name}: give it to that user, or set {errors.named('dir')}"
            )


def lock_runs(runs: str) -> int:
    handle = os.open(os.path.join(runs, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise errors.FeatureError(f"another deploy is at work in {display(runs)}: wait for it to end") from None
    return handle


def write_file(path: str, content: str, mode: int) -> None:
    """Write a file whole, then put it in place. One that is the same already is left as it is."""
    data = content.encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError), open(path, "rb") as old:
        if old.read() == data and (os.fstat(old.fileno()).st_mode & 0o777) == mode:
            return
    # Always the same name, so that what a killed deploy left is replaced.
    new = f"{path}.new"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, mode)
            stream.write(data)
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise errors.FeatureError(f"{display(path)} cannot be written ({error.strerror}): free or repair that place") from None


def begin_run(runs: str, files: Dict[str, Tuple[str, int]]) -> str:
    """Make the folder of a new run with these files (content and mode); what a killed deploy leaves is not a run."""
    new = os.path.join(runs, ".new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new, 0o755)
    except OSError as error:
        raise _no_run(runs, error) from None
    for name, (content, mode) in files.items():
        write_file(os.path.join(new, name), content, mode)
    return new


def finish_run(new: str) -> str:
    """Give a new run's folder its name, now that it is whole."""
    runs = os.path.dirname(new)
    base = os.path.join(runs, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    for number in range(1, 100):
        path = base if number == 1 else f"{base}-{number}"
        try:
            os.rename(new, path)
            return path
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise _no_run(runs, error) from None
    raise errors.FeatureError(f"{display(runs)} has a hundred runs of this second: wait a moment and deploy again")


def _no_run(runs: str, error: OSError) -> errors.FeatureError:
    return errors.FeatureError(f"{display(runs)} takes no new run ({error.strerror}): free or repair that place")
