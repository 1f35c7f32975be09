# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of a user's own, with the collection installed from its archive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.hosts import REPOSITORY

BIN = REPOSITORY / ".venv" / "bin"


def readme_blocks(language: str) -> list[str]:
    """The code blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def readme_config() -> str:
    """The README's ansible.cfg, for collections in the folder `collections` of the project."""
    return readme_blocks("ini")[0].replace("[defaults]\n", "[defaults]\ncollections_path = collections\n")


def user_environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of this repository's Ansible is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {**kept, "HOME": str(home), "ANSIBLE_NOCOLOR": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}


def install_collection(project: Path, work: Path) -> None:
    """Build the archive of what git knows, in an empty folder, and install it into `project/collections`."""
    listing = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    source = work / "source"
    for name in filter(None, listing.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, source / name)
    archive = work / "trainprep-features-1.0.0.tar.gz"
    for words in (["build", "--output-path", work, source], ["install", "--offline", "--no-deps", "-p", "collections", archive]):
        command = [BIN / "ansible-galaxy", "collection", *words]
        done = subprocess.run(command, cwd=project, env=user_environment(work), check=False, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
