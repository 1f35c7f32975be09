# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trials of a file system leave nothing, and clear away what killed ones left."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import capabilities
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.capabilities import OWNERSHIP, SYMLINKS
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import MOVES
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

NEEDS = (SYMLINKS, OWNERSHIP, MOVES)


def try_in(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return capabilities._try_in(str(path), fd, find_account(None), NEEDS)
    finally:
        os.close(fd)


def killed(path, seconds, *names):
    """What a trial left that was killed so long ago."""
    left = path / ".trainprep-probe-0123456789abcdef"
    (left / ".trainprep-to").mkdir(parents=True)
    for name in names:
        (left / name).touch()
    os.utime(left, (time.time() - seconds,) * 2)
    return left


def test_a_trial_leaves_nothing_and_the_time_as_it_was(tmp_path):
    os.utime(tmp_path, (1, 1))
    assert try_in(tmp_path) is None
    assert os.listdir(tmp_path) == [] and os.stat(tmp_path).st_mtime == 1


@pytest.mark.parametrize(("seconds", "stays"), [(3600, False), (5, True)])
def test_what_a_killed_trial_left_is_cleared_away_but_not_what_another_host_is_about(tmp_path, seconds, stays):
    left = killed(tmp_path, seconds, ".trainprep-owned", ".trainprep-to/.trainprep-from")
    os.utime(left, (time.time() - seconds,) * 2)
    assert try_in(tmp_path) is None
    assert left.exists() is stays


def test_what_somebody_moved_there_is_not_removed(tmp_path):
    left = killed(tmp_path, 3600, "theirs")
    assert try_in(tmp_path) is None
    assert os.listdir(left) == ["theirs"]


def test_what_refuses_now_and_then_is_asked_again(tmp_path, monkeypatch):
    really, refused = os.rmdir, []

    def rmdir(name, dir_fd=None):
        if len(refused) < 2:
            refused.append(name)
            raise OSError(116, "Stale file handle")
        really(name, dir_fd=dir_fd)

    monkeypatch.setattr(capabilities.os, "rmdir", rmdir)
    assert try_in(tmp_path) is None
    assert os.listdir(tmp_path) == [] and len(refused) == 2


def test_what_cannot_be_removed_is_named_with_its_path(tmp_path, monkeypatch):
    def rmdir(name, dir_fd=None):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(capabilities.os, "rmdir", rmdir)
    with pytest.raises(FeatureError, match=rf"{tmp_path}/\.trainprep-probe-\w+, .*Stale file handle.*: repair that file system"):
        try_in(tmp_path)
