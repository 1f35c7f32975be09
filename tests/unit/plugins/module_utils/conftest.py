# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ASKED


@pytest.fixture
def host(tmp_path):
    """A directory that stands for a host's /, under a name that no test can mistake."""
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def look(tmp_path):
    """The classification on a file with this content."""

    def look_at(content, arrays=ASKED, full=False, name="x.npz", size=None):
        path = tmp_path / name
        path.write_bytes(content)
        fd = os.open(str(path), os.O_RDONLY)
        try:
            return classify(fd, len(content) if size is None else size, name, arrays, full)
        finally:
            os.close(fd)

    return look_at
