# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that hand features to each other: real sshd, containers on one bridge."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.layout import crema_d_names, write_features, write_wav2vec
from tests.support.uploads import ARRAYS, ROLE

OLD = "/home/ubuntu/old"
SET = {"name": "wav", "target": "/data/wav", "legacy": [OLD], "arrays": ARRAYS}
TRANSFER = "trainprep.features.feature_transfer"
ODD_NAMES = ["with space.npz", "a[1]*?.npz", "back\\slash.npz", "#hash.npz", "-n.npz", "$HOME.npz"]


def address(host: Host) -> str:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return subprocess.run(["docker", "inspect", "-f", form, host.name], check=True, text=True, capture_output=True).stdout.strip()


def inventory(path: Path, hosts, **more) -> Path:
    members = {host.name: {**host.variables, "prepare_features_peer_address": f"{address(host)}:22", **more} for host in hosts}
    path.write_text(json.dumps({"all": {"hosts": members}}))
    return path


def variables(*sets, **more):
    return {"prepare_features_sets": list(sets) or [SET], "prepare_features_search_roots": [], "prepare_features_peers": "all", **more}


def digests(host: Host, directory: str = "/data/wav") -> str:
    return host.run(f"cd {directory} && find -L . -type f -print0 | sort -z | xargs -0 sha256sum").stdout


def bytes_sent(host: Host) -> int:
    """What has left the host's network interface."""
    return int(host.run("cat /sys/class/net/eth0/statistics/tx_bytes").stdout)


def left_behind(host: Host) -> str:
    """Keys of ours, and what a transfer keeps in temporary directories."""
    return host.run("grep -h trainprep /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys; ls -A /tmp", check=False).stdout


def done_of(result, host):
    return [event["result"]["sets"] for event in result.results(host, "trainprep.features.feature_upload") if "sets" in event["result"]]


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("features") / "wav"
    write_features(directory, crema_d_names(40))
    for name in ODD_NAMES:
        write_wav2vec(directory / name, seed=name, frames=110)
    return directory


@pytest.fixture
def fleet(start_host, features, hosts):
    """``fleet(count) -> hosts``: the first holds all features in an old directory, the others nothing."""
    started = []

    def start(count: int, full: bool = True):
        mine = [start_host(f"gpu{number}") for number in range(count)]
        started.extend(mine)
        if full:
            mine[0].put(features, OLD, "ubuntu:ubuntu")
        return mine

    yield start
    for host in started:
        host.remove()


def test_one_full_host_feeds_the_others_without_a_source(fleet, play, tmp_path):
    hosts = fleet(4)
    inventory_path = inventory(tmp_path / "hosts.json", hosts)
    checked = play(inventory_path, ROLE, variables(), check=True)
    assert checked.rc == 0, checked.stdout
    assert re.search(rf"{hosts[1].name}: wav: would receive \S+ features? from {hosts[0].name}|would receive its features", checked.stdout)
    assert all(not host.run("ls -A /data", check=False).stdout for host in hosts)
    before = bytes_sent(hosts[0])
    result = play(inventory_path, ROLE, variables())
    assert result.rc == 0, result.stdout
    size = sum(int(line.split()[0]) for line in hosts[0].run("du -bL /data/wav | tail -1").stdout.splitlines())
    assert bytes_sent(hosts[0]) - before < 2.5 * size
    for host in hosts[1:]:
        assert digests(host) == digests(hosts[0])
        assert result.facts(host)["features_ready"] and result.facts(host)["feature_status"] == 1
        assert done_of(result, host)[-1]["wav"]["fetched_from"] in {one.name for one in hosts}
        assert host.run("stat -c %U:%a /data/wav /data/wav/cremad* | sort | uniq -c").stdout.split()[1::2] == ["ubuntu:644", "ubuntu:755"]
        assert result.facts(host)["feature_sets"]["wav"]["fetched_from"] in {one.name for one in hosts}
    assert all(left_behind(host) == "" for host in hosts)
    again = play(inventory_path, ROLE, variables())
    assert again.rc == 0 and all(recap["changed"] == 0 for recap in again.recap.values()), again.stdout


