# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system that passes everything through to a directory, and misbehaves as a JSON file says, which may change meanwhile.

``delay``: seconds that each call takes. ``short``: at most that many bytes a read. ``fail``: by name of the operation,
``[error, every]``: every so manieth call of it fails. ``without``: operations that this file
system does not have, by error. ``insensitive``: names that differ in case alone are one.

Usage: pass_through.py DIRECTORY MOUNT-POINT POLICY.JSON
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import mfusepy as fuse


class PassThrough(fuse.Operations):
    """Each call goes to the directory below, once the policy has had its say."""

    use_ns = True

    def __init__(self, below: str, policy: str) -> None:
        self.below = below
        self.policy = policy
        self.counts: dict[str, itertools.count[int]] = {}
        self.lock = threading.Lock()

    def enter(self, name: str, path: str) -> str:
        """What the policy says to a call; the path below, where it says nothing."""
        with open(self.policy) as file:
            policy = json.load(file)
        self.short = policy.get("short", 0)
        time.sleep(policy.get("delay", 0))
        if name in policy.get("without", {}):
            raise fuse.FuseOSError(getattr(errno, policy["without"][name]))
        error, every = policy.get("fail", {}).get(name, ("", 0))
        if error:
            with self.lock:
                number = next(self.counts.setdefault(name, itertools.count(1)))
            if number % every == 0:
                raise fuse.FuseOSError(getattr(errno, error))
        return self.fold(path) if policy.get("insensitive") else self.below + path

    def fold(self, path: str) -> str:
        """The path below whose names differ from these in case alone, where there is such a one."""
        found = self.below
        for name in path.split("/")[1:]:
            alike = [] if os.path.lexists(f"{found}/{name}") or not os.path.isdir(found) else os.listdir(found)
            found += "/" + next((other for other in alike if other.casefold() == name.casefold()), name)
        return found

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        info = os.lstat(path) if fh is None else os.fstat(fh)
        keys = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_ino")
        times = {key: getattr(info, f"{key}_ns") for key in ("st_atime", "st_mtime", "st_ctime")}
        return {**{key: getattr(info, key) for key in keys}, **times}

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        found = [(item.name, item.inode(), item.stat(follow_symlinks=False).st_mode) for item in os.scandir(path)]
        return [(name, {"st_ino": inode, "st_mode": mode}, 0) for name, inode, mode in found]

    def readlink(self, path: str) -> str:
        return os.readlink(path)

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, target)

    def link(self, target: str, source: str) -> None:
        os.link(self.below + source, target, follow_symlinks=False)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, self.below + new)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)
        self._own(path)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._own(path)
        return fd

    @staticmethod
    def _own(path: str) -> None:
        uid, gid, _pid = fuse.fuse_get_context()
        os.chown(path, uid, gid, follow_symlinks=False)

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(path, stat.S_IMODE(mode))

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(path, uid, gid, follow_symlinks=False)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(path, ns=times, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(path, length)

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags & ~os.O_NOFOLLOW)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, min(size, self.short or size), offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def flush(self, path: str, fh: int) -> None:
        pass

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def statfs(self, path: str) -> dict[str, int]:
        info = os.statvfs(path)
        return {key: getattr(info, key) for key in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files",
                                                    "f_flag", "f_frsize", "f_namemax")}  # fmt: skip

    def access(self, path: str, mode: int) -> int:
        return 0

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        return os.getxattr(path, name, follow_symlinks=False)

    def listxattr(self, path: str) -> list[str]:
        return os.listxattr(path, follow_symlinks=False)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        os.setxattr(path, name, value, options, follow_symlinks=False)

    def removexattr(self, path: str, name: str) -> None:
        os.removexattr(path, name, follow_symlinks=False)


def guarded(name: str) -> Callable[..., Any]:
    """The operation of that name, behind the policy."""
    method = getattr(PassThrough, name)

    def call(self: PassThrough, path: str, *arguments: Any) -> Any:
        try:
            return method(self, self.enter(name, path), *arguments)
        except fuse.FuseOSError:
            raise
        except OSError as refused:
            raise fuse.FuseOSError(refused.errno or errno.EIO) from None

    return call


for operation in [name for name, value in vars(PassThrough).items() if callable(value) and not name.startswith("_")]:
    if operation not in ("enter", "fold"):
        setattr(PassThrough, operation, guarded(operation))


if __name__ == "__main__":
    below, top, policy = sys.argv[1:]
    fuse.FUSE(PassThrough(below, policy), top, foreground=True, allow_other=True, default_permissions=True, direct_io=True,
              attr_timeout=0, entry_timeout=0, negative_timeout=0, use_ino=True, fsname="passthrough")  # fmt: skip
