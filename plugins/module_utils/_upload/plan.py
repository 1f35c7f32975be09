# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of an upload before anything is sent: what is missing, is there room, where it will gather."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .._apply.directories import make_above, open_directory
from .._scan.directories import ScanOptions, scan_directory
from .._scan.manifest import Manifest, read_names, staging_path
from .._scan.model import DANGLING
from .._scan.places import look_up
from .._scan.staging import is_temporary, list_staged, open_staging, what_is_wrong
from .._spec.sets import FeatureSet, name_filter
from .._system.accounts import Account
from .._system.paths import OPEN_DIRECTORY, InodeKey, display, key_of
from ..errors import FeatureError
from .present_elsewhere import held_elsewhere, tokens_in
from .staging import remove_fetch_work, write_manifest

# What the receiving side needs beside Python: (command, Debian's and Red Hat's package).
TOOLS = (("rsync", "rsync"), ("flock", "util-linux"))

# How long another upload or publication of the same set is waited for, in seconds.
LOCK_SECONDS = 60.0


@dataclass
class Reserved:
    """Room on one file system that is spoken for."""

    bytes: int = 0
    inodes: int = 0


@dataclass
class Receiving:
    """What an upload has to send, and where to.

    C(send): names of the manifest that are neither in the target nor whole in the staging directory.
    C(send_bytes): its size, where no
    manifest tells. C(staged), C(staged_bytes): what an earlier upload has already brought. C(elsewhere): features of the
    source that another set's target holds, which are not sent. C(key): (st_dev, st_ino) of the staging directory, None in
    check mode where it is not there yet. C(busy): another upload or publication holds the staging directory; nothing was
    changed.
    """

    staging: str
    send: List[str] = field(default_factory=list)
    staged: int = 0
    staged_bytes: int = 0
    present: int = 0
    elsewhere: int = 0
    send_bytes: int = 0
    key: Optional[InodeKey] = None
    busy: bool = False
    changed: bool = False
    warnings: List[str] = field(default_factory=list)


def prepare_receiving(
    feature_set: FeatureSet,
    target: str,
    account: Account,
    manifest: Manifest,
    check: bool,
    reserved: Dict[int, Reserved],
    sets: Sequence[FeatureSet] = (),
    claimed: Optional[Dict[str, str]] = None,
) -> Receiving:
    """Finds out what must be sent, checks that it fits, and (unless C(check)) makes the staging directory ready.

    manifest: all features of the source. reserved: by device, what the sets before this one will take, extended
    by what this one will. sets: all sets of the host. claimed: by token, where the sets before this one will put what is sent
    to them, extended by what this one is sent. Raises FeatureError with what stands in the way.
    """
    for command, package in TOOLS:
        if shutil.which(command, path=search_path()) is None:
            raise FeatureError(f"{command} is missing on the host: install the package {package} there")
    check_mount(feature_set)
    result = Receiving(staging_path(target))
    claimed = {} if claimed is None else claimed
    asked = {one.token for one in manifest.values()}
    elsewhere = {**held_elsewhere(feature_set, sets, account, asked), **claimed}
    wanted = lacking(feature_set, target, manifest, result, elsewhere)
    claimed.update((one.token, display(os.path.join(target, name))) for name, one in wanted.items())
    result.send = sorted(wanted)
    fd = open_existing(result.staging, account)
    try:
        if fd is not None:
            if not try_lock(fd):
                result.busy = True
                return result
            _sort_out(feature_set, target, fd, wanted, result, check)
        check_room(result.staging, [wanted[name].size for name in result.send], reserved)
        if not check and wanted:
            fd = _make_ready(target, account, fd, wanted, result)
        if fd is not None:
            result.key = key_of(os.fstat(fd))
    finally:
        if fd is not None:
            os.close(fd)
    return result


def search_path() -> str:
    """Where commands are looked for: sudo and SSH may leave out the directories of the system."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/bin", "/usr/bin", "/bin"])


def is_remote(source: str) -> bool:
    """Whether a set's source is an rclone remote (C(name:path)) and not a directory of the controller."""
    head, colon, _path = source.partition(":")
    return bool(colon) and bool(head) and "/" not in head and not head.startswith(("~", "."))


