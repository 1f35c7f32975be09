# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a file system can do, and for whom, asked before anything is changed on it.

Local file systems are known by their type. Of the others it is tried out, in a directory of our own that is gone again
when the answer is there, in check mode too: nothing else shows what a FUSE or network file system refuses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from typing import Callable, NamedTuple, Optional, Sequence, TypeVar

from .. import errors
from . import accounts, at, become, mounts, owners, paths

# These can do all that is asked for here, and obey root.
_CAPABLE = frozenset(
    (
        *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "gfs2", "jfs", "ocfs2"),
        *("overlay", "ramfs", "reiserfs", "tmpfs", "ufs", "xfs", "zfs"),
    )
)
# They say nothing about what a file system can do, and the work itself reports them better.
_OTHER_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)

_TRIAL = paths.OURS + "probe-"
# A trial takes a moment. One that is older was killed; a younger one may be another host's on the same volume.
_KILLED_AFTER = 60.0
_TRIES = 5

_T = TypeVar("_T")

_ELSEWHERE = "name a target on another file system, such as a local disk"


class Capability(NamedTuple):
    """Something a file system may lack. C(attempt) does it in an open, empty directory, under names of ours, or raises OSError."""

    words: str
    attempt: Callable[[int, accounts.Account], None]
    helps: str = _ELSEWHERE


class _Lack(NamedTuple):
    """What crosses from a process of the training user: texts. C(words): what is missing; empty if nothing may be made there."""

    words: str
    helps: str
    reason: str


def _make_symlink(directory: int, _account: accounts.Account) -> None:
    at.symlink("nowhere", directory, paths.OURS + "link")


def _give_away(directory: int, account: accounts.Account) -> None:
    """As a published file is given: to the training user, 0644."""
    fd = at.create(directory, paths.OURS + "owned")
    try:
        info = os.fstat(fd)
        if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (account.uid, account.gid):
            os.fchown(fd, account.uid, account.gid)
        elif os.geteuid() != 0 and info.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))  # what it makes there belongs to another account
        if info.st_mode & 0o777 != 0o644:
            os.fchmod(fd, 0o644)
    finally:
        os.close(fd)


SYMLINKS = Capability(
    "symbolic links, which linking features needs",
    _make_symlink,
    "mount it so that it has them (CIFS: option mfsymlinks; rclone: option --links), or " + _ELSEWHERE,
)
OWNERSHIP = Capability(
    "owners and modes that can be changed, which features need to belong to the training user",
    _give_away,
    "mount it so that all in it belongs to the training user (options uid and gid), or " + _ELSEWHERE,
)


def choose_writer(path: str, account: accounts.Account, needs: Sequence[Capability], via: str = "/") -> accounts.Account:
    """Return who makes what C(path) will be: the account that owns the place, see C(owners).

    account: the training user, who works if root is refused, as by NFS with root_squash and other users' FUSE mounts.
    via: another directory that led here.
    FeatureError if several users can write there, no account may, or the file system lacks what is needed.
    """
    owner = owners.owner_of(path, account, via)
    refusal = become.run_as(owner, _try_out, path, account, needs)
    if refusal is None:
        return owner
    if owner.uid == 0 and account.uid != 0:
        if become.run_as(account, _try_out, path, account, needs) is None:
            return account
    elif not refusal.words:
        return owner  # the account that tries to write reports the path that refuses
    raise errors.FeatureError(_sentence(path, owner, account, refusal))


def _sentence(path: str, owner: accounts.Account, account: accounts.Account, refusal: _Lack) -> str:
    kind, mount = mounts.file_system_of(path)
    where = f"{paths.display(path)} is on a file system ({kind}, mounted on {paths.display(mount)})"
    if not refusal.words:
        return (
            f"{where} that refuses user {owner.name}, and user {account.name} too ({refusal.reason}): let user"
            f" {account.name} write there, or {_ELSEWHERE}"
        )
    return f"{where} without {refusal.words} ({refusal.reason}): {refusal.helps}"


