# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounted file systems, as /proc/self/mountinfo lists them (proc_pid_mountinfo(5)).

A bind mount of the same file system does not change st_dev, and yet neither rename nor link cross it: only the
kernel's table shows it. Functions that take C(mountinfo), the text of that table, are pure.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import paths

MOUNTINFO = "/proc/self/mountinfo"

# Their source names the same thing on every host; a device name does not.
_NETWORK = re.compile(r"(nfs\d*|cifs|smb3|lustre|ceph|glusterfs|9p|beegfs|gpfs|afs|fuse\.(glusterfs|sshfs|ceph.*|s3fs|goofys|mount-s3))\Z")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of the table. device: "major:minor"; root: the mounted directory's path in its file system; point: where it is mounted."""

    id: str
    parent: str
    device: str
    root: str
    point: str
    kind: str
    source: str


def read_mountinfo() -> str:
    """The mounts of this process; empty if /proc is missing."""
    try:
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def parse_mountinfo(text: str) -> List[Mount]:
    found = []
    for line in text.split("\n"):
        mount, _separator, file_system = line.partition(" - ")
        fields, kind = mount.split(" "), file_system.split(" ")
        if len(fields) > 4 and len(kind) > 1:
            found.append(Mount(fields[0], fields[1], fields[2], _plain(fields[3]), _plain(fields[4]), kind[0], _plain(kind[1])))
    return found


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)


def mount_of(path: str, mountinfo: Optional[str] = None) -> Optional[Mount]:
    """The mount that a path is on, or would be on; links are resolved. None if the table does not say.

    Follows the table from parent to child as the kernel does, so that a mount below one that was mounted over it later
    does not count.
    """
    real = os.path.realpath(path)
    left = parse_mountinfo(read_mountinfo() if mountinfo is None else mountinfo)
    ids = {one.id for one in left if one.id != one.parent}
    found: Optional[Mount] = None
    while True:
        inside = [
            one
            for one in left
            if paths.is_below(real, one.point) and (one.parent == found.id if found else one.parent not in ids or one.parent == one.id)
        ]
        if not inside:
            return found
        # Of mounts side by side the upper one hides the others.
        found = min(inside, key=lambda one: len(one.point))
        left.remove(found)


def is_mount_point(path: str) -> bool:
    """True if a directory, or the one that a link leads to, is a mount point, bind mounts included."""
    with contextlib.suppress(OSError):
        os.stat(os.path.join(path, "."))  # mounts it, if an automounter is in charge
    mount = mount_of(path)
    return os.path.ismount(os.path.realpath(path)) if mount is None else mount.point == os.path.realpath(path)


def mount_points_below(path: str) -> List[str]:
    """The mount points inside a directory, itself excluded: files cannot be renamed or linked into these from outside."""
    real = os.path.realpath(path)
    return sorted({one.point for one in parse_mountinfo(read_mountinfo()) if one.point != real and paths.is_below(one.point, real)})


def origin_of(path: str, mountinfo: str) -> Tuple[str, str]:
    """The device and the path in its file system: equal for all bind mounts of one directory. Links are resolved."""
    real, mount = os.path.realpath(path), mount_of(path, mountinfo)
    if mount is None:
        return "", real
    return mount.device, os.path.join(mount.root, real[len(mount.point) :].strip("/")).rstrip("/") or "/"


def network_file_system(device: int, mountinfo: str) -> Optional[Dict[str, str]]:
    """C(type), C(source) and C(root) of the network file system with this st_dev, None for a local one."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for one in parse_mountinfo(mountinfo):
        if one.device == wanted and _NETWORK.match(one.kind):
            return {"type": one.kind, "source": paths.display(one.source), "root": paths.display(one.root)}
    return None


def file_system_type(device: int, path: str, mountinfo: str) -> str:
    """The type of the file system with this st_dev that holds a path; empty if unknown.

    Subvolumes of btrfs have devices that are missing from the table: for them the mount above the path decides.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kind = next((one.kind for one in parse_mountinfo(mountinfo) if one.device == wanted), "")
    above = None if kind else mount_of(path, mountinfo)
    return above.kind if above is not None and above.kind == "btrfs" else kind


def file_system_of(path: str, mountinfo: Optional[str] = None) -> Tuple[str, str]:
    found = mount_of(path, mountinfo)
    return (found.kind, found.point) if found else ("unknown", "/")