def try_lock(fd: int) -> bool:
    """Takes the one-writer lock on an open staging directory; False where another process holds it.

    A file system that knows no locks grants it: the lock is a help, publication verifies what it publishes.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return not _someone_works_in(key_of(os.fstat(fd)))


def _someone_works_in(key: InodeKey) -> bool:
    """Whether another process of this host has the directory as its working directory, as a receiving rsync has.

    This finds an orphaned transfer also where the file system grants a lock to everyone.
    """
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    except OSError:
        return False
    for process in processes:
        try:
            if key_of(os.stat(f"/proc/{process}/cwd")) != key:
                continue
            with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as comm:
                if comm.read().strip() in ("rsync", "rclone"):
                    return True
        except OSError:
            continue
    return False


def check_mount(feature_set: FeatureSet) -> None:
    """FeatureError where the set's mount point is none."""
    if feature_set.mount and not os.path.ismount(feature_set.mount):
        raise FeatureError(
            f"feature set '{feature_set.name}': {display(feature_set.mount)} is not mounted on the host:"
            " mount it, or remove 'mount' from the set"
        )


def lacking(
    feature_set: FeatureSet, target: str, manifest: Manifest, result: Receiving, elsewhere: Mapping[str, str]
) -> Manifest:
    """The features of the source that no target holds; FeatureError where a name is taken, or the set would have none.

    elsewhere: by token, the features that stand in other sets' targets.
    """
    place = look_up(target)
    scan = scan_directory(
        place,
        name_filter(feature_set.reads + feature_set.patterns),
        feature_set.criteria,
        {},
        ScanOptions(recursive=feature_set.layout == "tree", keep_names=True, avoid=_avoid(result.staging)),
    )
    if scan.state == "unreadable":
        raise FeatureError(f"{scan.reason}: nothing can be uploaded there; make {display(target)} a readable directory")
    tokens = tokens_in(target, scan, {wanted.token for wanted in manifest.values()})
    taken = {entry.path: entry for entry in scan.entries}
    lacking: Manifest = {}
    places: List[str] = []
    for name, wanted in manifest.items():
        entry = taken.get(name)
        if wanted.token in tokens:
            result.present += 1
        elif wanted.token in elsewhere:
            places.append(elsewhere[wanted.token])
        elif entry is None or entry.kind == DANGLING:
            lacking[name] = wanted
        elif entry.is_feature:
            result.present += 1
            if len(result.warnings) < 10:
                result.warnings.append(
                    f"{display(os.path.join(target, name))} is kept: it is a feature, but not the one in the source"
                )
        else:
            raise FeatureError(
                f"{display(os.path.join(target, name))} takes the name of a feature to upload and is none:"
                " move that file away and run again"
            )
    result.elsewhere = len(places)
    # By entries: tokens of files without checksums are known only where the source asks for them.
    held = sum(entry.is_feature for entry in scan.entries)
    _say_elsewhere(feature_set, places, bool(lacking or held), result)
    missing = (feature_set.expected or 0) - held - len(lacking)
    if missing > 0:
        raise FeatureError(
            f"feature set '{feature_set.name}': its source holds too few features, {missing} fewer than the {feature_set.expected}"
            f" that are expected would lie in {display(target)}: complete the source, or correct 'expected'"
        )
    return lacking


def _say_elsewhere(feature_set: FeatureSet, places: Sequence[str], others: bool, result: Receiving) -> None:
    """Twice in what a trainer reads, a feature would be in training and in validation."""
    if places and not others:
        raise FeatureError(
            f"feature set '{feature_set.name}': all features of its source stand in another set's target already, as {places[0]}:"
            " give the set a source, or 'patterns', of its own"
        )
    if places:
        result.warnings.append(
            f"left out of the upload: {len(places)} that stand in another set's target already, as {places[0]}"
        )


def _avoid(staging: str) -> Tuple[InodeKey, ...]:
    try:
        return (key_of(os.lstat(staging)),)
    except OSError:
        return ()


def open_existing(staging: str, account: Account) -> Optional[int]:
    """A descriptor of the staging directory, None where there is none; FeatureError where it cannot be trusted."""
    try:
        fd = open_staging(staging, account.uid)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        if os.path.islink(staging):
            raise FeatureError(f"{display(staging)} is a link, which an upload never follows: remove it") from None
        raise FeatureError(
            f"{display(staging)} is no directory, where the upload has to gather: move it away and run again"
        ) from None
    except OSError as error:
        raise FeatureError(f"{display(staging)} cannot be opened ({error.strerror}): make it accessible") from None
    return int(fd)