def test_source_is_sent_once_and_hosts_pass_it_on(fleet, play, tmp_path, features):
    hosts = fleet(4, full=False)
    one = {**SET, "source": str(features)}
    result = play(inventory(tmp_path / "hosts.json", hosts), ROLE, variables(one), args=["--forks", "10"])
    assert result.rc == 0, result.stdout
    origins = [done_of(result, host)[-1]["wav"].get("fetched_from") for host in hosts]
    assert origins.count(None) == 1, origins
    assert len({digests(host) for host in hosts}) == 1
    assert all(left_behind(host) == "" for host in hosts)


def test_host_that_cannot_reach_the_others_takes_the_source(fleet, play, tmp_path, features):
    hosts = fleet(3)
    apart = hosts[2]
    for host in hosts[:2]:
        pid = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", apart.name], check=True, text=True, capture_output=True).stdout
        subprocess.run(["nsenter", "-t", pid.strip(), "-n", "ip", "route", "add", "blackhole", address(host)], check=True)
    result = play(inventory(tmp_path / "hosts.json", hosts), ROLE, variables({**SET, "source": str(features)}))
    assert result.rc == 0, result.stdout
    assert f"{apart.name}: cannot reach {hosts[0].name} by SSH" in result.stdout
    assert done_of(result, hosts[1])[-1]["wav"]["fetched_from"] == hosts[0].name
    assert done_of(result, apart)[-1]["wav"].get("fetched_from") is None
    assert len({digests(host) for host in hosts}) == 1


def test_no_host_holds_it_and_there_is_no_source(fleet, play, tmp_path):
    hosts = fleet(2, full=False)
    result = play(inventory(tmp_path / "hosts.json", hosts), ROLE, variables())
    assert result.rc != 0
    assert "no host among prepare_features_peers holds it, and it has no source" in " ".join(result.stdout.split())


@pytest.fixture(scope="module")
def pair(start_host, features):
    full, empty = start_host("full"), start_host("empty")
    full.put(features, OLD, "ubuntu:ubuntu")
    return full, empty


def transfer(play, host, step, one, **peer):
    task = {TRANSFER: {"sets": [one], "user": "ubuntu", "step": step, "peer": peer}, "become": True}
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": [task]}])
    return result.results(host)[-1]["result"]


def offered(play, pair, one):
    """A key of the receiver that the sender accepts now; (its directory's token, the sender's answer)."""
    full, empty = pair
    task = {"trainprep.features.feature_links": {"sets": [one], "user": "ubuntu"}, "become": True}
    assert play(full, [{"hosts": "all", "gather_facts": False, "tasks": [task]}]).rc == 0
    token = secrets.token_hex(16)
    reached = transfer(play, empty, "reach", one, peers=[{"name": "full", "address": address(full), "port": 22}], set="wav", token=token)
    found = reached["reach"]
    offer = transfer(play, full, "offer", one, set="wav", token=token, key=found["key"], address=found["addresses"]["full"], user="ubuntu")
    return token, offer["offer"]


