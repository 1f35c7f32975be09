# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Python that has pins, from a fresh clone of the last commit; the one of this checkout's .venv is what all other checks run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.matrix.combinations import NOTES, REPOSITORY, Minor, clones, find_python
from tests.support.ec2 import Ec2
from tests.support.hosts import Hosts

# amazon.aws prints these in each run: the one whether the variable is used or not, the other in the version for ansible-core 2.19.
NOT_OURS = ("The 'tags' host variable is deprecated. Use 'ec2_tags' instead.", "Passing `disable_lookups` to `template` is deprecated.")


class Clone:
    """A clone with a .venv of its own."""

    def __init__(self, python: Minor) -> None:
        self.folder = NOTES.parent / f"python3.{python}"
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, self.folder], check=True)
        path = os.environ["PATH"].split(os.pathsep)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_", "VIRTUAL_"))}
        self.environment |= {
            "PATH": os.pathsep.join([str(self.folder / ".venv/bin"), *(part for part in path if ".venv" not in part)]),
            "PYTHON": str(find_python(python)),
            "ANSIBLE_HOME": str(self.folder / ".build/ansible"),
            "ANSIBLE_DEPRECATION_WARNINGS": "true",
        }

    def run(self, *command: str, **environment: str) -> str:
        """What a command said, which has to end well."""
        done = subprocess.run(command, cwd=self.folder, env={**self.environment, **environment}, check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def ec2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2]:
    started = Ec2(tmp_path_factory.mktemp("ec2") / "log")
    started.launch({"Name": "gpu", "Role": "training"})
    yield started
    started.stop()


def deprecations(output: str) -> list[str]:
    lines = [" ".join(line.split()) for line in output.splitlines() if "DEPRECATION WARNING" in line]
    return [line for line in lines if not any(known in line for known in NOT_OURS)]


def main_job_as_documented(clone: Clone, ec2: Ec2, hosts: Hosts) -> None:
    """The demo, and the literal command; only the way to the instance is replaced."""
    assert deprecations(clone.run("scripts/check_demo")) == []
    machine = hosts.start("ec2", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    reach = {"ansible_host": machine.address, "ansible_port": machine.port, "ec2_private_key_file": str(machine.key),
             "ansible_ssh_common_args": " ".join(machine.ssh_options)}
    output = clone.run("ansible-playbook", "prepare_features.yml", "-i", "inventory/ec2", "-e", json.dumps(reach), **ec2.environment)
    assert deprecations(output) == [] and "changed=1" in output
    assert machine.run("find -L /data -name '*.npz' | wc -l").stdout.strip() == "32"


@pytest.mark.parametrize("python", clones() or [sys.version_info.minor], ids=lambda python: f"3.{python}")
def test_fresh_clone(python: Minor, ec2: Ec2, hosts: Hosts, note: Callable[..., None], short: bool) -> None:
    clone = Clone(python)
    clone.run("make", "setup")
    main_job_as_documented(clone, ec2, hosts)
    if short:
        return
    clone.run("make", "setup-dev")
    output = clone.run(".venv/bin/pytest", "-q", "tests/unit", "tests/system/test_inventory.py")
    assert "skipped" not in output.splitlines()[-1], output
    clone.run("scripts/check_sanity", "sanity")
    note(f"python3.{python}", result="passes")
