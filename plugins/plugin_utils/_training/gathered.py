# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the page of the trainings without the callback: each host's task adds its host to the files of this run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils import run_id
from ansible_collections.trainprep.features.plugins.plugin_utils._report.callbacks import TRAININGS, is_listening
from ansible_collections.trainprep.features.plugins.plugin_utils._training.files import write_training
from ansible_collections.trainprep.features.plugins.plugin_utils._training.fleet import Host, assemble, host_entry


def add_host(directory: str, host: str, info: Mapping[str, Any], playbook: str) -> list[str]:
    """Add a host to training.json and training.html, unless the callback writes them; return their paths.

    A report of another run is replaced. OSError if the directory cannot be created or written.
    """
    if not directory or is_listening(TRAININGS):
        return []
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    run, now = run_id.run_id(), datetime.now(UTC)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = host_entry(host, Host(info), now)
        others = [one for one in _hosts_of(folder / "training.json", run) if one["host"] != entry["host"]]
        return write_training(directory, assemble([*others, entry], playbook, now, run))
    finally:
        os.close(lock)


def _hosts_of(path: Path, run: str) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["run"] == run:
            return list(found["hosts"])
    return []
