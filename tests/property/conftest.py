# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection for plain pytest, and how long to search."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(Path(__file__).resolve().parents[2] / "collections")])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runs", type=int, default=100, metavar="N", help="number of random hosts to try (default: 100)")


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--runs"))
