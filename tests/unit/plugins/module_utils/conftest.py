# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest


@pytest.fixture
def host(tmp_path):
    """A directory that stands for a host's /, under a name that no test can mistake."""
    (tmp_path / "data").mkdir()
    return tmp_path
