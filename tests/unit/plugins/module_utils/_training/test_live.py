# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import live

RUN = "/home/ubuntu/emotion_recognition/runs/attn/20261129T101500"


@pytest.mark.parametrize(
    ("command", "is_launcher"),
    [
        (f"/usr/bin/python3\0-I\0{RUN}/launcher.py\0", True),
        (f"python3.11\0{RUN}/launcher.py\0--x\0", True),
        (f"/usr/bin/python3\0{RUN}/launcher.py", True),
        (f"tmux\0new-session\0-d\0exec python3 {RUN}/launcher.py\0", False),
        (f"vim\0{RUN}/launcher.py\0", False),
        (f"/usr/bin/python3\0{RUN}/launcher.pyc\0", False),
        ("/usr/bin/python3\0/opt/app/launcher.py\0", False),
        (f"/usr/libexec/platform-python3.6\0-I\0{RUN}/launcher.py\0", True),
        ("", False),
    ],
)
def test_launcher_is_recognised(command, is_launcher):
    assert live.is_launcher(command.encode()) is is_launcher


def test_processes_that_end_meanwhile_are_skipped(tmp_path):
    for name in ("1", "2", "self"):
        (tmp_path / name).mkdir()
    assert not live.training_runs(str(tmp_path))
    (tmp_path / "2" / "cmdline").write_bytes(f"python3\0{RUN}/launcher.py\0".encode())
    assert live.training_runs(str(tmp_path))
