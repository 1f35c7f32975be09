# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._apply import directories
from ansible_collections.trainprep.features.plugins.module_utils._system import at


@pytest.mark.parametrize("moved", [True, False], ids=["another host has moved it", "it is gone"])
def test_a_draft_that_is_gone_when_it_is_opened(tmp_path, monkeypatch, moved):
    opened = at.open_name

    def gone(parent, name, flags):
        if moved:
            os.rename(tmp_path / name, tmp_path / "target")
        else:
            os.rmdir(tmp_path / name)
        return opened(parent, name, flags)

    monkeypatch.setattr(at, "open_name", gone)
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        if moved:
            assert directories.make_directory(parent, "target") is False
        else:
            with pytest.raises(FileNotFoundError):
                directories.make_directory(parent, "target")
    finally:
        os.close(parent)
    assert os.listdir(tmp_path) == (["target"] if moved else [])


def test_a_draft_that_another_host_moves_before_it_is_checked(tmp_path, monkeypatch):
    draft, found = tmp_path / ".trainprep-target", at.lstat
    draft.mkdir()

    def moved(parent, name):
        if name == draft.name and draft.exists():
            draft.rename(tmp_path / "target")
        return found(parent, name)

    monkeypatch.setattr(at, "lstat", moved)
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        assert directories.make_directory(parent, "target") is False
    finally:
        os.close(parent)
    assert os.listdir(tmp_path) == ["target"]
