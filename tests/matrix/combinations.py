# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that the documentation names, and which of them this machine can have."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

Minor = int  # of Python 3

# What a run writes down, for the last line of all and for the documentation.
NOTES = REPOSITORY / ".build" / "matrix" / "notes"


@dataclass(frozen=True)
class Core:
    """A version of ansible-core, the Pythons (3.x) that it supports on either side, and the month of its last release."""

    version: str
    controller: tuple[Minor, Minor]
    hosts: tuple[Minor, Minor]
    end: str

    @property
    def series(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def is_final(self) -> bool:
        """Whether a failure counts; a version that is not out yet is run for information."""
        return self.version.replace(".", "").isdigit()


CORES = (
    Core("2.18.19", (11, 13), (8, 13), "May 2026"),
    Core("2.19.14", (11, 13), (8, 13), "November 2026"),
    Core("2.20.10", (12, 14), (9, 14), "May 2027"),
    Core("2.21.5", (12, 14), (9, 14), "November 2027"),
    Core("2.22.0rc1", (13, 15), (9, 15), "May 2028"),
)


def pinned() -> list[Minor]:
    """The Pythons that `make setup` has pins for."""
    return sorted(int(path.stem.rpartition(".")[2]) for path in (REPOSITORY / "requirements").glob("run-py3.*.txt"))


def pin(package: str, python: Minor) -> str:
    """The version of a package that `make setup` installs for a Python."""
    lines = (REPOSITORY / "requirements" / f"run-py3.{python}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


@functools.cache
def find_python(minor: Minor) -> Path | None:
    """A Python 3.x of this machine that runs: one of pyenv's, or on the path; a shim may lead to nothing."""
    root = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    candidates = [*sorted(root.glob(f"versions/3.{minor}.*/bin/python3.{minor}")), shutil.which(f"python3.{minor}")]
    for candidate in filter(None, candidates):
        program = "import sys; print(sys.version_info[1], sys._base_executable)"
        done = subprocess.run([candidate, "-c", program], check=False, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.split()[0] == str(minor):
            return Path(done.stdout.split()[1]).resolve()
    return None


def controller_python(core: Core) -> Path | None:
    """The oldest Python of this machine that a version of ansible-core runs on."""
    first, last = core.controller
    return next(filter(None, map(find_python, range(first, last + 1))), None)


def host_pythons(core: Core) -> list[Path]:
    """The oldest and the newest Python of this machine that hosts can have too; without any, what the hosts have themselves."""
    first, last = core.hosts
    # One of the system's lies in /usr, where a container has its own.
    found = [python for python in map(find_python, range(first, last + 1)) if python and python.parents[1] != Path("/usr")]
    return [found[0], found[-1]] if len(found) > 1 else found or [Path("/usr/bin/python3")]


def clones() -> list[Minor]:
    """The pinned Pythons that are tried in clones: those of this machine but the one that all other checks run with."""
    return [python for python in pinned() if python != sys.version_info[1] and find_python(python)]


def lacking() -> list[str]:
    """What the documentation names and this machine cannot have."""
    wanted = {*pinned(), *(minor for core in CORES for minor in (core.controller[0], *core.hosts))}
    pythons = [f"Python 3.{minor}" for minor in sorted(wanted) if not find_python(minor)]
    return pythons + [f"ansible-core {core.version}" for core in CORES if not controller_python(core)]
