# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a first link of 8,690 features costs: its loop, the whole module, and the whole command. Fresh containers throughout."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

from measure import (
    LAYOUT,
    ON_DISK,
    REPOSITORY,
    Row,
    book_of,
    environment,
    inventory_of,
    playbook_command,
    run,
    save,
    seconds,
)

from tests.support.hosts import Host, Hosts

OLD = "/home/ubuntu/audio_emotion/models/wav2vec"
FEATURES = 8690
# For this many seconds ext4 does not give out the inodes of deleted files again, and searches ever longer for others: nothing is
# deleted between the measurements, nor right before them.
QUIET = 40
PING = {"ansible.builtin.ping": {}}

# Runs on the host, as root: the loop alone, between its plan and its lock, for the sets of the module's own arguments.
LOOP = """
import json, sys, time
sys.path.insert(0, "/opt/bench")
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts
from ansible_collections.trainprep.features.plugins.module_utils._steps import inspect
from ansible_collections.trainprep.features.plugins.module_utils._apply import links
from ansible_collections.trainprep.features.plugins.module_utils._spec import sets
from ansible_collections.trainprep.features.plugins.module_utils._spec import arguments
user = accounts.find_account("ubuntu")
wanted = sets.resolve_sets(sets.parse_sets(json.load(sys.stdin)), user.home)
view = inspect.inspect_host(wanted, user, arguments.Policy())
start = time.perf_counter()
made = [links.apply_links(one.target, one.plan, user, one.target_key).linked for one in view.sets]
print(json.dumps({"seconds": time.perf_counter() - start, "linked": sum(made)}))
"""

# The approach of the scripts that this collection replaces: one ssh per criteria, one ln per file, and each .npz taken for a
# feature: 16,661 links, their target chosen by a substring of the path. Kinder than the scripts in that find
# starts ln itself, without a shell for each file, and that it goes on where they ended at status 2.
SHELL = """
set -eu
ask() { ssh %(ssh)s "$@" </dev/null; }
old="/home/ubuntu/audio_emotion/models/wav2vec /home/ubuntu/emotion_project/wav2vec_features \
  /home/ubuntu/emotion-recognition/crema_d_features_audio /home/ubuntu/emotion-recognition/crema_d_features \
  /home/ubuntu/emotion-recognition/npz_files/CREMA-D"
for directory in /data/wav2vec_features /data/wav2vec_crema_d $old; do
  ask "find '$directory' -name '*.npz' 2>/dev/null | wc -l"
done
for target in /data/wav2vec_features /data/wav2vec_crema_d; do
  ask "sudo mkdir -p $target"
  ask "sudo chown ubuntu:ubuntu $target"
  ask "sudo chmod 755 $target"
done
for directory in $old; do
  case $directory in *crema_d*) target=/data/wav2vec_crema_d ;; *) target=/data/wav2vec_features ;; esac
  ask "test -d $directory" || continue
  ask "find $directory -name '*.npz' -exec ln -sf {} $target/ ';'"
done
for target in /data/wav2vec_features /data/wav2vec_crema_d; do
  ask "find $target -type l -name '*.npz' | wc -l"
  ask "ls -ld $target"
  ask "find $target -maxdepth 1 -xtype l | wc -l"
  ask "du -sL $target"
done
"""


def default_sets() -> list[dict]:
    """The role's own sets, from the one place where they are written down."""
    import yaml

    return yaml.safe_load((REPOSITORY / "roles/prepare_features/defaults/main.yml").read_text())["prepare_features_sets"]


def linked(host: Host) -> int:
    return int(host.run("find -L /data -name '*.npz' | wc -l").stdout)


def timed(host: Host, command: str) -> float:
    """Seconds that a command takes on the host, by the host's own clock and shell; docker's part is left out."""
    program = f"""
import subprocess, time
start = time.perf_counter()
subprocess.run({command!r}, shell=True, check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - start)
"""
    return float(host.python(program).stdout)


