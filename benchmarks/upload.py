# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole role against a bare ``rsync -a`` and against tar.gz + scp + unpack, over SSH, in one run.

2,000 features of 0.4 MB, as random as real ones. The role looks, judges, transfers, publishes, looks again and reports. The ways
take turns, so that whatever else the machine does meets them alike, each into a directory of its own; the best of each counts.

Then 600 features: over the loopback, where what counts is how much the role adds to rsync, in plays that only ping; and over a line
of 80 ms and 1 Gbit/s, which one connection does not fill. At last an upload of 600 features that is killed 20 times, with four
streams (`make test` kills it 6 times): how many bytes went over the line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import ON_DISK, REPOSITORY, Row, book_of, inventory_of, playbook_command, run, save

from tests.support.hosts import Host, Hosts
from tests.support.layout import crema_d_names, write_wav2vec
from tests.support.relay import line
from tests.support.uploads import feature_set, role_variables

# As the playbooks of the collection use it.
ROLE = {"ansible.builtin.import_role": {"name": "trainprep.features.prepare_features", "rolespec_validate": False}}
PING = {"ansible.builtin.ping": {}}
AT_MOST_RSYNC, AT_LEAST_TAR = 2.5, 4.0
AT_MOST_PINGS, AT_MOST_LONG = 3.0, 0.45
FEWER = 600
ROUND_TRIP, GIGABIT = 0.08, 125_000_000.0


def bare_rsync(host: Host, source: Path, ssh: str, target: str) -> None:
    subprocess.run(["rsync", "-a", "-e", ssh, f"{source}/", f"{host.user}@{host.address}:{target}/"], check=True)


def archive(host: Host, source: Path, ssh: str, target: str) -> None:
    """As the shell scripts did it: packed, copied, unpacked into the live directory."""
    packed = source.parent / "features.tar.gz"
    subprocess.run(["tar", "-czf", str(packed), "-C", str(source), "."], check=True)
    scp = shlex.split(ssh.replace("ssh ", "scp ", 1).replace(" -p ", " -P "))
    command = [*scp, str(packed), f"{host.user}@{host.address}:/data/up.tgz"]
    subprocess.run(command, check=True)
    host.ssh(f"mkdir -p {target} && tar -xzf /data/up.tgz -C {target} && rm /data/up.tgz")
    packed.unlink()


class Plays:
    """The plays against one host, as a user runs them: no wrapper counts what they execute."""

    def __init__(self, scratch: Path, host: Host) -> None:
        self._inventory = inventory_of(scratch / f"{host.port}.json", [host])
        self._ping, self._role = book_of(scratch / "ping.yml", PING), book_of(scratch / "role.yml", ROLE)

    def ping(self) -> None:
        run(playbook_command(self._inventory, self._ping))

    def role(self, source: Path, target: str) -> None:
        variables = json.dumps(role_variables(feature_set(source, target)))
        run([*playbook_command(self._inventory, self._role), "-e", variables])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-kills", action="store_true")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="upload-", dir="/tmp"))
    hosts = Hosts(prefix="tp-bench")
    try:
        source = scratch / "source"
        source.mkdir()
        for name in crema_d_names(options.files):
            write_wav2vec(source / name, frames=130, dense=True)
        host = hosts.start("upload", args=ON_DISK)
        host.run("mkdir -p /data && chown ubuntu /data")
        ssh = shlex.join(["ssh", *host.ssh_options, "-i", str(host.key), "-p", str(host.port)])
        plays = Plays(scratch, host)
        ways = {
            "rsync": lambda target: bare_rsync(host, source, ssh, target),
            "role": lambda target: plays.role(source, target),
            "tar.gz + scp": lambda target: archive(host, source, ssh, target),
        }
        seconds: dict[str, list[float]] = {}
        for turn in range(options.rounds):
            # The slow one once is enough.
            for name in list(ways)[: 3 if turn == 0 else 2]:
                # Nothing is deleted in between: ext4 is slow to make files where many have just been deleted.
                target = f"/data/{turn}-{name.partition('.')[0]}"
                began = time.monotonic()
                ways[name](target)
                seconds.setdefault(name, []).append(round(time.monotonic() - began, 2))
                count = int(host.run(f"ls {target} | wc -l").stdout)
                if count != options.files:
                    sys.exit(f"{name}: {count} files have arrived")
                host.run("sync")
        best = {name: min(values) for name, values in seconds.items()}
        size = sum(path.stat().st_size for path in source.iterdir())
    finally:
        hosts.close()
        shutil.rmtree(scratch, ignore_errors=True)
    detail = f"{options.files:,} files, {size / 1e6:,.0f} MB; seconds: " + ", ".join(
        f"{name} {value:.1f}" for name, value in best.items()
    )
    rows = [
        Row("upload: whole role / bare rsync -a", best["role"] / best["rsync"], "<=", AT_MOST_RSYNC, detail),
        Row("upload: tar.gz + scp + unpack / whole role", best["tar.gz + scp"] / best["role"], ">=", AT_LEAST_TAR, detail),
    ]
    rows += adds_and_long_line(options.rounds)
    save("upload", rows)
    if not options.no_kills:
        save("killed", [killed()])


