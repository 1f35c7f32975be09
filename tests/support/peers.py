# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets whose hosts hand features to each other: containers on one bridge, each reached by the others at its own address."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.hosts import Host, PlayResult
from tests.support.relay import Gate, lines
from tests.support.uploads import ARRAYS

OLD = "/home/ubuntu/old"
SET: dict[str, Any] = {"name": "wav", "target": "/data/wav", "legacy": [OLD], "arrays": ARRAYS}
MARKED = "grep -h trainprep /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys"


# What a test leaves on a host. Connections of Ansible's stay.
CLEAN = (
    "for name in rsync python3 ssh flock sleep; do pkill -9 -x $name; done;"
    " rm -rf /data /srv/* /home/ubuntu/* /home/ubuntu/.cache /var/cache/trainprep.features /tmp/* /tmp/.[!.]* /root/*;"
    " cat > /home/ubuntu/.ssh/authorized_keys"
)


class Pool:
    """The hosts of a module, lent to one test after the other; each gets them empty."""

    def __init__(self, start: Callable[..., Host]) -> None:
        self.start = start
        self.hosts: list[Host] = []

    def take(self, count: int) -> list[Host]:
        """That many, to be left as they are but for files and processes."""
        while len(self.hosts) < count:
            self.hosts.append(self.start(f"gpu{len(self.hosts)}"))
        for host in self.hosts[:count]:
            host.run(CLEAN, check=False, input=host.key.with_suffix(".pub").read_text())
        return self.hosts[:count]


def address(host: Host) -> str:
    """The host's own address on the bridge."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return subprocess.run(["docker", "inspect", "-f", form, host.name], check=True, text=True, capture_output=True).stdout.strip()


def inventory(path: Path, hosts: Sequence[Host], **more: Any) -> Path:
    """An inventory in which the controller uses the published ports, and the hosts each other's addresses."""
    members = {host.name: {**host.variables, "prepare_features_peer_address": f"{address(host)}:22", **more} for host in hosts}
    path.write_text(json.dumps({"all": {"hosts": members}}))
    return path


@contextlib.contextmanager
def behind_a_line(hosts: Sequence[Host], rate: float = 0.0, gate: Gate | None = None) -> Iterator[list[Host]]:
    """The same hosts, which the controller reaches over one line, and each other directly. rate: bytes a second, 0: no limit."""
    with lines([host.port for host in hosts], rate=rate, gate=gate) as ports:
        through = [dataclasses.replace(host, port=port) for host, port in zip(hosts, ports, strict=True)]
        for host in through:
            key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
            with host.known_hosts.open("a") as known:
                known.write(f"[127.0.0.1]:{host.port} {key[0]} {key[1]}\n")
        yield through


def variables(*sets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"prepare_features_sets": list(sets) or [SET], "prepare_features_search_roots": [], "prepare_features_peers": "all", **more}


def digests(host: Host, directory: str = "/data/wav") -> str:
    return host.run(f"cd {directory} && find -L . -type f -print0 | sort -z | xargs -0 sha256sum").stdout


def size_of(host: Host, directory: str = "/data/wav") -> int:
    return int(host.run(f"du -bL {directory} | tail -1").stdout.split()[0])


def moved(host: Host, way: str) -> int:
    """Bytes that have left (C(tx)) or reached (C(rx)) the host's network interface."""
    return int(host.run(f"cat /sys/class/net/eth0/statistics/{way}_bytes").stdout)


def left_behind(host: Host) -> str:
    """Keys of ours, and what a transfer keeps in temporary directories."""
    return host.run(f"{MARKED}; ls -A /tmp", check=False).stdout


def done_of(result: PlayResult, host: Host) -> list[dict[str, Any]]:
    """What each feature_upload of the play did for a host, by set."""
    return [event["result"]["sets"] for event in result.results(host, "trainprep.features.feature_upload") if "sets" in event["result"]]


def origins(result: PlayResult, hosts: Sequence[Host], name: str = "wav") -> list[str | None]:
    """The host that each host's set came from, None for the source."""
    return [done_of(result, host)[-1][name].get("fetched_from") for host in hosts]
