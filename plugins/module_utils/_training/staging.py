# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder for a project on its way to a run. As the training user."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from typing import Any, Dict

from .. import errors
from .._system import accounts, paths
from . import command, folder
from .runs import find_run, runs_of, working_directory


def stage_project(account: accounts.Account, directory: str, session: str) -> Dict[str, Any]:
    """An empty folder beside the session's runs, and where the last run has its project."""
    command.check_session(session)
    rsync = shutil.which("rsync", path=(os.environ.get("PATH") or "") + ":/usr/local/bin:/usr/bin:/bin")
    if not rsync:
        raise errors.FeatureError(f"rsync is missing on this host: install the package rsync, {errors.named('project')} is sent by it")
    directory = working_directory(directory, account)
    runs = runs_of(directory, session)
    folder.make_directories(account, [directory, runs], False)
    for name in os.listdir(runs):
        if name.startswith(folder.STAGED):
            _remove_unless_in_use(os.path.join(runs, name))
    path = os.path.join(runs, folder.STAGED + secrets.token_hex(6))
    try:
        os.mkdir(path, 0o755)
    except OSError as error:
        raise errors.FeatureError(f"{paths.display(path)} cannot be made ({error.strerror}): free or repair that place") from None
    run = find_run(directory, session)
    before = os.path.join(run.path, folder.PROJECT) if run else ""
    device, inode = paths.key_of(os.stat(path))
    return {
        "path": path,
        "name": os.path.basename(path),
        "key": f"{device}:{inode}",
        "rsync": rsync,
        "copy_from": before if before and os.path.isdir(before) else "",
        "user": account.name,
    }


def _remove_unless_in_use(path: str) -> None:
    """What a killed deploy left; an rsync that still works in it holds its lock."""
    with contextlib.suppress(OSError):
        handle = os.open(path, paths.OPEN_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(handle)
