# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.mounts import (
    file_system_of,
    file_system_type,
    is_mount_point,
    mount_of,
    network_file_system,
    origin_of,
    read_mountinfo,
)

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 21 0:45 / /data rw,relatime shared:2 - nfs4 fs-12.efs.example:/features rw,vers=4.1
41 21 0:46 /team\\040a /mnt/x rw - lustre 10.0.0.1@tcp:/fsx rw
42 21 0:47 / /local rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (os.makedev(254, 0), None),
        (os.makedev(0, 45), {"type": "nfs4", "source": "fs-12.efs.example:/features", "root": "/"}),
        (os.makedev(0, 46), {"type": "lustre", "source": "10.0.0.1@tcp:/fsx", "root": "/team a"}),
        (os.makedev(0, 47), None),
        (os.makedev(9, 9), None),
    ],
)
def test_only_a_network_file_system_is_named(device, expected):
    assert network_file_system(device, MOUNTS) == expected


def test_this_machine_has_mounts():
    assert " / " in read_mountinfo()


TREE = """\
20 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
30 20 254:0 /srv/store /data rw - ext4 /dev/vda rw
31 30 254:0 /srv/sub /data/sub rw - ext4 /dev/vda rw
40 20 8:1 / /mnt/old/inner rw - xfs /dev/sdb rw
41 20 8:2 / /mnt/old rw - ext4 /dev/sdc rw
50 20 8:3 / /twice rw - ext4 /dev/sdd rw
51 50 8:4 / /twice rw - xfs /dev/sde rw
60 20 254:0 /srv/a\\040b /with\\040space rw - ext4 /dev/vda rw
"""
SUBVOLUME = "20 1 0:30 /@ / rw - btrfs /dev/vda rw\n21 20 0:30 /@home /home rw - btrfs /dev/vda rw\n"
CHROOT = "30 29 8:1 / /mnt rw - ext4 /dev/sdb rw\n"


@pytest.mark.parametrize(
    ("path", "table", "point", "kind"),
    [
        ("/nowhere/x", TREE, "/", "ext4"),
        ("/data", TREE, "/data", "ext4"),
        ("/data/sub/x", TREE, "/data/sub", "ext4"),
        ("/datax", TREE, "/", "ext4"),
        ("/mnt/old/inner", TREE, "/mnt/old", "ext4"),  # hidden by what was mounted over it
        ("/twice/x", TREE, "/twice", "xfs"),
        ("/with space/x", TREE, "/with space", "ext4"),
        ("/home/x", SUBVOLUME, "/home", "btrfs"),
        ("/mnt/x", CHROOT, "/mnt", "ext4"),
        ("/other", CHROOT, None, None),
        ("/x", "", None, None),
        ("/x", "not a table\n", None, None),
    ],
)
def test_mount_of_a_path(path, table, point, kind):
    found = mount_of(path, table)
    assert (found and found.point, found and found.kind) == (point, kind)


@pytest.mark.parametrize(
    ("path", "table", "expected"),
    [
        ("/data/a", TREE, ("254:0", "/srv/store/a")),
        ("/srv/store/a", TREE, ("254:0", "/srv/store/a")),
        ("/with space", TREE, ("254:0", "/srv/a b")),
        ("/", TREE, ("254:0", "/")),
        ("/home/u", SUBVOLUME, ("0:30", "/@home/u")),
        ("/x", "", ("", "/x")),
    ],
)
def test_bind_mounts_have_one_origin(path, table, expected):
    assert origin_of(path, table) == expected


def test_type_of_a_subvolume_is_that_of_the_mount_above():
    assert file_system_type(os.makedev(0, 99), "/home/u", SUBVOLUME) == "btrfs"
    assert file_system_type(os.makedev(0, 99), "/mnt", TREE) == ""
    assert file_system_type(os.makedev(8, 1), "/", TREE) == "xfs"
    assert file_system_of("/x", "") == ("unknown", "/")


def test_plain_directory_is_no_mount_point(tmp_path):
    assert is_mount_point("/proc") and is_mount_point("/")
    assert not is_mount_point(str(tmp_path)) and not is_mount_point(str(tmp_path / "missing"))
    (tmp_path / "link").symlink_to("/proc")
    assert is_mount_point(str(tmp_path / "link"))
