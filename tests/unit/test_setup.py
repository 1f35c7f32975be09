# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the installed Pythons `make setup` takes. The Pythons here are scripts that say their version and cannot do more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cmp", "dirname", "rm", "sed")
SAYS = '#!/bin/bash\n[ "$1" = -c ] || exit 1\necho {}\n'
SHIM = "#!/bin/bash\nexit 127\n"
NONE = "No Python 3.11 or later found"


def command(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path):
    """A clone's script and pins, and a path with only the commands that the script needs."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "setup", tmp_path / "scripts")
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    command(tmp_path / "bin" / "id", "#!/bin/bash\necho 1000\n")
    return tmp_path


# On the path; of pyenv; in .venv; what PYTHON says; how the first line ends, or what is said instead.
CASES = {
    "newest-on-the-path": ({"python3": 11, "python3.11": 11, "python3.12": 12}, [], None, "", "Python 3.12)"),
    "newest-of-pyenv": ({"python3": 11}, ["3.8.18", "3.12.1", "3.13.0"], None, "", "Python 3.13)"),
    "pyenv-and-its-shims": ({"python3": 11, "python3.13": None}, ["3.12.1"], None, "", "Python 3.12)"),
    "python3-has-the-pins": ({"python3": 13, "python3.12": 12}, [], None, "", "Python 3.13)"),
    "newer-than-the-pins": ({"python3": 15}, [], None, "", "Python 3.15)"),
    "pins-before-newer": ({"python3": 14, "python3.12": 12}, [], None, "", "Python 3.12)"),
    "named": ({"python3.13": 13, "mine": 11}, [], None, "mine", "Python 3.11)"),
    "named-too-old": ({"python3.13": 13, "mine": 8}, [], None, "mine", "PYTHON=mine does not run, or is older than 3.11"),
    "named-and-gone": ({"python3.13": 13}, [], None, "gone", "PYTHON=gone does not run"),
    "the-environment-stays": ({"python3.13": 13}, [], 11, "", "Python 3.11)"),
    "too-old": ({"python3": 9, "python3.11": None}, ["3.10.2"], None, "", NONE),
    "none": ({}, [], None, "", NONE),
}


@pytest.mark.parametrize("name", CASES)
def test_make_setup_takes_the_newest_installed_python(clone, name):
    on_path, pyenv, environment, named, said = CASES[name]
    for python, minor in on_path.items():
        command(clone / "bin" / python, SHIM if minor is None else SAYS.format(minor))
    for version in pyenv:
        command(clone / "pyenv" / "versions" / version / "bin" / "python3", SAYS.format(version.split(".")[1]))
    if environment:
        command(clone / ".venv" / "bin" / "python", SAYS.format(environment))
    done = subprocess.run([clone / "scripts" / "setup", "run"], check=False, capture_output=True, text=True,
                          env={"PATH": str(clone / "bin"), "PYENV_ROOT": str(clone / "pyenv"), **({"PYTHON": named} if named else {})})
    text = (done.stdout + done.stderr).splitlines()
    assert said in text[0] and done.returncode != 0, text
    # It ends where a Python would have to make the environment.
    assert text[0].startswith("Setting up .venv with Ansible (run, ") == said.startswith("Python 3."), text


def test_apt_get_waits_for_whoever_holds_its_lock(clone):
    """As root on Debian, where the package with Python's venv module is missing."""
    command(clone / "bin" / "python3", SAYS.format(13))
    command(clone / "bin" / "id", "#!/bin/bash\necho 0\n")
    command(clone / "bin" / "apt-get", '#!/bin/bash\necho "$*" >> "$0.calls"\n')
    subprocess.run([clone / "scripts" / "setup", "run"], check=False, capture_output=True,
                   env={"PATH": str(clone / "bin"), "PYENV_ROOT": str(clone / "pyenv")})
    calls = (clone / "bin" / "apt-get.calls").read_text().splitlines()
    assert len(calls) == 2 and all("-o DPkg::Lock::Timeout=300" in call for call in calls), calls


@pytest.mark.parametrize("compiled", [True, False])
def test_an_environment_without_bytecode_is_not_complete(clone, compiled):
    command(clone / ".venv" / "bin" / "python", SAYS.format(13))
    command(clone / ".venv" / "bin" / "ansible-playbook", "#!/bin/bash\n")
    shutil.copy(clone / "requirements" / "run-py3.13.txt", clone / ".venv" / ".stamp-run")
    if compiled:
        (clone / ".venv/lib/python3.13/site-packages/ansible/__pycache__").mkdir(parents=True)
    done = subprocess.run([clone / "scripts" / "setup", "run"], check=False, capture_output=True, text=True,
                          env={"PATH": str(clone / "bin")})
    assert (done.returncode == 0) == compiled and done.stdout.startswith("Setting up") != compiled, done.stdout + done.stderr
