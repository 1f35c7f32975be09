# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that hand features to each other: real sshd, containers on one bridge."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.layout import crema_d_names, write_features, write_wav2vec
from tests.support.parts import part
from tests.support.peers import (
    OLD,
    SET,
    Pool,
    address,
    behind_a_line,
    digests,
    done_of,
    inventory,
    left_behind,
    moved,
    origins,
    size_of,
    variables,
)
from tests.support.relay import Gate
from tests.support.uploads import ROLE
from tests.support.waiting import limit, wait_for

TRANSFER = "trainprep.features.feature_transfer"
ODD_NAMES = ["with space.npz", "a[1]*?.npz", "back\\slash.npz", "#hash.npz", "-n.npz", "$HOME.npz"]


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("features") / "wav"
    write_features(directory, crema_d_names(40))
    for name in ODD_NAMES:
        write_wav2vec(directory / name, seed=name, frames=110)
    return directory


@pytest.fixture(scope="module")
def pool(start_host):
    return Pool(start_host)


@pytest.fixture
def fleet(pool, features):
    """``fleet(count) -> hosts``: the first holds all features in an old directory, the others nothing."""

    def take(count: int, full: bool = True):
        mine = pool.take(count)
        if full:
            mine[0].put(features, OLD, "ubuntu:ubuntu")
        return mine

    return take


# About log2 of the receivers; with 15 on a busy machine one more round or two begins before others can serve.
MOST_SENT = {"3": 2.5, "7": 3.5, "15": 6.0}


@pytest.mark.parametrize("receivers", part(MOST_SENT, "7"))
def test_one_full_host_feeds_the_others_without_a_source(fleet, play, tmp_path, receivers):
    """log2(N) rounds: what the first host sends grows by one set if the fleet doubles."""
    hosts = fleet(int(receivers) + 1)
    inventory_path = inventory(tmp_path / "hosts.json", hosts)
    before = moved(hosts[0], "tx")
    result = play(inventory_path, ROLE, variables(prepare_features_report_dir=str(tmp_path / "report")), args=["--forks", "16"])
    assert result.rc == 0, result.stdout
    sent = (moved(hosts[0], "tx") - before) / size_of(hosts[0])
    print(f"{receivers} receivers: the first host sent {sent:.2f} sets")
    assert sent < MOST_SENT[receivers]
    names = {one.name for one in hosts}
    report = {one["host"]: one for one in json.loads((tmp_path / "report" / "report.json").read_text())["hosts"]}
    page = (tmp_path / "report" / "report.html").read_text()
    for host, origin in zip(hosts[1:], origins(result, hosts[1:]), strict=True):
        assert digests(host) == digests(hosts[0])
        facts = result.facts(host)
        assert facts["features_ready"] and facts["feature_status"] == 1
        assert origin in names - {host.name}
        assert facts["feature_sets"]["wav"]["fetched_from"] == report[host.name]["sets"][0]["fetched_from"] == origin
        assert f"received 46 features from {origin}" in result.stdout and f"received 46 features from {origin}" in page
        assert host.run("stat -c %U:%a /data/wav /data/wav/cremad* | sort | uniq -c").stdout.split()[1::2] == ["ubuntu:644", "ubuntu:755"]
    assert report[hosts[0].name]["sets"][0]["fetched_from"] is None
    assert all(left_behind(host) == "" for host in hosts)


def test_check_mode_and_a_second_run(fleet, play, tmp_path):
    hosts = fleet(3)
    inventory_path = inventory(tmp_path / "hosts.json", hosts)
    checked = play(inventory_path, ROLE, variables(), check=True)
    assert checked.rc == 0, checked.stdout
    for host in hosts[1:]:
        assert f"{host.name}: wav: would receive 46 features from" in checked.stdout and checked.recap[host.name]["changed"] == 1
    refused = play(inventory_path, ROLE, variables(prepare_features_become=False), check=True)
    assert refused.rc == 2 and f"{hosts[1].name}: / cannot be changed (Permission denied)" in refused.stdout.replace("/data", "/")
    assert "failed to send it" not in refused.stdout
    assert all(not host.run("ls -A /data", check=False).stdout and left_behind(host) == "" for host in hosts)
    assert play(inventory_path, ROLE, variables()).rc == 0
    again = play(inventory_path, ROLE, variables())
    assert again.rc == 0 and all(recap["changed"] == 0 for recap in again.recap.values()), again.stdout


