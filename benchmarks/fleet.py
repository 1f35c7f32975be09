# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to ask prepared hosts "all ready?", against a play that only pings them."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time

from measure import (
    ON_DISK,
    REPOSITORY,
    RESULTS,
    Row,
    book_of,
    environment,
    in_turns,
    inventory_of,
    peak_memory,
    playbook_command,
    run,
    save,
    seconds,
)

from tests.support.hosts import Host, Hosts

LAYOUT = ["--root", "/", "--owner", "ubuntu", "--scale"]
PREPARE = REPOSITORY / "prepare_features.yml"
PING = {"ansible.builtin.ping": {}}


class Setting:
    """Prepared hosts, their inventory, and the two commands to compare."""

    def __init__(self, hosts: Hosts, members: list[Host], name: str) -> None:
        self.inventory = inventory_of(hosts.scratch / f"{name}.json", members)
        ping = book_of(hosts.scratch / "ping.yml", PING)
        self.ping = playbook_command(self.inventory, ping)
        self.prepare = playbook_command(self.inventory, PREPARE)
        run(self.prepare)


def one_host(hosts: Hosts, times: int, scale: str) -> list[Row]:
    host = hosts.start("bench", args=ON_DISK, layout=[*LAYOUT, scale])
    setting = Setting(hosts, [host], "one")
    ping, prepare = in_turns(times, lambda: run(setting.ping), lambda: run(setting.prepare))
    counted = hosts.play(host, str(PREPARE))
    return [
        Row("nothing to do, one host at full size, against a ping play", prepare / ping, "<=", 1.35,
            f"{prepare:.2f} s against {ping:.2f} s"),
        Row("remote executions per host with nothing to do", max(counted.ssh_executions.values()), "<=", 1, "counted by a wrapper of ssh"),
    ]  # fmt: skip


def many_hosts(hosts: Hosts, number: int, times: int, scale: str) -> tuple[list[Row], list[Host]]:
    members = [hosts.start(f"fleet{index}", args=ON_DISK, layout=[*LAYOUT, scale]) for index in range(number)]
    setting = Setting(hosts, members, "many")
    ping, prepare = in_turns(times, lambda: run(setting.ping), lambda: run(setting.prepare))
    # All "hosts" share this machine's processors, which real ones do not: what the looks take of them is said beside it.
    look = host_seconds(members[0])
    usage = [(peak_memory(setting.ping), peak_memory(setting.prepare)) for _turn in range(3)]
    ping_memory, prepare_memory = (statistics.median(values) for values in zip(*usage, strict=True))
    cores = os.cpu_count() or 1
    return [
        Row(f"nothing to do, {number} hosts (containers) at full size, against a ping play", prepare / ping, "<=", 1.35,
            f"{prepare:.2f} s against {ping:.2f} s; the {number} looks alone keep this machine's {cores} cores busy for"
            f" {number * look / cores:.2f} s"),
        Row(f"controller memory against the ping play, {number} hosts", prepare_memory / ping_memory, "<=", 1.2,
            f"{prepare_memory / 1e6:.0f} MB against {ping_memory / 1e6:.0f} MB, proportional set size of all processes"),
    ], members  # fmt: skip


def small_hosts(hosts: Hosts, number: int, times: int, compare: bool) -> Row:
    """What is left of the cost where the looks themselves cost next to nothing: the controller's, and each module's start.

    compare: the settings of ansible.cfg as well, which bear on nothing else.
    """
    members = [hosts.start(f"small{index}", args=ON_DISK, layout=[*LAYOUT, "small"]) for index in range(number)]
    setting = Setting(hosts, members, "small")
    ping, prepare = in_turns(times, lambda: run(setting.ping), lambda: run(setting.prepare))
    if compare:
        tune(setting, number)
    for member in members:
        member.remove()
    return Row(f"the same with few files on each host, {number} hosts (containers)", prepare / ping, "<=", 1.35,
               f"{prepare:.2f} s against {ping:.2f} s")  # fmt: skip


def host_seconds(host: Host) -> float:
    """Processor seconds that one look takes on the host, Python's start and Ansible's packaging included."""

    def used() -> float:
        usage = host.run("cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpuacct/cpuacct.usage").stdout
        words = usage.split()
        return int(words[1]) / 1e6 if words[0] == "usage_usec" else int(words[0]) / 1e9

    idle = used()
    idle = used() - idle
    command = playbook_command(inventory_of(host.key.parent / "alone.json", [host]), PREPARE)
    before = used()
    run(command)
    return max(0.0, used() - before - idle)


