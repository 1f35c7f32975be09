# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each combination shares: hosts, the built archive, and the notes of what was run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.combinations import NOTES, REPOSITORY, lacking
from tests.support.hosts import Hosts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--short", action="store_true", help="released versions; of each Python set-up, the demo, and the literal command")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A version that is not out yet is run for information, by `make matrix` alone."""
    if config.getoption("--short"):
        left_out = [item for item in items if isinstance(item, pytest.Function) and not is_final(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def is_final(item: pytest.Function) -> bool:
    """Whether a test's ansible-core is released; tests of something else count as well."""
    core = item.callspec.params.get("core")
    return core is None or core.is_final


@pytest.fixture
def short(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--short"))


def pytest_configure(config: pytest.Config) -> None:
    """The notes of an earlier run say nothing about this one."""
    if not hasattr(config, "workerinput") and not config.getoption("--short"):
        shutil.rmtree(NOTES, ignore_errors=True)
    NOTES.mkdir(parents=True, exist_ok=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What this machine cannot have, for the last line of all; and versions that are not out yet."""
    for one in lacking():
        terminalreporter.write_line(f"not run: {one} is not on this machine")
    for note in [] if terminalreporter.config.getoption("--short") else sorted(NOTES.glob("*.told")):
        terminalreporter.write_line(note.read_text())


@pytest.fixture
def note() -> Callable[..., None]:
    """``note(name, **facts)`` writes down what was run, for the table."""

    def write(name: str, **facts: Any) -> None:
        (NOTES / f"{name}.json").write_text(json.dumps(facts))

    return write


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    started = Hosts(prefix="tp-matrix")
    yield started
    started.close()


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with the built archive, installed as Galaxy's are, alone: it depends on no other."""
    scratch = tmp_path_factory.mktemp("collections")
    subprocess.run([REPOSITORY / "scripts/build", scratch], check=True, stdout=subprocess.DEVNULL)
    archive = next(scratch.glob("trainprep-features-*.tar.gz"))
    tools = Path(sys.executable).parent
    subprocess.run([tools / "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", scratch, archive],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=scratch)
    return scratch