@pytest.mark.parametrize("receivers", part(("4", "8"), "4"))
def test_the_controller_sends_a_set_once(fleet, play, tmp_path, receivers):
    """Everything that the controller sends is counted, modules included."""
    hosts = fleet(int(receivers), full=False)
    source, gate = tmp_path / "source", Gate()
    write_features(source, crema_d_names(40), frames=250 * int(receivers))
    with behind_a_line(hosts, gate=gate) as through:
        path = inventory(tmp_path / "hosts.json", through)
        result = play(path, ROLE, variables({**SET, "source": str(source)}), args=["--forks", "16"])
    assert result.rc == 0, result.stdout
    assert origins(result, hosts).count(None) == 1
    sent = gate.passed / size_of(hosts[0])
    print(f"{receivers} hosts: the controller sent {sent:.3f} sets of {size_of(hosts[0]):,} bytes")
    assert sent < 1.1
    assert len({digests(host) for host in hosts}) == 1
    assert all(left_behind(host) == "" for host in hosts)


def test_host_that_cannot_reach_the_others_takes_the_source(fleet, play, start_host, tmp_path, features):
    apart = start_host("apart")
    hosts = [*fleet(2), apart]
    for host in hosts[:2]:
        pid = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", apart.name], check=True, text=True, capture_output=True).stdout
        subprocess.run(["nsenter", "-t", pid.strip(), "-n", "ip", "route", "add", "blackhole", address(host)], check=True)
    result = play(inventory(tmp_path / "hosts.json", hosts), ROLE, variables({**SET, "source": str(features)}))
    assert result.rc == 0, result.stdout
    assert f"{apart.name}: cannot reach {hosts[0].name} by SSH" in result.stdout
    assert done_of(result, hosts[1])[-1]["wav"]["fetched_from"] == hosts[0].name
    assert done_of(result, apart)[-1]["wav"].get("fetched_from") is None
    assert len({digests(host) for host in hosts}) == 1


def test_bastion_is_for_the_controller_alone(fleet, play, start_host, tmp_path):
    """The inventory names the hosts' own addresses, which the controller reaches through the bastion, and the hosts directly."""
    hosts, bastion = fleet(2), start_host("bastion")
    jump = ["ssh", *bastion.ssh_options, "-i", str(bastion.key), "-p", str(bastion.port), "-W", "%h:%p", f"ubuntu@{bastion.address}"]
    members = {}
    for host in hosts:
        key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        with host.known_hosts.open("a") as known:
            known.write(f"{address(host)} {key[0]} {key[1]}\n")
        through = shlex.join([*host.ssh_options, "-o", f"ProxyCommand={shlex.join(jump)}"])
        members[host.name] = {**host.variables, "ansible_host": address(host), "ansible_port": 22, "ansible_ssh_common_args": through}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": members}}))
    before = moved(bastion, "rx")
    result = play(tmp_path / "hosts.json", ROLE, variables())
    assert result.rc == 0, result.stdout
    assert origins(result, hosts[1:]) == [hosts[0].name] and digests(hosts[1]) == digests(hosts[0])
    assert moved(bastion, "rx") - before > 500_000  # the modules


@pytest.fixture(scope="module")
def pair(start_host, features):
    full, empty = start_host("full"), start_host("empty")
    full.put(features, OLD, "ubuntu:ubuntu")
    return full, empty


def transfer(play, host, step, one, **request):
    task = {TRANSFER: {"sets": [one], "user": "ubuntu", "step": step, "request": request}, "become": True}
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
        # With -N it ends by this alone.
        done = empty.run(f"timeout 20 {attempt}", check=False)
        assert "root:" not in done.stdout and "uid=" not in done.stdout, attempt
        assert empty.run("test -e /root/stolen/etc || test -f /root/stolen", check=False).returncode != 0, attempt
    # From another address: the sender's own.
    full.put(Path("/dev/null"), "/root/copy")
    full.run("cat > /root/copy && chmod 600 /root/copy", input=empty.run("cat /root/copy").stdout)
    login_there = f"ssh -F /dev/null -i /root/copy -o BatchMode=yes -o StrictHostKeyChecking=no {target} id"
    done = full.run(f"timeout {limit(20)} {login_there}", check=False)
    assert done.returncode == 255 and "Permission denied" in done.stderr
    # After its expiry: sshd itself refuses it.
    keys, call = "/home/ubuntu/.ssh/authorized_keys", f"rsync -rtO -e '{login}' {target}:./ /root/received/"
    full.run(f"cp -p {keys} /root/keys && sed -i 's/expiry-time=\"[0-9]*\"/expiry-time=\"20200101000000\"/' {keys}")
    done = empty.run(f"timeout {limit(20)} {call}", check=False)
    assert done.returncode != 0 and "Permission denied" in done.stderr
    full.run(f"cat /root/keys > {keys}")
    # The right call still works, once; then the key is gone.
    assert empty.run(f"timeout {limit(60)} {call}", check=False).returncode == 0
    assert len(empty.run("ls /root/received").stdout.splitlines()) == 46
    assert empty.run(f"timeout {limit(20)} {call}", check=False).returncode != 0
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
    wait_for(lambda: full.run(held, check=False).returncode, "the key's removal")
    assert full.run(held, check=False).stdout.strip() == "0"
