# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks without hosts: they can be checked, and a run of them is an error."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BOOKS = sorted(path.stem for path in (REPOSITORY / "playbooks").glob("*.yml"))


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """ansible-playbook in another user's project: only the collection is known there."""
    (directory / "empty.cfg").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(directory / "empty.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
    }
    program = str(REPOSITORY / ".venv/bin/ansible-playbook")
    return subprocess.run([program, *arguments], cwd=directory, env=environment, text=True, capture_output=True, check=False)


def test_syntax_check_needs_no_inventory(tmp_path):
    (tmp_path / "site.yml").write_text("".join(f"- import_playbook: trainprep.features.{book}\n" for book in BOOKS))
    done = run(tmp_path, "--syntax-check", "site.yml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("book", "arguments", "said"),
    [
        *((book, [], "no host of the inventory matches 'all'") for book in BOOKS),
        (BOOKS[0], ["-i", "gpu,web,", "-e", "training_hosts=cpu"], "no host of the inventory matches 'cpu'"),
        (BOOKS[0], ["-i", "gpu,web,", "-e", "training_hosts=gpu", "--limit", "web"], "matches 'gpu' within --limit web"),
    ],
)
def test_a_run_without_hosts_is_an_error(tmp_path, book, arguments, said):
    done = run(tmp_path, f"trainprep.features.{book}", *arguments)
    assert done.returncode not in (0, 2)
    assert said in " ".join(done.stderr.split())
    assert "name hosts in the inventory (-i)" in " ".join(done.stderr.split())


def test_hosts_are_those_of_the_pattern_and_the_limit(tmp_path):
    done = run(tmp_path, "trainprep.features.prepare_features", "-i", "gpu1,gpu2,web,", "-e", "training_hosts=gpu*:!gpu2", "--list-hosts")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("hosts (1):")[1].split() == ["gpu1"]