# What is done to each fifth host, and how it has to come out then: outcome, status.
KINDS = (
    ("true", ("ready", 3)),
    ("find /data -name '*.npz' -delete", ("ready", 3)),
    ("rm -rf /home/ubuntu/audio_emotion", ("not_ready", None)),
    (
        "rm -rf /home/ubuntu/audio_emotion /home/ubuntu/emotion_project; find /data -name '*.npz' -delete",
        ("not_ready", 0),
    ),
    ("printf x > /data/wav2vec_features/broken.npz", ("not_ready", 3)),
)


def mixed(hosts: Hosts, members: list[Host]) -> None:
    """All statuses, one host that is gone, one that fails: whether terminal, JSON and page say of each what is true."""
    inventory, expected = {}, {}
    for index, host in enumerate(members):
        command, outcome = KINDS[index % len(KINDS)]
        host.run(command)
        inventory[f"gpu-{index + 1}"], expected[f"gpu-{index + 1}"] = dict(host.variables), outcome
    *_rest, failing, gone = inventory
    inventory[failing]["prepare_features_user"] = "nobody-here"
    inventory[gone]["ansible_port"] = 1
    expected.update({failing: ("failed", None), gone: ("unreachable", None)})
    path, folder = hosts.scratch / "mixed.json", RESULTS / "mixed"
    path.write_text(json.dumps({"all": {"hosts": inventory}}))
    command = [*playbook_command(path, PREPARE), "-e", json.dumps({"prepare_features_report_dir": str(folder)})]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment(COLUMNS="120"), text=True, capture_output=True, check=False
    )
    report = json.loads((folder / "report.json").read_text())
    told = {host["host"]: (host["outcome"], host["status"]) for host in report["hosts"]}
    page = (folder / "report.html").read_text()
    table = done.stdout[done.stdout.rindex("FEATURES") :]
    missing = [name for name in inventory if f"<h2>{name}</h2>" not in page or f"\n{name} " not in table]
    if told != expected or missing or not done.returncode:
        raise SystemExit(
            f"the mixed fleet is not told right: {told} instead of {expected}; missing: {missing}\n{table}"
        )
    print(f"{len(inventory)} hosts of all kinds are told right; see {folder}", flush=True)


def tune(setting: Setting, number: int) -> None:
    """The settings of ansible.cfg, each against the others, on the prepared fleet."""
    plans: list[tuple[str, list[str], dict[str, str]]] = [
        ("as in ansible.cfg", [], {}),
        ("forks 5", ["--forks", "5"], {}),
        ("forks 10", ["--forks", "10"], {}),
        ("forks 50", ["--forks", "50"], {}),
        ("no pipelining", [], {"ANSIBLE_PIPELINING": "0"}),
        ("strategy free", [], {"ANSIBLE_STRATEGY": "free"}),
        ("strategy host_pinned", [], {"ANSIBLE_STRATEGY": "host_pinned"}),
        ("no connection reuse", [], {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}),
        ("compression", [], {"ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=60s"}),
    ]
    taken: dict[str, list[float]] = {name: [] for name, *_rest in plans}
    for turn in range(4):
        for name, args, env in plans:
            value = seconds(lambda args=args, env=env: run([*setting.prepare, *args], environment(**env)))
            if turn:
                taken[name].append(value)
    base = statistics.median(taken[plans[0][0]])
    lines = [f"| setting, {number} hosts with few files and nothing to do | seconds | against `ansible.cfg` |", "|---|---|---|"]
    for name, values in taken.items():
        middle = statistics.median(values)
        lines.append(f"| {name} | {middle:.2f} | {middle / base:.2f} |")
    (RESULTS / "settings.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--scale", choices=["small", "full"], default="full", help="how many files a host has")
    parser.add_argument("--no-tune", action="store_true", help="do not compare the settings of ansible.cfg")
    options = parser.parse_args()
    hosts = Hosts("tp-bench")
    try:
        rows = one_host(hosts, options.times, options.scale)
        few = small_hosts(hosts, options.hosts, max(3, options.times // 2), not options.no_tune)
        more, members = many_hosts(hosts, options.hosts, max(3, options.times // 2), options.scale)
        save("fleet", [*rows, more[0], few, *more[1:]])
        mixed(hosts, members)
    finally:
        time.sleep(0.1)
        hosts.close()


if __name__ == "__main__":
    main()
