# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the system tests. Without a Docker engine they fail, saying what is missing: nothing is skipped."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from tests.support.hosts import Host, Hosts, PlayResult
from tests.support.image import Missing

if not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(Path(__file__).resolve().parents[2] / "collections")])


# Files that take a minute or more, longest first: started last, one of them would keep one process busy while the others idle.
LONGEST = ("peers_faults", "become", "training_stop", "training", "peers", "upload_lines", "upload", "training_project",
           "training_hosts", "pairs", "attacks", "prepare_mess", "upload_killed", "upload_rclone", "file_systems", "access",
           "fleet")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    order = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    """Starts hosts and plays; everything is removed when the session ends."""
    try:
        started = Hosts()
    except Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    yield started
    started.close()


@pytest.fixture(scope="module")
def start_host(hosts: Hosts) -> Iterator[Callable[..., Host]]:
    """``start_host(name_prefix, **options) -> Host`` (see `Hosts.start`); removed when the module's tests end."""
    mine = []

    def start(name_prefix: str = "host", **options: Any) -> Host:
        mine.append(hosts.start(name_prefix, **options))
        return mine[-1]

    yield start
    hosts.remove(mine)


@pytest.fixture(scope="module")
def ssh_host(start_host: Callable[..., Host]) -> Host:
    """One host for all tests of a module."""
    return start_host()


@pytest.fixture(scope="session")
def play(hosts: Hosts) -> Callable[..., PlayResult]:
    """``play(hosts, playbook, extra_vars={}, check=False, diff=False, args=[]) -> PlayResult`` (see `Hosts.play`)."""
    return hosts.play


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short name: SSH's control socket lies below it, and its path may not exceed some 100 characters."""
    with tempfile.TemporaryDirectory(prefix="tp-", dir="/tmp") as name:
        yield Path(name)