def module_payload(hosts: Hosts) -> bytes:
    """feature_links for the role's sets, as Ansible sends it to a host."""
    host = hosts.start("payload", layout=[*LAYOUT, "small"])
    inventory = inventory_of(hosts.scratch / "payload.json", [host])
    arguments = json.dumps({"sets": default_sets(), "user": "ubuntu"})
    ansible = str(REPOSITORY / ".venv/bin/ansible")
    run(
        [ansible, "all", "-i", str(inventory), "-b", "-m", "trainprep.features.feature_links", "-a", arguments],
        environment(ANSIBLE_KEEP_REMOTE_FILES="1", ANSIBLE_PIPELINING="0"),
    )
    found = host.run("find / -xdev -name AnsiballZ_feature_links.py -path '*ansible*' 2>/dev/null | head -1").stdout.strip()
    return subprocess.run(["docker", "exec", host.name, "cat", found], check=True, capture_output=True).stdout


def fresh(hosts: Hosts, name: str) -> Host:
    """A host whose file system nobody wrote to before. It stays until the end, see QUIET."""
    return hosts.start(name, args=ON_DISK, layout=[*LAYOUT, "full"])


def steps(hosts: Hosts, payload: Path, turn: int) -> tuple[float, float, float]:
    """(cp -rs, loop, module) in seconds, each in a container whose file system nobody wrote to before."""
    copier, looper, runner = (fresh(hosts, f"{name}{turn}") for name in ("cp", "loop", "module"))
    for host in (copier, looper, runner):
        host.run("mkdir -p /data")
    copied = timed(copier, f"cp -rs {OLD} /data/copy")
    assert linked(copier) == FEATURES
    package = "/opt/bench/ansible_collections/trainprep/features/plugins"
    looper.run(f"mkdir -p {package}")
    looper.put(REPOSITORY / "plugins/module_utils", f"{package}/module_utils")
    answer = json.loads(looper.run(["python3", "-c", LOOP], input=json.dumps(default_sets())).stdout)
    assert answer["linked"] == FEATURES
    runner.put(payload, "/opt/module.py")
    whole = timed(runner, "/usr/bin/python3 /opt/module.py")
    assert linked(runner) == FEATURES
    print(f"  cp -rs {copied:.2f} s, loop {answer['seconds']:.2f} s, module {whole:.2f} s", flush=True)
    return copied, answer["seconds"], whole


def commands(hosts: Hosts, turn: int) -> tuple[float, float, float]:
    """(shell approach, ping play, whole command) in seconds."""
    old, new = fresh(hosts, f"shell{turn}"), fresh(hosts, f"first{turn}")
    ssh = " ".join([*old.ssh_options, "-i", str(old.key), "-p", str(old.port), f"{old.user}@{old.address}"])
    # The connection is made in the measured time on all sides.
    ping_old = playbook_command(inventory_of(hosts.scratch / f"old{turn}.json", [old]), book_of(hosts.scratch / "ping.yml", PING))
    ping = seconds(lambda: run(ping_old))
    shell = seconds(lambda: run(["bash", "-c", SHELL % {"ssh": ssh}]))
    assert linked(old) == 16661
    inventory = inventory_of(hosts.scratch / f"first{turn}.json", [new])
    command = seconds(lambda: run(playbook_command(inventory, REPOSITORY / "prepare_features.yml")))
    assert linked(new) == FEATURES
    print(f"  shell approach {shell:.1f} s, ping {ping:.2f} s, whole command {command:.2f} s", flush=True)
    return shell, ping, command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    hosts = Hosts("tp-bench")
    try:
        time.sleep(QUIET)
        payload = hosts.scratch / "module.py"
        payload.write_bytes(module_payload(hosts))
        taken = [steps(hosts, payload, turn) for turn in range(options.times)]
        # The best of each: what a file system does besides only ever adds to it.
        copied, loop, module = (min(values) for values in zip(*taken, strict=True))
        taken_by_commands = [commands(hosts, turn) for turn in range(max(1, options.times // 2))]
        shell, ping, command = (min(values) for values in zip(*taken_by_commands, strict=True))
    finally:
        hosts.close()
    save("links", [
        Row("the loop of a first link of 8,690 against `cp -rs`", loop / copied, "<=", 1.5, f"{loop:.3f} s against {copied:.3f} s"),
        Row("the whole module run of that first link against `cp -rs`", module / copied, "<=", 4,
            f"{module:.2f} s against {copied:.3f} s, {copied * 4:.2f} s allowed"),
        Row("first link, whole command, against a ping play", command / ping, "<=", 2.4, f"{command:.2f} s against {ping:.2f} s"),
        Row("first link, shell approach against the whole command", shell / command, ">=", 5, f"{shell:.1f} s against {command:.1f} s"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
