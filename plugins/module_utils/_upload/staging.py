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
from typing import Iterator, Mapping, Optional, Sequence, Tuple

from .. import errors
from .._apply.directories import make_above, open_directory
from .._scan import places, staging_paths
from .._scan.directories import ScanOptions, scan_directory
from .._scan.manifest import Manifest, pack_manifest, read_manifest, read_names
from .._scan.staging import FETCH_DIR, list_staged, open_staging, verify_file
from .._spec import names
from .._spec.sets import FeatureSet
from .._system import accounts, paths, refusals
from . import present_elsewhere, requirements
from .plan import Missing, StagedContent, TargetContent, UploadPlan, find_missing, plan_upload
from .receiver import Address, Terms, start_receiver

# How long another upload or publication of the same set is waited for, in seconds.
LOCK_SECONDS = 60.0

# How a file of ours is called until it is written: always the same, so that the next run finds what a killed one left.
_NEW = ".new"


@dataclass(frozen=True)
class Request:
    """What is asked of a host for one set. C(sets): all of the host, resolved; C(manifest): all features of the source.

    C(claimed), C(rooms): by token, where the sets before this one put what is sent to them, and the room that this takes.
    """

    feature_set: FeatureSet
    sets: Sequence[FeatureSet]
    account: accounts.Account
    manifest: Manifest
    claimed: Mapping[str, str]
    rooms: Tuple[requirements.Room, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What a host answers. C(plan): None where another upload or publication holds the staging directory.

    C(receiver): where the files are to be sent, None if there is nothing to send or this was only planned.
    """

    staging: str
    plan: Optional[UploadPlan] = None
    room: Optional[requirements.Room] = None
    receiver: Optional[Address] = None
    changed: bool = False


@contextlib.contextmanager
def told(staging: str) -> Iterator[None]:
    """What the system refuses at or below a staging directory, in one sentence with the whole path."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        path = os.path.join(staging, name) if name else staging
        raise errors.FeatureError(f"{paths.display(path)} cannot be written ({error.strerror}): {refusals.advice(error)}") from None


def prepare_upload(request: Request, stage: bool, terms: Optional[Terms] = None) -> Prepared:
    """Plan the upload and, with C(stage), make its staging directory ready and start its receiver. FeatureError if that cannot work."""
    requirements.check_mount(request.feature_set)
    target = request.feature_set.target
    staging = staging_paths.staging_path(target)
    missing = _missing(request, staging)
    with _held(open_existing(staging, request.account)) as (fd, free):
        if not free:
            return Prepared(staging)
        plan = plan_upload(missing, _inspect_staged(request, staging, fd, missing))
        room = requirements.measure_room(staging, [plan.wanted[name].size for name in plan.send])
        requirements.check_room([*request.rooms, room])
        if not stage or not plan.wanted:
            return Prepared(staging, plan, room)
        return _stage(request, staging, fd, plan, room, terms)


def _missing(request: Request, staging: str) -> Missing:
    one = request.feature_set
    elsewhere = {**present_elsewhere.find_elsewhere(one, request.sets, request.manifest), **request.claimed}
    return find_missing(one, scan_target(one, staging, request.manifest), request.manifest, elsewhere)


def scan_target(feature_set: FeatureSet, staging: str, wanted: Manifest) -> TargetContent:
    """What the target holds, with its features by token. FeatureError if that cannot be read."""
    target = feature_set.target
    scan = scan_directory(
        places.look_up(target),
        names.name_filter(feature_set.reads + feature_set.patterns),
        feature_set.criteria,
        {},
        ScanOptions(recursive=feature_set.layout == "tree", as_glob=True, keep_names=True, avoid=_avoid(staging)),
    )
    if scan.state == "unreadable":
        raise errors.FeatureError(f"{scan.reason}: nothing can be uploaded there; make {paths.display(target)} a readable directory")
    return TargetContent(target, {entry.path: entry for entry in scan.entries}, present_elsewhere.tokens_in(target, scan, wanted))


def _avoid(staging: str) -> Tuple[paths.InodeKey, ...]:
    try:
        return (paths.key_of(os.lstat(staging)),)
    except OSError:
        return ()


def _inspect_staged(request: Request, staging: str, fd: Optional[int], missing: Missing) -> StagedContent:
    if fd is None:
        return StagedContent(staging)
    listing = list_staged(fd)
    wanted = missing.features
    whole = {
        path
        for path in listing.files
        if path in wanted and verify_file(request.feature_set, fd, path, wanted[path]) is None
    }
    ours = set(wanted) | read_names(request.feature_set.target)
    return StagedContent(staging, listing, whole, ours)


def _stage(
    request: Request, staging: str, fd: Optional[int], plan: UploadPlan, room: requirements.Room, terms: Optional[Terms]
) -> Prepared:
    target = request.feature_set.target
    with contextlib.ExitStack() as stack:
        changed = fd is None
        if fd is None:
            fd = make_staging(staging, request.account)
            stack.callback(os.close, fd)
            stack.push(lambda kind, _error, _trace: _remove_empty(staging) if kind else None)
        own_staging(fd)
        remove_fetch_work(fd)
        for path in plan.remove:
            os.unlink(path, dir_fd=fd)
            changed = True
        for folder in sorted({os.path.dirname(name) for name in plan.wanted} - {""}):
            make_folders(fd, folder)
        changed = write_manifest(target, plan.wanted) or changed
        return Prepared(staging, plan, room, start_receiver(fd, terms) if terms and terms.streams and plan.send else None, changed)


def _remove_empty(staging: str) -> None:
    """What was made and could not be made ready does not stay."""
    with contextlib.suppress(OSError):
        os.rmdir(staging)


def open_existing(staging: str, account: accounts.Account) -> Optional[int]:
    """A descriptor of the staging directory, None where there is none; FeatureError where it cannot be trusted."""
    try:
        fd = open_staging(staging, account.uid)
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
    return int(fd)


@contextlib.contextmanager
def _held(fd: Optional[int]) -> Iterator[Tuple[Optional[int], bool]]:
    """The descriptor, and whether the lock is ours, until it is closed; without a descriptor there is nothing to hold."""
    try:
        yield fd, fd is None or try_lock(fd)
    finally:
        if fd is not None:
            os.close(fd)


def try_lock(fd: int) -> bool:
    """Takes the one-writer lock on an open staging directory; False where another process holds it, or shares it.

    A file system without locks grants it: the lock is a help, publication verifies what it publishes.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return not _someone_works_in(paths.key_of(os.fstat(fd)))


def _someone_works_in(key: paths.InodeKey) -> bool:
    """Whether another process of this host has the directory as its working directory, as a receiving rsync has.

    This finds an orphaned transfer also where the file system grants a lock to everyone.
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


def make_staging(staging: str, account: accounts.Account) -> int:
    """Makes a staging directory, and what is missing above it; never where a user's link leads root. Returns it locked."""
    above, name = os.path.split(staging)
    make_above(above)
    parent = open_directory(above)
    try:
        # Nobody else looks into an upload that gathers; publishing gives the files their mode.
        os.mkdir(name, 0o700, dir_fd=parent)
    finally:
        os.close(parent)
    fd = open_staging(staging, account.uid)
    if not try_lock(fd):
        os.close(fd)
        raise errors.FeatureError(f"{paths.display(staging)} is used by another upload: wait for it, then run again")
    return fd


def own_staging(fd: int) -> None:
    """Nobody else's while an upload gathers: a publication that was killed may have given it to the training user already."""
    info = os.fstat(fd)
    if info.st_mode & 0o777 != 0o700:
        os.fchmod(fd, 0o700)
    if info.st_uid != os.geteuid():
        os.fchown(fd, os.geteuid(), os.getegid())


def make_folders(directory: int, path: str) -> None:
    """Makes the folders of a path below an open directory, 0755, through no link."""
    current = os.dup(directory)
    try:
        for name in path.split("/"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            inner = os.open(name, paths.OPEN_DIRECTORY, dir_fd=current)
            os.close(current)
            current = inner
    finally:
        os.close(current)


def write_manifest(target: str, manifest: Manifest) -> bool:
    """Writes the manifest beside the staging directory; False where it already says the same."""
    if read_manifest(target) == manifest:
        return False
    write_beside(staging_paths.manifest_path(target), pack_manifest(manifest))
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
    """Removes what lies beside a staging directory, the manifest last; whether there was something to remove."""
    removed = False
    manifest = staging_paths.manifest_path(target)
    for path in (manifest + _NEW, manifest):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            removed = True
    return removed


def remove_fetch_work(fd: int) -> None:
    """Removes what a fetch kept for itself in an open staging directory."""
    try:
        work = os.open(FETCH_DIR, paths.OPEN_DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        return
    try:
        for name in os.listdir(work):
            os.unlink(name, dir_fd=work)
    finally:
        os.close(work)
    os.rmdir(FETCH_DIR, dir_fd=fd)
