# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identifier of one run of Ansible, by which a later task tells whether facts are of this run."""

from __future__ import annotations

import hashlib

from ansible import constants as C

FACT = "feature_run"


def run_id() -> str:
    """Return the identifier, the same for all hosts and tasks of a run and of no other run.

    It is made from the name of the directory for temporary files, which Ansible makes for each run before it forks.
    """
    return hashlib.sha256(str(C.DEFAULT_LOCAL_TMP).encode("utf-8", "surrogateescape")).hexdigest()[:32]
