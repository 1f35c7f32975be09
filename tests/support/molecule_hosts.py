# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a container per host of molecule's inventory and writes how to reach them; called by molecule/shared/*.yml.

Usage: molecule_hosts.py create RUN-DIRECTORY NAME... | destroy RUN-DIRECTORY | watch RUN-DIRECTORY PROCESS

If molecule runs its whole sequence (molecule test), a watcher removes the hosts once molecule has ended, also if it was interrupted or
killed. Hosts of other commands (molecule converge) stay until molecule destroy.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.hosts import Hosts
from tests.support.image import Missing
from tests.support.layout import crema_d_names, write_features

CONTAINERS, CONNECTIONS = "containers", "connections.json"


def molecule_test() -> Optional[int]:
    """Return the process id of the molecule above this process if its command is test, else None."""
    process = os.getppid()
    while process > 1:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if any(os.path.basename(word) == "molecule" for word in words[:3]):
            return process if "test" in words else None
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def create(run: Path, names: List[str]) -> None:
    molecule = molecule_test()
    for name in ("key", "key.pub", "known_hosts", "tested"):
        (run / name).unlink(missing_ok=True)
    for name in ("bin", "seen", "source"):
        shutil.rmtree(run / name, ignore_errors=True)
    for folder in ("seen", "source"):
        (run / folder).mkdir(parents=True, exist_ok=True)
    (run / "tested").touch()
    write_features(run / "source", crema_d_names(6), dense=True)
    # The tests remove containers whose owner has ended; process 1 never does.
    prefix = f"tp-mol-{molecule or os.getpid()}"
    hosts = Hosts(prefix, scratch=run, owner=f"{socket.gethostname()}:{molecule or 1}")
    (run / CONTAINERS).write_text("".join(f"{prefix}-{name}\n" for name in names))
    if molecule:
        command = [sys.executable, __file__, "watch", str(run), str(molecule)]
        null = subprocess.DEVNULL
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
    reached = {name: hosts.start(name, name=f"{prefix}-{name}").variables for name in names}
    variables = {"_meta": {"hostvars": reached}, "all": {"hosts": list(reached)}}
    (run / CONNECTIONS).write_text(json.dumps(variables))


def destroy(run: Path) -> None:
    containers = run / CONTAINERS
    names = containers.read_text().split() if containers.exists() else []
    if names:
        subprocess.run(["docker", "rm", "--force", "--volumes", *names], check=False, capture_output=True)
    for file in (CONTAINERS, CONNECTIONS):
        (run / file).unlink(missing_ok=True)


def watch(run: Path, molecule: int) -> None:
    """Remove the hosts once molecule has ended, unless it did so itself."""
    while Path(f"/proc/{molecule}").exists():
        time.sleep(0.2)
    destroy(run)


if __name__ == "__main__":
    action, directory, *rest = sys.argv[1:]
    try:
        if action == "create":
            create(Path(directory), rest)
        elif action == "destroy":
            destroy(Path(directory))
        else:
            watch(Path(directory), int(rest[0]))
    except Missing as missing:
        sys.exit(str(missing))
