# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight hosts that lack a set, against one: the controller has a connection of 20 MB/s, and hosts pass on what they have received.

All eight share the two processors of this machine, which real hosts do not, so that the set has to be large enough for the connection to
be the bottleneck.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from measure import ON_DISK, Row, environment, playbook_command, run, save, seconds

from tests.support.hosts import Host, Hosts
from tests.support.layout import crema_d_names, write_features
from tests.support.peers import SET, behind_a_line, inventory, size_of, variables
from tests.support.relay import Gate
from tests.support.uploads import ROLE

RATE = 20e6
FRAMES = 1600  # 4.9 MB a file


def prepare(hosts: Hosts, members: list[Host], source: Path) -> tuple[float, float]:
    """The seconds that it takes until all are ready, and the bytes that the controller sent."""
    gate = Gate()
    book = hosts.scratch / "prepare.yml"
    book.write_text(json.dumps(ROLE))
    given = json.dumps(variables({**SET, "source": str(source)}))
    with behind_a_line(members, rate=RATE, gate=gate) as through:
        path = inventory(hosts.scratch / f"{len(members)}.json", through)
        command = [*playbook_command(path, book), "-e", given, "--forks", "16"]
        taken = seconds(lambda: run(command, environment()))
    return taken, gate.passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--files", type=int, default=300)
    options = parser.parse_args()
    hosts = Hosts("tp-bench")
    try:
        source = hosts.scratch / "source"
        write_features(source, crema_d_names(options.files), frames=FRAMES)
        members = [hosts.start(f"gpu{number}", args=ON_DISK) for number in range(options.hosts + 1)]
        alone, _sent = prepare(hosts, members[:1], source)
        all_ready, sent = prepare(hosts, members[1:], source)
        size = size_of(members[0])
        detail = f"{all_ready:.0f} s against {alone:.0f} s, {size / 1e6:,.0f} MB over 20 MB/s; the controller sent {sent / size:.2f} sets"
        save("peers", [Row(f"a set for {options.hosts} hosts with peers, against one host", all_ready / alone, "<=", 1.6, detail)])
    finally:
        hosts.close()


if __name__ == "__main__":
    main()