def _try_out(path: str, account: accounts.Account, needs: Sequence[Capability]) -> Optional[_Lack]:
    try:
        existing = nearest_directory(path)
        if mounts.file_system_of(existing)[0] in _CAPABLE:
            readable = os.access(existing, os.W_OK | os.X_OK) or bool(os.statvfs(existing).f_flag & os.ST_RDONLY)
            return None if readable else _Lack("", "", os.strerror(errno.EACCES))
        parent = os.open(existing, paths.OPEN_DIRECTORY & ~os.O_NOFOLLOW)
    except OSError as error:
        return _Lack("", "", error.strerror or str(error))
    try:
        return _try_in(existing, parent, account, needs)
    finally:
        os.close(parent)


def nearest_directory(path: str) -> str:
    """The directory itself or the nearest one above it that exists; OSError if that is not ours to know."""
    while True:
        try:
            os.stat(path)
            return path
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path.rstrip("/")) or "/"


def why_not_writable(path: str) -> int:
    """Return the errno that meets this process if it makes names in a directory, or in the nearest one above it; 0 if none is known."""
    try:
        existing = nearest_directory(path)
        if os.statvfs(existing).f_flag & os.ST_RDONLY:
            return errno.EROFS
        return 0 if os.access(existing, os.W_OK | os.X_OK) else errno.EACCES
    except OSError:
        return 0


def _try_in(existing: str, parent: int, account: accounts.Account, needs: Sequence[Capability]) -> Optional[_Lack]:
    _clear_killed(existing, parent)
    name = _TRIAL + secrets.token_hex(8)
    try:
        before = os.fstat(parent)
        at.mkdir(parent, name, 0o700)
    except OSError as error:
        return _refusal(error)
    try:
        directory = at.open_name(parent, name, paths.OPEN_DIRECTORY)
        try:
            return _attempt_all(directory, account, needs)
        finally:
            os.close(directory)
    except OSError as error:
        return _refusal(error)
    finally:
        _remove(existing, parent, name)
        with contextlib.suppress(OSError):
            os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))


def _clear_killed(existing: str, parent: int) -> None:
    """Removes what trials left that were killed; of ours alone."""
    with contextlib.suppress(OSError, errors.FeatureError):
        for name in os.listdir(parent):
            if name.startswith(_TRIAL):
                info = at.lstat(parent, name)
                if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and info.st_mtime < time.time() - _KILLED_AFTER:
                    _remove(existing, parent, name)


def _remove(existing: str, parent: int, name: str) -> None:
    """Removes a trial's directory, also from a file system that refuses now and then."""
    try:
        _remove_directory(parent, name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.FeatureError(
            f"{paths.display(existing)}/{name}, in which it was tried what the file system can do, cannot be removed"
            f" ({error.strerror}): repair that file system, remove the directory and run again"
        ) from None


def _remove_directory(parent: int, name: str) -> None:
    """Removes what a trial makes, and nothing under another name: whoever can write the place may have moved something there."""
    directory = _repeat(lambda: at.open_name(parent, name, paths.OPEN_DIRECTORY))
    try:
        for inside in _repeat(lambda: os.listdir(directory)):
            if inside.startswith(paths.OURS):
                _remove_inside(directory, inside)
    finally:
        os.close(directory)
    _repeat(lambda: at.rmdir(parent, name))


def _remove_inside(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(_repeat(lambda: at.lstat(directory, name)).st_mode):
            _remove_directory(directory, name)
        else:
            _repeat(lambda: at.unlink(directory, name))


def _repeat(call: Callable[[], _T]) -> _T:
    """Each call by itself: a whole removal tried again can meet the same refusal at the same place each time."""
    for _turn in range(_TRIES - 1):
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError:
            pass
    return call()


def _attempt_all(directory: int, account: accounts.Account, needs: Sequence[Capability]) -> Optional[_Lack]:
    for need in needs:
        try:
            need.attempt(directory, account)
        except OSError as error:
            refusal = _refusal(error, need.words, need.helps)
            if refusal:
                return refusal
    return None


def _refusal(error: OSError, words: str = "", helps: str = "") -> Optional[_Lack]:
    return None if error.errno in _OTHER_TROUBLE else _Lack(words, helps, error.strerror or str(error))
