# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The write side of a staging directory: made ready for an upload, with the manifest of what that brings."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Set, Tuple

from .. import errors
from .._apply import directories
from .._scan.manifest import Manifest, manifest_path, pack_manifest, read_manifest, read_names
from .._scan.staging import FETCH_DIR, list_staged, verify_file
from .._spec.sets import FeatureSet
from .._system import at, become, paths, words
from . import requirements
from .plan import Held, Missing, StagedContent, UploadPlan, find_missing, plan_upload
from .requirements import Site

# How long another upload or publication of the same set is waited for, in seconds.
LOCK_SECONDS = 60.0

# How a file of ours is called until it is written: always the same, so that the next run finds what a killed one left.
_NEW = ".new"


@dataclass(frozen=True)
class StagingRequest:
    """What is asked of a host for one set. C(held): what it holds of the source; C(manifest): all features of the source.

    C(claimed), C(rooms): by token, where the sets before this one put what is sent to them, and the room that this takes.
    """

    feature_set: FeatureSet
    held: Held
    site: Site
    manifest: Manifest
    claimed: Mapping[str, str]
    rooms: Tuple[requirements.Room, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What a host answers. C(plan): None if another upload or publication holds the staging directory.

    C(begun): what began the transfer returned, None if this was only planned.
    """

    staging: str
    plan: Optional[UploadPlan] = None
    room: Optional[requirements.Room] = None
    begun: Any = None
    changed: bool = False


# Called with the locked staging directory and the plan if there is something to send. Runs as the worker.
Begin = Callable[[int, UploadPlan], Any]


@contextlib.contextmanager
def refusals_named(staging: str) -> Iterator[None]:
    """What the system refuses at or below a staging directory, in one message with the whole path."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        path = os.path.join(staging, name) if name else staging
        raise errors.FeatureError(f"{paths.display(path)} cannot be written ({error.strerror}): {words.advice(error)}") from None


def prepare_upload(request: StagingRequest, stage: bool, begin: Optional[Begin] = None) -> Prepared:
    """Plan the upload and, with C(stage), make its staging directory ready and begin the transfer. Runs as the site's keeper.

    FeatureError with what stands in the way.
    """
    requirements.check_mount(request.feature_set)
    site = request.site
    held = request.held._replace(elsewhere={**request.held.elsewhere, **request.claimed})
    missing = find_missing(request.feature_set, held, request.manifest)
    folders = sorted({os.path.dirname(name) for name in missing.features} - {""})
    with _held(open_existing(site)) as (fd, free):
        if not free:
            return Prepared(site.staging)
        if folders and os.path.isdir(site.target):
            with directories.opened_for(site.target) as top:
                become.run_as(site.worker, directories.check_paths, top, site.target, folders)
        ours = set(missing.features) | read_names(site.target)
        plan = plan_upload(missing, become.run_as(site.worker, _inspect_staged, request, fd, missing, ours))
        room = requirements.measure_room(site.staging, [plan.wanted[name].size for name in plan.send])
        requirements.check_room([*request.rooms, room])
        if not stage or not plan.wanted:
            return Prepared(site.staging, plan, room)
        return _stage(site, fd, plan, room, begin)


def _inspect_staged(request: StagingRequest, fd: Optional[int], missing: Missing, ours: Set[str]) -> StagedContent:
    """List what is staged. Runs as the worker."""
    if fd is None:
        return StagedContent(request.site.staging)
    listing = list_staged(fd)
    check_folders(fd, request.site, listing.folders)
    wanted = missing.features
    whole = {
        path
        for path in listing.files
        if path in wanted and verify_file(request.feature_set, fd, path, wanted[path]) is None
    }
    return StagedContent(request.site.staging, listing, whole, ours)


def check_folders(fd: int, site: Site, folders: Sequence[str]) -> None:
    """Raise FeatureError if a folder of a staging directory is not this process's account's, who alone fills it."""
    for folder in ("", *folders):
        inner = at.folder_opened(fd, folder)
        try:
            shown = os.path.join(site.staging, folder).rstrip("/")
            directories.check_folder(inner, shown)
            owner = os.fstat(inner).st_uid
            if owner != os.geteuid():
                raise errors.FeatureError(_of_another_user(shown, owner, site))
        finally:
            os.close(inner)


def _of_another_user(shown: str, owner: int, site: Site) -> str:
    return (
        f"{paths.display(shown)} belongs to user id {owner}, who could change an upload while it gathers, not to {site.worker.name}:"
        f" remove {paths.display(site.staging)} and run again"
    )


def _stage(site: Site, fd: Optional[int], plan: UploadPlan, room: requirements.Room, begin: Optional[Begin]) -> Prepared:
    with contextlib.ExitStack() as stack:
        changed = fd is None
        if fd is None:
            fd = make_staging(site)
            stack.callback(os.close, fd)
            stack.push(lambda kind, _error, _trace: _remove_empty(site) if kind else None)
        folders = sorted({os.path.dirname(name) for name in plan.wanted} - {""})
        become.run_as(site.worker, _make_ready, fd, site.staging, plan.remove, folders)
        changed = write_manifest(site.target, plan.wanted) or changed or bool(plan.remove)
        begun = become.run_as(site.worker, begin, fd, plan) if begin and plan.send else None
        return Prepared(site.staging, plan, room, begun, changed)


def _make_ready(fd: int, staging: str, remove: Sequence[str], folders: Sequence[str]) -> None:
    """Remove what the upload does not bring and make its folders. Runs as the worker."""
    close_staging(fd)
    remove_fetch_work(fd)
    remove_files(fd, remove)
    for folder in folders:
        os.close(directories.walk(fd, staging, folder, make=True))


def remove_files(fd: int, files: Sequence[str]) -> None:
    """Remove files below an open directory, given by their paths; those that are gone are skipped."""
    for path in files:
        with contextlib.suppress(FileNotFoundError), at.parent(fd, path) as (folder, base):
            at.unlink(folder, base)


def _remove_empty(site: Site) -> None:
    """Remove what was made for nothing: it could not be made ready, or nothing arrived."""
    with contextlib.suppress(OSError):
        os.rmdir(site.staging)
        remove_manifest(site.target)


def open_existing(site: Site) -> Optional[int]:
    """Return a descriptor of the staging directory, None if there is none. Runs as the keeper.

    FeatureError if it is another account's than the worker's.
    """
    staging = site.staging
    try:
        fd = os.open(staging, paths.OPEN_DIRECTORY)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        if os.path.islink(staging):
            raise errors.FeatureError(f"{paths.display(staging)} is a link, which an upload never follows: remove it") from None
        raise errors.FeatureError(
            f"{paths.display(staging)} is not a directory, where the upload has to gather: move it away and run again"
        ) from None
    except OSError as error:
        raise errors.FeatureError(f"{paths.display(staging)} cannot be opened ({error.strerror}): make it accessible") from None
    try:
        owner = os.fstat(fd).st_uid
        if owner != site.worker.uid and owner == os.geteuid() == 0 and not os.listdir(fd):
            os.fchown(fd, site.worker.uid, site.worker.gid)  # a run was killed after it had made it
        elif owner != site.worker.uid:
            raise errors.FeatureError(_of_another_user(staging, owner, site))
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def _held(fd: Optional[int]) -> Iterator[Tuple[Optional[int], bool]]:
    """The descriptor, and whether the lock is ours, until it is closed; without a descriptor there is nothing to hold."""
    try:
        yield fd, fd is None or try_lock(fd)
    finally:
        if fd is not None:
            os.close(fd)


def try_lock(fd: int) -> bool:
    """Takes the one-writer lock on an open staging directory; False if another process holds it, or shares it.

    A file system without locks grants it: the lock is a help, publication verifies what it publishes.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return not _someone_works_in(paths.key_of(os.fstat(fd)))


def _someone_works_in(key: paths.InodeKey) -> bool:
    """True if another process of this host has the directory as its working directory, as a receiving rsync has.

    This finds an orphaned transfer also if the file system grants a lock to everyone.
    """
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    except OSError:
        return False
    for process in processes:
        try:
            if paths.key_of(os.stat(f"/proc/{process}/cwd")) != key:
                continue
            with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as comm:
                if comm.read().strip() in ("rsync", "rclone"):
                    return True
        except OSError:
            continue
    return False


def make_staging(site: Site) -> int:
    """Make the staging directory, and what is missing above it. Return it locked. Runs as the keeper."""
    directories.make_above(os.path.dirname(site.staging))
    # No other user looks into an upload that gathers; publishing gives the files their mode.
    os.mkdir(site.staging, 0o700)
    fd = open_existing(site)
    if fd is None or not try_lock(fd):
        raise errors.FeatureError(f"{paths.display(site.staging)} is used by another upload: wait for it, then run again")
    return fd


def close_staging(fd: int) -> None:
    """Close the staging directory to all others while an upload gathers: a killed publication may have opened it."""
    if os.fstat(fd).st_mode & 0o777 != 0o700:
        os.fchmod(fd, 0o700)


def write_manifest(target: str, manifest: Manifest) -> bool:
    """Write the manifest next to the staging directory; False if it already says the same."""
    if read_manifest(target) == manifest:
        return False
    write_beside(manifest_path(target), pack_manifest(manifest))
    return True


def write_beside(path: str, text: str) -> None:
    """Writes a file of ours so that it is there whole or not at all. The lock on the staging directory is ours."""
    temporary = path + _NEW
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # what a killed run left
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def remove_manifest(target: str) -> bool:
    """Remove what is next to a staging directory, the manifest last; True if there was something to remove."""
    removed = False
    manifest = manifest_path(target)
    for path in (manifest + _NEW, manifest):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            removed = True
    return removed


def remove_fetch_work(fd: int) -> None:
    """Remove what a fetch kept for itself in an open staging directory."""
    try:
        work = at.open_name(fd, FETCH_DIR, paths.OPEN_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        for name in os.listdir(work):
            at.unlink(work, name)
    finally:
        os.close(work)
    at.rmdir(fd, FETCH_DIR)
