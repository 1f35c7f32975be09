# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of access begin with."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.trainprep.features.plugins.module_utils._access.rules import GRANT, Means
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account

TRAINER = Account("trainer", 54321, 54321, (54321,), "/")
MEANS = Means(os.geteuid(), GRANT, True)


def make(directory: Path, *names: str, mode: int = 0o600) -> Path:
    """The directory with files of these names, which only their owner may read."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(b"x")
        (directory / name).chmod(mode)
    return directory
