# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file system a directory lies on."""

from __future__ import annotations

import os
import re
from typing import Dict, Optional, Tuple

from . import paths

MOUNTINFO = "/proc/self/mountinfo"

# Their source names the same thing on every host; a device name does not.
_NETWORK = re.compile(r"(nfs\d*|cifs|smb3|lustre|ceph|glusterfs|9p|beegfs|gpfs|afs|fuse\.(glusterfs|sshfs|ceph.*|s3fs|goofys|mount-s3))\Z")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def network_file_system(device: int, mountinfo: str) -> Optional[Dict[str, str]]:
    """C(type), C(source) and C(root) of the network file system with this st_dev, None for a local one.

    mountinfo: the text of /proc/self/mountinfo, see proc_pid_mountinfo(5).
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        mount, _separator, file_system = line.partition(" - ")
        fields, kind = mount.split(" "), file_system.split(" ")
        if len(fields) > 3 and len(kind) > 1 and fields[2] == wanted and _NETWORK.match(kind[0]):
            return {"type": kind[0], "source": _plain(kind[1]), "root": _plain(fields[3])}
    return None


def file_system_type(device: int, path: str, mountinfo: str) -> str:
    """The type of the file system with this st_dev that holds a path; empty where it is unknown.

    Subvolumes of btrfs have devices that stand in no table of mounts: for them the mount point above the path tells.
    """
    wanted, real = f"{os.major(device)}:{os.minor(device)}", os.path.realpath(path)
    longest, kind = -1, ""
    for line in mountinfo.splitlines():
        mount, _separator, file_system = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 4 and fields[2] == wanted:
            return file_system.split(" ")[0]
        point = _plain(fields[4]) if len(fields) > 4 else ""
        if point and (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= longest:
            longest, kind = len(point), file_system.split(" ")[0]
    return kind if kind == "btrfs" else ""


def read_mountinfo() -> str:
    """The mounts that this process sees; empty where /proc is not there."""
    try:
        with open(MOUNTINFO, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)


def file_system_of(path: str, mountinfo: Optional[str] = None) -> Tuple[str, str]:
    """Type and mount point of the file system that a path lies on, or would, as far as the text of the mounts tells."""
    real = os.path.realpath(path)
    found = ("unknown", "/")
    for line in (read_mountinfo() if mountinfo is None else mountinfo).splitlines():
        mount, _separator, file_system = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 4 and file_system:
            point = _plain(fields[4])
            # Of several mounts on one point the last one is seen.
            if paths.is_below(real, point) and len(point) >= len(found[1]):
                found = (file_system.split(" ")[0], point)
    return found


def is_mount_point(path: str) -> bool:
    """Whether a directory is a mount point; asked of the kernel's list where even looking at it is refused."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return file_system_of(path)[1] == path
    return os.path.ismount(path)
