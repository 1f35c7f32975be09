# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule by hand, in the activated environment, without scripts/molecule. The check `molecule` runs the scenarios."""

from __future__ import annotations

import os
import signal
import subprocess

from tests.support.hosts import REPOSITORY
from tests.support.installed import BIN
from tests.support.waiting import background, limit, wait_for


def containers(prefix):
    done = subprocess.run(["docker", "ps", "-a", "--filter", f"name={prefix}", "--format", "{{.Names}}"], check=True,
                          capture_output=True, text=True)
    return done.stdout.split()


def test_an_interrupted_molecule_test_leaves_no_host(hosts, short_path):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "MOLECULE_EPHEMERAL_DIRECTORY": str(short_path)}
    where = {"cwd": REPOSITORY, "env": environment}
    with (short_path / "log").open("w") as log, background(["molecule", "test"], **where, stdout=log, stderr=log) as run:
        prefix = f"tp-mol-{run.pid}-"
        wait_for(lambda: (short_path / "connections.json").exists() or run.poll() is not None, "the hosts", seconds=300)
        assert containers(prefix), (short_path / "log").read_text()
        os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C on a terminal
        run.wait(timeout=limit(300))
    wait_for(lambda: not containers(prefix), f"{containers(prefix)} are left")