def test_the_key_opens_nothing_but_the_set(play, pair):
    full, empty = pair
    token, _offer = offered(play, pair, SET)
    key = f"/tmp/trainprep-peer-{token}/key"
    login = f"ssh -F /dev/null -i {key} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    target = f"ubuntu@{address(full)}"
    empty.run(f"cp {key} /root/copy && chmod 600 /root/copy")
    for attempt in (
        f"{login} {target} id",
        f"{login} {target} cat /etc/passwd",
        f"{login} -N -L 1234:127.0.0.1:22 {target} id",
        f"scp -F /dev/null -i {key} -o StrictHostKeyChecking=no {target}:/etc/passwd /root/stolen",
        f"rsync -e '{login}' {target}:/etc/passwd /root/stolen",
        f"rsync -r -e '{login}' {target}:../ /root/stolen/",
        f"rsync -e '{login}' /etc/hostname {target}:./written",
    ):
        done = empty.run(f"timeout 20 {attempt}", check=False)
        assert "root:" not in done.stdout and "uid=" not in done.stdout, attempt
        assert empty.run("test -e /root/stolen/etc || test -f /root/stolen", check=False).returncode != 0, attempt
    # From another address: the sender's own.
    full.put(Path("/dev/null"), "/root/copy")
    full.run("cat > /root/copy && chmod 600 /root/copy", input=empty.run("cat /root/copy").stdout)
    done = full.run(f"timeout 20 ssh -F /dev/null -i /root/copy -o BatchMode=yes -o StrictHostKeyChecking=no {target} id", check=False)
    assert done.returncode == 255 and "Permission denied" in done.stderr
    # The right call still works, once; then the key is gone.
    call = f"rsync -rtO -e '{login}' {target}:./ /root/received/"
    assert empty.run(f"timeout 60 {call}", check=False).returncode == 0
    assert len(empty.run("ls /root/received").stdout.splitlines()) == 46
    assert empty.run(f"timeout 20 {call}", check=False).returncode != 0
    assert full.run("grep -c trainprep /home/ubuntu/.ssh/authorized_keys", check=False).stdout.strip() == "0"
    empty.run(f"rm -rf /root/received /root/stolen /root/copy /tmp/trainprep-peer-{token}")


def test_sender_that_lies_is_not_believed(play, pair):
    full, empty = pair
    one = {**SET, "target": "/data/lies"}
    token, offer = offered(play, pair, one)
    # Bytes of one file change after they were listed; size and time stay.
    name = full.run("ls /data/lies | head -1").stdout.strip()
    full.run(f"f=$(readlink -f '/data/lies/{name}'); t=$(stat -c %Y \"$f\");"
             ' printf X | dd of="$f" bs=1 seek=20000 conv=notrunc status=none; touch -d "@$t" "$f"')  # fmt: skip
    sender = {"name": "full", "address": address(full), "port": 22, "user": "ubuntu", "token": token, "options": []}
    done = transfer(play, empty, "receive", one, set="wav", **sender, **offer)
    assert "sent 1 of 46 files that are not what it said it holds" in done["msg"]
    assert name in done["msg"]
    assert empty.run("ls /data/lies", check=False).returncode != 0
    staged = empty.run("ls -A /data/.lies.incoming").stdout.split("\n")
    assert name not in staged and len([line for line in staged if line]) == 45
    assert not empty.run("ls -A /tmp").stdout


def test_sender_with_another_host_key_is_refused(play, pair):
    full, empty = pair
    one = {**SET, "target": "/data/impostor"}
    token, offer = offered(play, pair, one)
    offer["host_keys"] = [re.sub(r" AAAA\S{20}", " AAAA" + "B" * 20, key) for key in offer["host_keys"]]
    sender = {"name": "full", "address": address(full), "port": 22, "user": "ubuntu", "token": token, "options": []}
    done = transfer(play, empty, "receive", one, set="wav", **sender, **offer)
    assert "full did not send the features" in done["msg"]
    assert empty.run("ls /data/impostor", check=False).returncode != 0


def test_key_is_removed_when_the_sender_ends(play, pair):
    full, _empty = pair
    token, _offer = offered(play, pair, SET)
    held = f"grep -c {token} /home/ubuntu/.ssh/authorized_keys"
    assert full.run(held).stdout.strip() == "1"
    # The process that serves was started just before its guard.
    full.run("kill -9 $(pgrep -u ubuntu -x python3 | tail -2 | head -1)")
    full.run(f"for _ in $(seq 50); do {held} >/dev/null || exit 0; sleep 0.2; done; exit 1")
    assert full.run(held, check=False).stdout.strip() == "0"


def test_secrets_are_nowhere(fleet, play, tmp_path):
    hosts = fleet(2)
    result = play(inventory(tmp_path / "hosts.json", hosts), ROLE, variables(), args=["-vvvvv"])
    assert result.rc == 0, result.stdout[-3000:]
    assert "PRIVATE KEY" not in result.stdout and "PRIVATE KEY" not in json.dumps(result.events)
