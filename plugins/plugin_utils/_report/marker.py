# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an action plugin, which runs in a forked worker, knows that the callback of a fleet report listens.

The callback leaves its process id in the environment; workers inherit it. The id keeps an Ansible that was started from
within a run (a task that calls ansible-playbook) from taking its grandparent's callback for its own.
"""

from __future__ import annotations

import os

FEATURES = "trainprep.features.feature_report"
TRAININGS = "trainprep.features.training_report"


def announce(callback: str) -> None:
    """Called by the callback in Ansible's main process."""
    os.environ[_marker(callback)] = str(os.getpid())


def is_listening(callback: str) -> bool:
    """Whether the callback is enabled in the run that this process (main or worker) belongs to."""
    return os.environ.get(_marker(callback)) in (str(os.getpid()), str(os.getppid()))


def _marker(callback: str) -> str:
    return "_" + callback.upper().replace(".", "_") + "_CALLBACK"
