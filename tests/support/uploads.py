# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads that run in the background, so that a test can kill parts of them by process id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.hosts import REPOSITORY, Host, Hosts
from tests.support.waiting import descendants, kill_tree, limit, send, wait_for

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
ROLE = [{"hosts": "all", "gather_facts": False, "roles": ["trainprep.features.prepare_features"]}]


def feature_set(source: Path | str, target: str = "/data/wav", **more: Any) -> dict[str, Any]:
    """A set that has to be uploaded."""
    return {"name": "wav", "target": target, "source": str(source), "arrays": ARRAYS, **more}


def role_variables(*sets: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"prepare_features_sets": list(sets), "prepare_features_search_roots": [], **more}


def upload_task(one: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """One upload without the role; its failure does not end the play."""
    return {"trainprep.features.feature_upload": {"sets": [one], **more}, "become": True, "ignore_errors": True}


def publish_task(one: Mapping[str, Any], name: str = "wav") -> dict[str, Any]:
    publish = {"sets": [one], "uploaded": [name]}
    return {"trainprep.features.feature_prepare": publish, "become": True, "ignore_errors": True}


def unpublish(host: Host, one: Mapping[str, Any], owner: str = "root") -> None:
    """Make what was uploaded again what a run that was killed before its publication leaves."""
    from ansible.plugins.loader import init_plugin_loader

    if not any(type(finder).__name__ == "_AnsibleCollectionFinder" for finder in sys.meta_path):
        init_plugin_loader([str(REPOSITORY / "collections")])
    from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
    from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_source

    parent, name = os.path.split(one["target"])
    incoming = f"{parent}/.{name}.incoming"
    packed = classify_source(parse_sets([one])[0], one["source"]).packed
    if owner == "root":
        host.run(f"chown -R root: {one['target']}")
    host.run(f"mv {one['target']} {incoming} && chmod 700 {incoming} && umask 077 && cat > {incoming}.manifest", user=owner, input=packed)


class Background:
    """The role, running against a host, or the hosts of an inventory."""

    _count = 0

    def __init__(self, hosts: Hosts, host: Host | Path, variables: Mapping[str, Any], plays: Sequence[Any] = (),
                 env: Mapping[str, str] | None = None) -> None:  # fmt: skip
        Background._count += 1
        scratch = hosts.scratch / f"background{Background._count}"
        scratch.mkdir()
        inventory = host if isinstance(host, Path) else scratch / "inventory.ini"
        if isinstance(host, Host):
            inventory.write_text(host.inventory_line + "\n")
        (scratch / "playbook.yml").write_text(json.dumps(list(plays) or ROLE))
        self.local_tmp = scratch / "tmp"
        self.output = scratch / "output"
        environment = {**hosts.environment(scratch), "ANSIBLE_LOCAL_TEMP": str(self.local_tmp), **(env or {})}
        command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", str(inventory),
                   str(scratch / "playbook.yml"), "-e", json.dumps(dict(variables))]  # fmt: skip
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)  # fmt: skip

    @property
    def sent(self) -> int:
        """Files that rsync has sent so far."""
        count = 0
        for log in self.local_tmp.glob("**/rsync-*/log*"):
            with contextlib.suppress(FileNotFoundError):  # the upload has ended
                count += log.read_bytes().count(b"] sent <f")
        return count

    def wait_for(self, condition: Callable[[], bool], what: str) -> bool:
        """Whether it came true before the run ended."""
        came = [False]

        def over() -> bool:
            came.append(condition())
            return came[-1] or self.process.poll() is not None

        try:
            wait_for(over, what, seconds=300, pause=0.01)
        except AssertionError as error:
            kill_tree(self.process)
            raise AssertionError(f"{error}:\n{self.output.read_text()}") from None
        return came[-1]

    def descendants(self) -> dict[int, str]:
        """Process ids below this run, with their command lines."""
        found: dict[int, str] = {}
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found

    def kill(self, *programs: str) -> int:
        """SIGKILL for the upload's own processes of these programs (rsync, ssh); how many there were."""
        return self.send_signal(signal.SIGKILL, *programs)

    def send_signal(self, number: signal.Signals, *programs: str) -> int:
        """Send a signal to the upload's own processes of these programs; how many there were."""
        reached = 0
        for pid, command in self.descendants().items():
            name = os.path.basename(command.split(" ", 1)[0])
            if name in programs and ("--files-from=" in command or "feature_upload" in command):
                reached += send(pid, number)
        return reached

    def kill_everything(self) -> None:
        """SIGKILL for every process of the run on the controller."""
        kill_tree(self.process)

    def end(self) -> tuple[int, str]:
        """(return code, output)."""
        try:
            return self.process.wait(timeout=limit(300)), self.output.read_text()
        finally:
            kill_tree(self.process)


def inodes(host: Host, directory: str) -> dict[str, int]:
    """Features in a directory of the host, by name."""
    listing = host.run(f"find {directory} -maxdepth 1 -type f -name '[!.]*' -printf '%i %f\\n' 2>/dev/null || true").stdout
    return {name: int(inode) for inode, name in (line.split(" ", 1) for line in listing.splitlines())}


def received(host: Host) -> int:
    """Bytes that came in over the host's network so far."""
    return int(host.run("cat /sys/class/net/eth0/statistics/rx_bytes").stdout)
