# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to ask prepared hosts "all ready?", against a play that only pings them."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import time

from measure import (
    LAYOUT,
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

PREPARE = REPOSITORY / "prepare_features.yml"
AGE = 125
PING = {"ansible.builtin.ping": {}}


class Setting:
    """Prepared hosts, their inventory, and the two commands to compare."""

    def __init__(self, hosts: Hosts, members: list[Host], name: str) -> None:
        self.inventory = inventory_of(hosts.scratch / f"{name}.json", members)
        ping = book_of(hosts.scratch / "ping.yml", PING)
        self.ping = playbook_command(self.inventory, ping)
        self.prepare = playbook_command(self.inventory, PREPARE)


def one_host(hosts: Hosts, host: Host, times: int) -> list[Row]:
    setting = Setting(hosts, [host], "one")
    ping, prepare = in_turns(times, lambda: run(setting.ping), lambda: run(setting.prepare))
    counted = hosts.play(host, str(PREPARE))
    return [
        Row("nothing to do, one host at full size, against a ping play", prepare / ping, "<=", 1.5,
            f"{prepare:.2f} s against {ping:.2f} s"),
        Row("remote executions per host with nothing to do", max(counted.ssh_executions.values()), "<=", 1, "counted by a wrapper of ssh"),
    ]  # fmt: skip


def many_hosts(hosts: Hosts, members: list[Host], times: int) -> list[Row]:
    """Hosts with few files: what their looks take of this machine's processors, which real hosts do not share, says nothing here."""
    number = len(members)
    setting, alone = Setting(hosts, members, "many"), Setting(hosts, members[:1], "alone")
    ping, prepare = in_turns(times, lambda: run(setting.ping), lambda: run(setting.prepare))
    further = []
    for _turn in range(times):
        more = [used_by(setting.ping) - used_by(alone.ping), used_by(setting.prepare) - used_by(alone.prepare)]
        further.append([1000 * seconds / (number - 1) for seconds in more])
    by_ping, by_prepare = (statistics.median(values) for values in zip(*further, strict=True))
    usage = [(peak_memory(setting.ping), peak_memory(setting.prepare)) for _turn in range(3)]
    ping_memory, prepare_memory = (statistics.median(values) for values in zip(*usage, strict=True))
    return [
        Row("controller CPU of a further host with nothing to do, against ping's", by_prepare / by_ping, "<=", 2.2,
            f"{by_prepare:.0f} ms against {by_ping:.0f} ms, ssh included"),
        Row(f"nothing to do, {number} hosts with few files, against a ping play", prepare / ping, "<=", 1.45,
            f"{prepare:.2f} s against {ping:.2f} s"),
        Row(f"controller memory against the ping play, {number} hosts", prepare_memory / ping_memory, "<=", 1.3,
            f"{prepare_memory / 1e6:.0f} MB against {ping_memory / 1e6:.0f} MB, proportional set size of all processes"),
    ]  # fmt: skip


def used_by(command: list[str]) -> float:
    """Processor seconds of a command and of all its children that have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    parser.add_argument("--hosts", type=int, default=12)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--scale", choices=["small", "full"], default="full", help="how many files the one host has")
    parser.add_argument("--no-tune", action="store_true", help="do not compare the settings of ansible.cfg")
    options = parser.parse_args()
    hosts = Hosts("tp-bench")
    try:
        full = hosts.start("bench", args=ON_DISK, layout=[*LAYOUT, options.scale])
        small = [hosts.start(f"small{index}", args=ON_DISK, layout=[*LAYOUT, "small"]) for index in range(options.hosts)]
        everything = Setting(hosts, [full, *small], "everything")
        run(everything.prepare)
        # What changed within the last two minutes is not remembered: hosts where nothing is to do are older.
        time.sleep(AGE)
        run(everything.prepare)
        rows = one_host(hosts, full, options.times)
        rows += many_hosts(hosts, small, options.times)
        save("fleet", rows)
        if not options.no_tune:
            tune(Setting(hosts, small, "tuned"), len(small))
        mixed(hosts, small)
    finally:
        time.sleep(0.1)
        hosts.close()


if __name__ == "__main__":
    main()
