# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import threading
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import files, paths


def read(fd, info, name):
    return name, info.st_size, os.read(fd, 10)


@pytest.mark.parametrize("by_path", [False, True])
def test_a_file_behind_a_link_is_read(tmp_path, by_path):
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "link").symlink_to("a")
    fd = os.open(tmp_path, paths.OPEN_DIRECTORY)
    name, directory = (str(tmp_path / "link"), None) if by_path else ("link", fd)
    try:
        assert files.with_file(read, name, directory, paths.FOLLOW_FILE, ("d", "link")) == (name, 4, b"text")
    finally:
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="it is root that opens nothing but files")
def test_root_does_not_open_what_a_link_leads_to_if_it_is_no_file(tmp_path):
    """As of a device, e.g. /dev/watchdog, whose opening alone is an act."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.npy").symlink_to("pipe")
    opened = threading.Event()

    def write():
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))  # waits for somebody who opens it to read
        opened.set()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    try:
        assert files.with_file(read, str(tmp_path / "a.npy"), None, paths.FOLLOW_FILE, ("d", "a.npy")) is None
        assert not opened.wait(0.3)
    finally:
        os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))
        writer.join()
