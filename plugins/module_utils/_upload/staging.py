# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing the manifest, and removing what an upload no longer needs."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator

from .._scan.manifest import Manifest, manifest_path, pack_manifest, read_manifest
from .._scan.staging import FETCH_DIR
from .._system.paths import OPEN_DIRECTORY, display
from ..errors import FeatureError, advice

# How a manifest is called until it is written: always the same, so that the next run finds what a killed one left.
_NEW = ".new"


@contextlib.contextmanager
def told(staging: str) -> Iterator[None]:
    """What the system refuses at or below a staging directory, in one sentence with the whole path."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        path = os.path.join(staging, name) if name else staging
        raise FeatureError(f"{display(path)} cannot be written ({error.strerror}): {advice(error)}") from None


def write_manifest(target: str, manifest: Manifest) -> bool:
    """Writes the manifest so that it is there whole or not at all; False where it already says the same."""
    path = manifest_path(target)
    packed = pack_manifest(manifest)
    if read_manifest(target) == manifest:
        return False
    temporary = path + _NEW
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # what a killed run left: the lock on the staging directory is ours
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(packed.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def remove_manifest(target: str) -> bool:
    """Whether there was one to remove."""
    removed = False
    for path in (manifest_path(target) + _NEW, manifest_path(target)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            removed = True
    return removed


def remove_fetch_work(fd: int) -> None:
    """Removes what a fetch kept for itself in an open staging directory."""
    try:
        work = os.open(FETCH_DIR, OPEN_DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        return
    try:
        for name in os.listdir(work):
            os.unlink(name, dir_fd=work)
    finally:
        os.close(work)
    os.rmdir(FETCH_DIR, dir_fd=fd)
