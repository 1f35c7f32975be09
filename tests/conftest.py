# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is run: ``-m "not slow"`` the unit tests that take no time, ``--full`` also the rows that `make faults` alone runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# A target host's, by ansible-test: what takes long is tested with the controller's Python.
OLD_PYTHON = sys.version_info < (3, 11)
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


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="every row of every table, every fault at every point, 50 rounds of every race")


@pytest.fixture(scope="session")
def full(request):
    """True if everything is tried; else a part that shows the same."""
    return request.config.getoption("--full")


def pytest_configure(config):
    """Declare the markers here, since ansible-test runs pytest with settings of its own."""
    config.addinivalue_line("markers", "slow: takes more than a moment, or needs hosts")
    config.addinivalue_line("markers", "full: one of many cases of a table, run with --full alone")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        deselect(config, items, "full")
    for item in items:
        if item.name.startswith(SLOW_TESTS) or (TESTS in item.path.parents and item.path.relative_to(TESTS).parts[0] in SLOW):
            item.add_marker(pytest.mark.slow)
    if OLD_PYTHON:
        deselect(config, items, "slow")


def deselect(config, items, marker):
    """Leave out the tests that have a marker."""
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(marker)])
    items[:] = [item for item in items if not item.get_closest_marker(marker)]
