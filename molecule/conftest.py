# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all verifiers: the facts that converge kept, and what is on the host's disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

RUN = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]

# Runs on the host: lists a directory.
LOOK = """
import json, os, sys
seen = {"links": {}, "files": [], "dangling": [], "unreadable": []}
top = sys.argv[1]
for name in sorted(os.listdir(top)):
    path = os.path.join(top, name)
    if os.path.islink(path):
        seen["links"][name] = os.readlink(path)
        if not os.path.exists(path):
            seen["dangling"].append(name)
            continue
    else:
        seen["files"].append(name)
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PK" + bytes([3, 4]):
                seen["unreadable"].append(name)
    except OSError as error:
        seen["unreadable"].append(name + ": " + str(error))
print(json.dumps(seen))
"""


@pytest.fixture(autouse=True)
def tested(host):
    """Note that this host was tested: scripts/molecule compares with the inventory."""
    hostname = host.backend.get_pytest_id().split("://")[-1]
    with (RUN / "tested").open("a") as file:
        file.write(f"{SCENARIO} {hostname}\n")
    return hostname


@pytest.fixture
def name(tested):
    """The host's name in the inventory."""
    return tested


@pytest.fixture
def before(name):
    """The facts before the role's first run."""
    return json.loads((RUN / "seen" / f"{name}.before.json").read_text())


@pytest.fixture
def after(name):
    """The facts that the role's last run left."""
    return json.loads((RUN / "seen" / f"{name}.after.json").read_text())


@pytest.fixture
def tree_before(name):
    return sorted((RUN / "seen" / f"{name}.tree").read_text().splitlines())


@pytest.fixture
def tree(host):
    """Every file of the host as prepare.yml notes it."""
    return sorted(host.run(r"find /home /data /mnt -printf '%p|%y|%m|%u|%g|%s|%T@|%C@|%l\n'").stdout.splitlines())


@pytest.fixture
def look(host):
    """``look(directory)``: links, files, dangling, unreadable, as the connecting user sees them."""

    def look_at(directory):
        with host.sudo("ubuntu"):
            return json.loads(host.check_output("python3 -c %s %s", LOOK, directory))

    return look_at
