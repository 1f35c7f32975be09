# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A FUSE file system that passes everything through to a directory, but refuses chosen calls. Runs on a host.

refusing_fs.py DIRECTORY MOUNTPOINT CALL=ERRNO... (symlink=ENOTSUP link=EPERM chown=EPERM); it stays in the foreground.
"""

import errno
import os
import sys

from fusepy import FUSE, FuseOSError, Operations


class Refusing(Operations):
    def __init__(self, root, refused):
        self.root = root
        for call, number in refused.items():
            setattr(self, call, self._refuse(number))

    @staticmethod
    def _refuse(number):
        def refuse(*_arguments):
            raise FuseOSError(number)

        return refuse

    def _path(self, path):
        return self.root + path

    def access(self, path, mode):
        if not os.access(self._path(path), mode):
            raise FuseOSError(errno.EACCES)

    def getattr(self, path, fh=None):
        info = os.lstat(self._path(path))
        names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_ino")
        return {name: getattr(info, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self._path(path))]

    def statfs(self, path):
        found = os.statvfs(self._path(path))
        names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")
        return {name: getattr(found, name) for name in names}

    def chmod(self, path, mode):
        os.chmod(self._path(path), mode)

    def chown(self, path, uid, gid):
        os.chown(self._path(path), uid, gid, follow_symlinks=False)

    def readlink(self, path):
        return os.readlink(self._path(path))

    def symlink(self, name, target):
        os.symlink(target, self._path(name))

    def link(self, target, name):
        os.link(self._path(name), self._path(target))

    def rename(self, old, new):
        os.rename(self._path(old), self._path(new))

    def mkdir(self, path, mode):
        os.mkdir(self._path(path), mode)

    def rmdir(self, path):
        os.rmdir(self._path(path))

    def unlink(self, path):
        os.unlink(self._path(path))

    def utimens(self, path, times=None):
        os.utime(self._path(path), times)

    def open(self, path, flags):
        return os.open(self._path(path), flags)

    def create(self, path, mode, fi=None):
        return os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path, length, offset, fh):
        return os.pread(fh, length, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self._path(path), length)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def release(self, path, fh):
        os.close(fh)


if __name__ == "__main__":
    directory, mountpoint, *calls = sys.argv[1:]
    refused = {call: getattr(errno, number) for call, number in (one.split("=") for one in calls)}
    FUSE(Refusing(directory, refused), mountpoint, foreground=True, nothreads=True, allow_other=True)