def _sort_out(feature_set: FeatureSet, target: str, fd: int, wanted: Manifest, result: Receiving, check: bool) -> None:
    """Keeps what is whole in the staging directory, clears what an earlier upload left and nobody wants."""
    staged = list_staged(fd)
    ours = set(wanted) | read_names(target)
    whole = set()
    unwanted = [path for path, name in staged.partial.items() if name not in wanted]
    for path in staged.files:
        if path in wanted and what_is_wrong(feature_set, fd, path, wanted[path]) is None:
            whole.add(path)
        elif path in ours or is_temporary(path, ours):
            unwanted.append(path)
        else:
            raise FeatureError(
                f"{display(os.path.join(result.staging, path))} is not from an upload: move it away and run again"
            )
    result.staged = len(whole)
    result.staged_bytes = sum(wanted[name].size for name in whole)
    result.send = [name for name in result.send if name not in whole]
    if not check:
        remove_fetch_work(fd)
    for path in () if check else unwanted:
        os.unlink(path, dir_fd=fd)
        result.changed = True


def check_room(staging: str, sizes: List[int], reserved: Dict[int, Reserved]) -> None:
    """Whether files of these sizes fit on the file system of the staging directory."""
    if not sizes:
        return
    existing = os.path.dirname(staging)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    room = os.statvfs(existing)
    where = display(existing)
    if room.f_flag & os.ST_RDONLY:
        raise FeatureError(f"{where} is mounted read-only: mount it writable, or choose another target")
    taken = reserved.setdefault(os.stat(existing).st_dev, Reserved())
    block = room.f_frsize or 4096
    taken.bytes += sum(-(-size // block) * block for size in sizes)
    taken.inodes += len(sizes) + 8
    free = room.f_bavail * block
    if taken.bytes > free:
        raise FeatureError(
            f"{where} has {megabytes(free)} free, the upload needs {megabytes(taken.bytes)}:"
            " free some space there, or choose a target on another disk"
        )
    if room.f_files and taken.inodes > room.f_favail:
        raise FeatureError(
            f"{where} has {room.f_favail} free inodes, the upload needs {taken.inodes}:"
            " remove some files there, or choose a target on another disk"
        )


def megabytes(count: int) -> str:
    """Bytes in words: 1 MB is 10**6 bytes."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _make_ready(target: str, account: Account, fd: Optional[int], wanted: Manifest, result: Receiving) -> int:
    """Makes the staging directory and writes the manifest. Returns the locked directory's descriptor."""
    opened = None
    try:
        if fd is None:
            make_staging(result.staging)
            result.changed = True
            fd = opened = open_staging(result.staging, account.uid)
            if not try_lock(fd):
                raise FeatureError(f"{display(result.staging)} is used by another upload: wait for it, then run again")
        # A publication that was killed may have given it to the training user already.
        os.fchmod(fd, 0o700)
        if os.fstat(fd).st_uid != os.geteuid():
            os.fchown(fd, os.geteuid(), os.getegid())
        for folder in sorted({os.path.dirname(name) for name in wanted} - {""}):
            make_folders(fd, folder)
        result.changed = write_manifest(target, wanted) or result.changed
    except BaseException:
        if opened is not None:
            os.close(opened)
        raise
    return fd


def make_staging(staging: str) -> None:
    """Makes a staging directory, and what is missing above it; never where a user's link leads root."""
    above, name = os.path.split(staging)
    make_above(above)
    parent = open_directory(above)
    try:
        # Nobody else looks into an upload that gathers; publishing gives the files their mode.
        os.mkdir(name, 0o700, dir_fd=parent)
    finally:
        os.close(parent)


def make_folders(directory: int, path: str) -> None:
    """Makes the folders of a path below an open directory, 0755, through no link."""
    current = os.dup(directory)
    try:
        for name in path.split("/"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            inner = os.open(name, OPEN_DIRECTORY, dir_fd=current)
            os.close(current)
            current = inner
    finally:
        os.close(current)
