# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast loop: ``pytest -m "not slow"`` runs the unit tests that take no time, and collects nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Tests on containers, of damaged files by the thousand, and the like. Everything in these directories is slow.
SLOW = {"corpus", "faults", "matrix", "property", "system"}
# Unit tests that take a second or more: those that start Ansible, kill at every step, or write large files. Beginnings of names.
SLOW_TESTS = (
    "test_a_clone_works",
    "test_a_hostile_log",
    "test_a_log_of_any_size",
    "test_a_run_without_hosts",
    "test_an_execution_environment",
    "test_any_log_is_read",
    "test_archives_of_one_extractor",
    "test_hosts_are_those_of_the_pattern",
    "test_killed_at_every_step",
    "test_many_members",
    "test_the_last_runs_of_a_session",
    "test_the_next_run_finishes",
    "test_2000_files",
    "test_syntax_check",
)


def pytest_ignore_collect(collection_path, config):
    """Without the slow directories, collecting takes seconds."""
    if config.getoption("markexpr") == "not slow" and collection_path.parent == TESTS and collection_path.name in SLOW:
        return True
    return None


def pytest_configure(config):
    """Declare the marker here, since ansible-test runs pytest with settings of its own."""
    config.addinivalue_line("markers", "slow: takes more than a moment, or needs hosts")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.name.startswith(SLOW_TESTS) or (TESTS in item.path.parents and item.path.relative_to(TESTS).parts[0] in SLOW):
            item.add_marker(pytest.mark.slow)
