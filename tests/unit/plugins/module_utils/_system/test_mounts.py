# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.mounts import (
    network_file_system,
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