def ssh_to(host: Host) -> str:
    return shlex.join(["ssh", *host.ssh_options, "-i", str(host.key), "-p", str(host.port)])


def adds_and_long_line(rounds: int) -> list[Row]:
    """What the role adds to rsync where the line is short, and what it saves where that is long."""
    scratch = Path(tempfile.mkdtemp(prefix="upload-", dir="/tmp"))
    hosts = Hosts(prefix="tp-bench")
    try:
        source = scratch / "source"
        source.mkdir()
        for name in crema_d_names(FEWER):
            write_wav2vec(source / name, frames=130, dense=True)
        size = sum(path.stat().st_size for path in source.iterdir())
        host = hosts.start("upload", args=ON_DISK)
        host.run("mkdir -p /data && chown ubuntu /data")
        near = timed(Plays(scratch, host), host, source, rounds, "near")
        with line(host.port, round_trip=ROUND_TRIP, rate=GIGABIT) as port:
            key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
            with host.known_hosts.open("a") as known:
                known.write(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
            distant = dataclasses.replace(host, port=port)
            far = timed(Plays(scratch, distant), distant, source, rounds, "far")
    finally:
        hosts.close()
        shutil.rmtree(scratch, ignore_errors=True)
    about = f"{FEWER} files, {size / 1e6:,.0f} MB; seconds: "
    return [
        Row("upload over the loopback: whole role minus bare rsync -a, in ping plays", (near["role"] - near["rsync"]) / near["ping"],
            "<=", AT_MOST_PINGS, about + told(near)),
        Row("upload over 80 ms and 1 Gbit/s: whole role minus 3 ping plays / bare rsync -a", (far["role"] - 3 * far["ping"]) / far["rsync"],
            "<=", AT_MOST_LONG, about + told(far)),
    ]  # fmt: skip


def told(best: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in best.items())


def timed(plays: Plays, host: Host, source: Path, rounds: int, name: str) -> dict[str, float]:
    """The best of some rounds of each way, which take turns."""
    ways = {
        "ping": lambda _target: plays.ping(),
        "rsync": lambda target: bare_rsync(host, source, ssh_to(host), target),
        "role": lambda target: plays.role(source, target),
    }
    best: dict[str, float] = {}
    for turn in range(rounds):
        for way, work in ways.items():
            began = time.monotonic()
            work(f"/data/{name}-{way}-{turn}")
            best[way] = min(best.get(way, 1e9), time.monotonic() - began)
            host.run("sync")
    return best


def killed() -> Row:
    """The bytes of an upload that was killed 20 times, as the test counts them."""
    command = [str(REPOSITORY / ".venv/bin/pytest"), "-q", "-s", "tests/system/test_upload_killed.py", "-k", "again"]
    environment = {**os.environ, "KILLS": "20", "STREAMS": "4"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=False)
    found = re.search(r"20 kills: ([0-9.]+) times", done.stdout)
    if done.returncode or not found:
        sys.exit(done.stdout)
    note = "600 files of real size, four streams; one partial file a stream and kill"
    return Row("upload killed 20 times: bytes over the line / the set", float(found.group(1)), "<=", 1.1 + 4 * 20 / 600, note)


if __name__ == "__main__":
    main()
