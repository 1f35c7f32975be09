# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of the corpus, and the collection for plain pytest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(Path(__file__).resolve().parents[2] / "collections")])

TALLY: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus", type=int, default=2000, metavar="N", help="number of archives to compare with numpy (default: 2000)"
    )


@pytest.fixture(scope="session")
def corpus_size(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--corpus"))


@pytest.fixture(scope="session")
def tally() -> list[str]:
    """Lines for the end of the run: how much was tried."""
    return TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in TALLY:
        terminalreporter.write_line(line)
