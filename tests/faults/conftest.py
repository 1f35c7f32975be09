# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault suite's tally, and the table at its end."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support import fault_cases
from tests.support.fault_table import BUILD, read, summary, table
from tests.support.faults import COLLECTIONS, REPOSITORY, Modules, Tally, ensure_tools
from tests.support.layout import crema_d_names

sys.path.insert(0, str(COLLECTIONS))

# What the controller sends with an upload: the source's manifest.
PACK = """
import json, sys
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import pack_manifest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_source
print(pack_manifest(classify_source(parse_sets([json.loads(sys.argv[1])])[0], sys.argv[2]).manifest))
"""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        shutil.rmtree(BUILD / "results", ignore_errors=True)
    (BUILD / "results").mkdir(parents=True, exist_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tallies = read()
    for line in table(tallies):
        terminalreporter.write_line(line)
    for tally in tallies:
        for reason in tally.not_run:
            terminalreporter.write_line(f"not run: {tally.title}: {reason}")
    (BUILD / "table.md").write_text("\n".join(table(tallies)) + "\n")
    terminalreporter.write_line(summary(tallies))


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    ensure_tools()
    # Each module is a process of its own that writes no bytecode: a third of its time would be compiling.
    compileall.compile_dir(REPOSITORY / "plugins", quiet=2)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Tally]]:
    """``tally(title)``: the row of the table that this test adds to. What it finds broken fails the test at its end."""
    made: list[Tally] = []

    def make(title: str) -> Tally:
        made.append(Tally(title))
        return made[-1]

    yield make
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.nodeid)
    (BUILD / "results" / f"{name}.json").write_text(json.dumps([asdict(one) for one in made]))
    broken = [f"{one.title}: {violation}"[:1000] for one in made for violation in one.violations]
    if broken:
        pytest.fail("\n".join(broken[:10]), pytrace=False)


@pytest.fixture(scope="session")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str]], tuple[Path, Path]]:
    """``upload(names)``: (what an upload of small features that was not published has left, its source)."""

    def send(names: Sequence[str]) -> tuple[Path, Path]:
        root = tmp_path_factory.mktemp("uploaded")
        (root / "host" / "data").mkdir(parents=True)
        for name in names:
            fault_cases.feature(root / "source" / name)
        one = fault_cases.one_set(root / "host", source=f"{root}/source")
        packed = subprocess.run([sys.executable, "-c", PACK, json.dumps(one), str(root / "source")], check=True, text=True,
                                capture_output=True, env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}).stdout  # fmt: skip
        stage = {"sets": [one], "user": fault_cases.USER, "step": "stage"}
        stage["request"] = {"sources": {"w": packed.strip()}, "connecting_uid": os.geteuid(), "streams": 0}
        ran = Modules(root).run("feature_transfer", stage)
        assert ran.code == 0, ran
        for name in names:
            shutil.copy(root / "source" / name, root / "host" / "data" / ".w.incoming" / name)
        return root / "host", root / "source"

    return send


@pytest.fixture(scope="session")
def uploaded(upload: Callable[[Sequence[str]], tuple[Path, Path]]) -> tuple[Path, Path]:
    """An upload of three features."""
    return upload(crema_d_names(3))


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the test's own that other accounts may pass."""
    path = Path(tempfile.mkdtemp(prefix="tp-fault-", dir="/var/tmp")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
