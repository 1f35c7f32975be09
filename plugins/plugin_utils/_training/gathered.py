# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the page of the trainings without the callback: each host's task adds its host to the files of this run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.callbacks import TRAININGS
from ansible_collections.trainprep.features.plugins.plugin_utils._report.gathered import add_entry
from ansible_collections.trainprep.features.plugins.plugin_utils._training.files import write_training
from ansible_collections.trainprep.features.plugins.plugin_utils._training.fleet import Host, assemble, host_entry


def add_host(directory: str, host: str, info: Mapping[str, Any], playbook: str) -> list[str]:
    """Add a host to training.json and training.html, unless the callback writes them; return their paths.

    A report of another run is replaced. OSError if the directory cannot be created or written.
    """
    now = datetime.now(UTC)

    def write(hosts: list[dict[str, Any]], run: str) -> list[str]:
        return write_training(directory, assemble(hosts, playbook, now, run))

    return add_entry(directory, TRAININGS, "training.json", host_entry(host, Host(info), now), write)
