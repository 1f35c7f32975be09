# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an action plugin, which runs in a forked worker, knows that the fleet report's callback listens.

The callback leaves its process id in the environment; workers inherit it. The id keeps an Ansible that was started from
within a run (a task that calls ansible-playbook) from taking its grandparent's callback for its own.
"""

from __future__ import annotations

import os

MARKER = "_TRAINPREP_FEATURES_REPORT_CALLBACK"
CALLBACK = "trainprep.features.feature_report"


def announce() -> None:
    """Called by the callback in Ansible's main process."""
    os.environ[MARKER] = str(os.getpid())


def is_listening() -> bool:
    """Whether the callback is enabled in the run that this process (main or worker) belongs to."""
    return os.environ.get(MARKER) in (str(os.getpid()), str(os.getppid()))
