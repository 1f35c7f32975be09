# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host must have before anything is sent to it: programs, mounts, room, a file system that can take it, and who works there."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from typing import Dict, Iterable, NamedTuple, Sequence

from .. import errors
from .._apply import rename
from .._scan import manifest
from .._spec import sets
from .._system import accounts, at, capabilities, mounts, paths, programs, words

# What the receiving side needs besides Python: (command, Debian's and Red Hat's package).
TOOLS = (("rsync", "rsync"),)

_FROM, _TO = paths.OURS + "from", paths.OURS + "to"


def _move_without_replacing(directory: int, _account: accounts.Account) -> None:
    os.close(at.create(directory, _FROM))
    at.mkdir(directory, _TO, 0o700)
    to = at.open_name(directory, _TO, paths.OPEN_DIRECTORY)
    try:
        rename.move_file(_FROM, directory, to)
    finally:
        os.close(to)


MOVES = capabilities.Capability(
    "hard links or renames that replace nothing, which an upload next to other files needs", _move_without_replacing
)


def needs_of(target: str) -> Sequence[capabilities.Capability]:
    """What an upload into the target asks of its file system: a directory that holds other files is filled one by one."""
    try:
        filled = bool(os.listdir(target))
    except OSError:
        filled = False
    return (capabilities.OWNERSHIP, MOVES) if filled else (capabilities.OWNERSHIP,)


def search_path() -> str:
    """Where commands are looked for: sudo and SSH may leave out the directories of the system."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/bin", "/usr/bin", "/bin"])


def environment() -> Dict[str, str]:
    """Return the environment of a program that may run as another account: what a play put into ours may be secret."""
    return {"PATH": search_path(), "LC_ALL": "C"}


def check_tools(tools: Iterable[Sequence[str]] = TOOLS) -> None:
    """FeatureError for a program that is missing, or is there and cannot run."""
    for command, package in tools:
        path = shutil.which(command, path=search_path())
        if path is None:
            raise errors.FeatureError(f"{command} is missing on the host: install the package {package} there")
        try:
            done = programs.ask_program([path, "--version"], 60, environment())
        except OSError as error:
            raise errors.FeatureError(f"{path} on the host cannot be run ({error}): install the package {package} again there") from None
        if done is None or done.code != 0:
            said = done.errors.decode("utf-8", "replace").strip().splitlines() if done else ["it does not end"]
            why = said[0][:160] if said else "no reason given"
            raise errors.FeatureError(f"{path} on the host cannot be run ({why}): install the package {package} again there")


def check_mount(feature_set: sets.FeatureSet) -> None:
    """FeatureError if the mount point of a resolved set is not one."""
    if feature_set.mount and not mounts.is_mount_point(feature_set.mount):
        raise errors.FeatureError(
            f"feature set '{feature_set.name}': {paths.display(feature_set.mount)} is not mounted on the host:"
            " mount it, or remove 'mount' from the set"
        )


class Site(NamedTuple):
    """C(keeper) makes and removes the staging directory and its manifest. C(worker) owns the staging directory and does all work in it
    and in the target. They differ only if root keeps the place and the target is another account's already. C(home): the worker's."""

    target: str
    staging: str
    keeper: accounts.Account
    worker: accounts.Account
    home: str


def find_site(target: str, account: accounts.Account) -> Site:
    """Decide who works for a target. FeatureError if several users can write there or the file system lacks what is needed.

    account: the training user.
    """
    staging = manifest.staging_path(target)
    place, above = os.path.split(staging)[0], os.path.dirname(target)
    needs = needs_of(target)
    keeper = capabilities.choose_writer(place, account, needs, via=above)
    worker = keeper
    if os.path.isdir(target) and not paths.is_below(place, os.path.realpath(target)):
        worker = capabilities.choose_writer(target, account, needs)
    if keeper.uid not in (0, worker.uid):
        raise errors.FeatureError(
            f"{paths.display(target)} is written by user {worker.name}, but {paths.display(place)}, where an upload gathers next to it,"
            f" by user {keeper.name}: give both to one user (chown), or name another target"
        )
    home = os.environ.get("HOME", "/") if worker.uid == os.geteuid() else worker.home
    return Site(target, staging, keeper, worker, home)


@dataclass(frozen=True)
class Room:
    """What some files will take of a file system, and what it has. C(device): which one; C(where): for messages."""

    device: int
    where: str
    bytes: int
    inodes: int
    free_bytes: int
    free_inodes: int  # -1: not counted


def measure_room(staging: str, sizes: Sequence[int]) -> Room:
    """The room that files of these sizes take next to the staging directory; FeatureError if nothing can be written."""
    existing = os.path.dirname(staging)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    refused = capabilities.why_not_writable(existing) if sizes else 0
    if refused == errno.EROFS:
        raise errors.FeatureError(f"{paths.display(existing)} is mounted read-only: mount it writable, or choose another target")
    if refused:
        refusal = OSError(refused, os.strerror(refused))
        raise errors.FeatureError(f"{paths.display(existing)} cannot be changed ({refusal.strerror}): {words.advice(refusal)}")
    room = os.statvfs(existing)
    block = room.f_frsize or 4096
    return Room(
        device=os.stat(existing).st_dev,
        where=paths.display(existing),
        bytes=sum(-(-size // block) * block for size in sizes),
        inodes=len(sizes) + 8 if sizes else 0,
        free_bytes=room.f_bavail * block,
        free_inodes=room.f_favail if room.f_files else -1,
    )


def check_room(rooms: Sequence[Room]) -> None:
    """FeatureError if what some uploads take together does not fit. Pure."""
    for last in rooms:
        mine = [room for room in rooms if room.device == last.device]
        needed, inodes = sum(room.bytes for room in mine), sum(room.inodes for room in mine)
        if needed > last.free_bytes:
            raise errors.FeatureError(
                f"{last.where} has {megabytes(last.free_bytes)} free, the upload needs {megabytes(needed)}:"
                " free some space there, or choose a target on another disk"
            )
        if -1 < last.free_inodes < inodes:
            raise errors.FeatureError(
                f"{last.where} has {last.free_inodes} free inodes, the upload needs {inodes}:"
                " remove some files there, or choose a target on another disk"
            )


def megabytes(count: int) -> str:
    """Return bytes as text: 1 MB is 10**6 bytes."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
