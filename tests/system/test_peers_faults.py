# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfers between hosts that do not go as planned: killed controllers and senders, two controllers, sets that change."""

from __future__ import annotations

import base64
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.layout import crema_d_names, write_features
from tests.support.parts import part
from tests.support.peers import (
    MARKED,
    OLD,
    SET,
    Pool,
    address,
    digests,
    inventory,
    left_behind,
    moved,
    origins,
    size_of,
    variables,
)
from tests.support.uploads import ROLE, Background
from tests.support.waiting import limit, wait_for

SLOWLY = {"prepare_features_rsync_opts": ["--bwlimit=3m"]}  # some eight seconds
STAGED = "ls -A /data/.wav.incoming 2>/dev/null | grep -c npz"


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("features") / "wav"
    write_features(directory, crema_d_names(40))
    return directory


@pytest.fixture(scope="module")
def pool(start_host):
    return Pool(start_host)


@pytest.fixture
def fleet(pool, start_host, features):
    """``fleet(full, empty) -> hosts``: so many that hold all features in an old directory, then so many that hold nothing.

    ``spoils``: the test changes more than files and processes, so its hosts are its own.
    """
    own = []

    def take(full: int, empty: int, spoils: bool = False):
        own.extend(start_host(f"own{number}") for number in range((full + empty) * spoils))
        mine = own or pool.take(full + empty)
        for host in mine[:full]:
            host.put(features, OLD, "ubuntu:ubuntu")
        return mine

    yield take
    for host in own:
        host.remove()


def count(host, command) -> int:
    return int(host.run(command, check=False).stdout.strip() or 0)


def is_key_made(full, empty):
    return "trainprep-peer" in empty.run("ls /tmp").stdout


def is_key_authorised(full, empty):
    return full.run(MARKED, check=False).stdout


def is_half_sent(full, empty):
    return count(empty, STAGED) >= 20


def has_all_arrived(full, empty):
    return count(empty, STAGED) == 40 and "trainprep-peer" not in empty.run("ls /tmp").stdout


REACHED = {step.__name__: step for step in (is_key_made, is_key_authorised, is_half_sent, has_all_arrived)}


@pytest.mark.parametrize("step", part(REACHED, "is_key_authorised", "is_half_sent"))
def test_controller_killed_at_each_step(fleet, hosts, play, tmp_path, step):
    (full, empty), reached = fleet(1, 1), REACHED[step]
    path = inventory(tmp_path / "hosts.json", [full, empty])
    run = Background(hosts, path, variables(**({} if reached is has_all_arrived else SLOWLY)))
    assert run.wait_for(lambda: reached(full, empty), step), run.output.read_text()
    run.kill_everything()
    # Whatever key is left: it opens no shell, no other file, and nothing from elsewhere.
    for key in empty.run("ls /tmp/trainprep-peer-*/key", check=False).stdout.split():
        text = empty.run(["cat", key], check=False).stdout  # once it was used it is gone
        login = f"ssh -F /dev/null -i {key} -o BatchMode=yes -o StrictHostKeyChecking=no ubuntu@{address(full)}"
        done = empty.run(f"timeout {limit(20)} {login} 'id; cat /etc/passwd'", user="root", check=False)
        assert done.returncode != 0 and "uid=" not in done.stdout and "root:" not in done.stdout
        full.run("umask 077; cat > /root/stolen", input=text)
        done = full.run(f"timeout {limit(20)} {login.replace(key, '/root/stolen')} id", check=False)
        assert "Permission denied" in done.stderr
    # The host goes on by itself with what it has begun; the next run waits for it, and finishes.
    result = play(path, ROLE, variables())
    assert result.rc == 0, result.stdout
    assert digests(empty) == digests(full)
    assert empty.run("ls -A /data").stdout == "wav\n"
    # What is left of the killed run's key ends with the process that serves it, which is never called again.
    for host in (full, empty):
        lines = host.run(MARKED, check=False).stdout.splitlines()
        assert all('command="' in line and "restrict," in line for line in lines) and len(lines) <= 1


def test_two_controllers_at_once(fleet, hosts, tmp_path):
    machines = fleet(1, 3)
    path = inventory(tmp_path / "hosts.json", machines)
    before = [moved(host, "rx") for host in machines]
    runs = [Background(hosts, path, variables()) for _controller in range(2)]
    for run in runs:
        code, output = run.end()
        assert code == 0, output
    for host, start in zip(machines[1:], before[1:], strict=True):
        assert digests(host) == digests(machines[0])
        assert host.run("ls -A /data").stdout == "wav\n"
        received = (moved(host, "rx") - start) / size_of(host)
        print(f"{host.name} received {received:.2f} sets")
        assert received < 1.5  # modules of two controllers included


def sender_of(machines):
    """The host that is sending now."""
    return next((host for host in machines if host.run("pgrep -u ubuntu -x rsync", check=False).stdout), None)


def test_another_sender_resumes_after_one_was_killed(fleet, hosts, tmp_path):
    machines = fleet(2, 1)
    empty = machines[2]
    path = inventory(tmp_path / "hosts.json", machines)
    before = moved(empty, "rx")
    run = Background(hosts, path, variables(**SLOWLY))
    assert run.wait_for(lambda: count(empty, STAGED) >= 10, "a quarter of the set"), run.output.read_text()
    sender = wait_for(lambda: sender_of(machines[:2]), "a sender")
    sender.run("pkill -9 -u ubuntu -x rsync")
    code, output = run.end()
    assert code == 0, output
    other = next(host for host in machines[:2] if host is not sender)
    assert f"{sender.name} did not send the features" in output and re.search(rf"received \d+ features from {other.name}", output)
    received = (moved(empty, "rx") - before) / size_of(empty)
    print(f"the receiver got {received:.2f} sets from two senders")
    assert received < 1.3
    assert digests(empty) == digests(other)
    assert left_behind(empty) == ""
    wait_for(lambda: left_behind(sender) == "", "the killed sender's key is removed")


def test_features_of_a_sender_change_meanwhile(fleet, hosts, tmp_path, features):
    machines = fleet(2, 1)
    empty, last = machines[2], sorted(path.name for path in features.iterdir())[-1]
    path = inventory(tmp_path / "hosts.json", machines)
    run = Background(hosts, path, variables(**SLOWLY))
    assert run.wait_for(lambda: count(empty, STAGED) >= 5, "some features"), run.output.read_text()
    sender = wait_for(lambda: sender_of(machines[:2]), "a sender")
    sender.run(f"cd {OLD} && cp {crema_d_names(1)[0]} other && mv other {last}")
    code, output = run.end()
    assert code == 0, output
    assert f"sent 1 of 40 files that are not what it said it holds (e.g. {last}" in output
    other = next(host for host in machines[:2] if host is not sender)
    assert f"received 1 feature from {other.name}" in output
    assert digests(empty) == digests(other) != digests(sender)


def test_host_with_a_training_is_asked_last(fleet, play, tmp_path):
    machines = fleet(3, 2)
    folder = "/home/ubuntu/emotion_recognition/runs/attn/20261129T101500"
    busy = machines[0]
    busy.run(f"mkdir -p {folder} && echo 'import time; time.sleep(3600)' > {folder}/launcher.py", user="ubuntu")
    busy.run(f"setsid python3 -I {folder}/launcher.py >/dev/null 2>&1 &", user="ubuntu")
    wait_for(lambda: busy.run(["pgrep", "-f", "^python3 -I .*launcher.py"], check=False).stdout, "the training")
    path = inventory(tmp_path / "hosts.json", machines)
    result = play(path, ROLE, variables(prepare_features_peer_sends=1))
    assert result.rc == 0, result.stdout
    assert [result.facts(host)["feature_training"] for host in machines] == [True, False, False, False, False]
    assert busy.name not in origins(result, machines[3:])
    # If it is the only one, it is asked.
    for host in machines[3:]:
        host.run("rm -r /data/wav")
    for host in machines[1:3]:
        host.run(f"rm -r /data/wav {OLD}")
    result = play(path, ROLE, variables())
    assert result.rc == 0 and busy.name in origins(result, machines[1:]), result.stdout


def test_sender_that_cannot_be_used_is_named_and_why(fleet, play, tmp_path):
    full, empty = fleet(1, 1, spoils=True)
    path = inventory(tmp_path / "hosts.json", [full, empty])
    full.run("mkdir /etc/ssh/keys && cp /home/ubuntu/.ssh/authorized_keys /etc/ssh/keys/ubuntu && chmod 644 /etc/ssh/keys/ubuntu")
    full.run("echo 'AuthorizedKeysFile /etc/ssh/keys/%u' > /etc/ssh/sshd_config.d/keys.conf && kill -HUP 1")
    result = play(path, ROLE, variables())
    output = " ".join(result.stdout.split())
    assert result.rc != 0
    assert f"{full.name} cannot send: its sshd reads the keys of ubuntu from /etc/ssh/keys/%u (AuthorizedKeysFile in sshd_config)" in output
    assert "failed to send it" in output
    # Where sshd does not tell: as a match that nothing but the connection shows.
    match = "Match LocalPort 22\nAuthorizedKeysFile /etc/ssh/keys/%u\n"
    full.run("rm /etc/ssh/sshd_config.d/keys.conf; cat >> /etc/ssh/sshd_config; kill -HUP 1", input=match)
    output = " ".join(play(path, ROLE, variables()).stdout.split())
    assert "Its sshd did not accept the key in ~ubuntu/.ssh/authorized_keys" in output
    assert empty.run("ls -A /data; ls -A /tmp").stdout == ""


def test_receiver_without_ssh_takes_the_source(fleet, play, tmp_path, features):
    full, empty = fleet(1, 1, spoils=True)
    empty.run("rm /usr/bin/ssh")
    path = inventory(tmp_path / "hosts.json", [full, empty])
    result = play(path, ROLE, variables())
    assert result.rc != 0 and "ssh is missing on the host" in result.stdout
    result = play(path, ROLE, variables({**SET, "source": str(features)}))
    assert result.rc == 0 and "ssh is missing on the host" in result.stdout, result.stdout
    assert origins(result, [empty]) == [None]
    assert digests(empty) == digests(full)


def test_secrets_are_nowhere(fleet, hosts, tmp_path):
    """Command lines and environments of all processes on both hosts, throughout a transfer; the output with -vvvvv."""
    full, empty = fleet(1, 1)
    path = inventory(tmp_path / "hosts.json", [full, empty])
    run = Background(hosts, path, variables(**SLOWLY), env={"ANSIBLE_VERBOSITY": "5"})
    seen, secret = [], ""
    while run.process.poll() is None:
        secret = secret or "".join(empty.run("cat /tmp/trainprep-peer-*/key 2>/dev/null | sed '/KEY/d'", check=False).stdout.split())
        seen += [host.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'", check=False).stdout
                 for host in (full, empty)]  # fmt: skip
        time.sleep(0.1)
    code, output = run.end()
    assert code == 0, output[-3000:]
    assert any("UserKnownHostsFile=/tmp/trainprep-peer-" in text for text in seen)  # it was looked at while it ran
    output = "\n".join([*seen, output])
    seed = base64.b64decode(secret).partition(b"\0\0\0\x40")[2][:32]  # what is secret of an Ed25519 key in OpenSSH's form
    assert len(seed) == 32 and "PRIVATE KEY" not in output
    for before in (b"", b"\0", b"\0\0"):
        assert base64.b64encode(before + seed).decode()[4:40] not in output


def test_several_sets_each_from_the_host_that_holds_it(fleet, play, tmp_path, features):
    """Links on the sender, sub-folders, a set to complete, and one without C(expected) of which the sender has only a part."""
    machines = fleet(1, 2)
    first, second, third = machines
    tree = {**SET, "name": "tree", "target": "/data/tree", "layout": "tree", "legacy": ["/home/ubuntu/folders"]}
    part = {**SET, "expected": 40}
    second.run("mkdir -p /home/ubuntu/folders/a/b /home/ubuntu/folders/c", user="ubuntu")
    for number, name in enumerate(["a/one.npz", "a/b/two.npz", "c/one.npz"]):
        other = tmp_path / f"{number}.npz"
        write_features(tmp_path / "more", [f"{number}.npz"])
        (tmp_path / "more" / f"{number}.npz").rename(other)
        second.put(other, f"/home/ubuntu/folders/{name}", "ubuntu:ubuntu")
    third.run("mkdir -p /data/wav")
    for name in crema_d_names(10):
        third.put(features / name, f"/data/wav/{name}", "ubuntu:ubuntu")
    result = play(inventory(tmp_path / "hosts.json", machines), ROLE, variables(part, tree, prepare_features_top_up=True))
    assert result.rc == 0, result.stdout
    assert len({digests(host) for host in machines}) == len({digests(host, "/data/tree") for host in machines}) == 1
    assert "./a/b/two.npz" in digests(first, "/data/tree")
    assert third.run("find /data/wav -type f | wc -l").stdout.strip() == "40"
    assert set(origins(result, machines[1:])) <= {host.name for host in machines}
    assert set(origins(result, [first, third], "tree")) <= {host.name for host in machines}
    assert re.search(rf"{third.name}: wav: 30 files", result.stdout)


def test_without_root(fleet, play, tmp_path):
    full, empty = fleet(1, 1)
    one = {**SET, "target": "/home/ubuntu/wav"}
    result = play(inventory(tmp_path / "hosts.json", [full, empty]), ROLE, variables(one, prepare_features_become=False))
    assert result.rc == 0, result.stdout
    assert origins(result, [empty]) == [full.name]
    assert digests(empty, one["target"]) == digests(full, one["target"])
    assert left_behind(full) == left_behind(empty) == ""


def test_host_outside_the_pattern_takes_no_part(fleet, play, tmp_path):
    full, empty, other = fleet(1, 2)
    path = inventory(tmp_path / "hosts.json", [full, empty, other])
    result = play(path, ROLE, variables(prepare_features_peers=f"all:!{other.name}"))
    assert origins(result, [empty]) == [full.name]
    assert result.recap[other.name]["failures"] == 1 and other.run("ls -A /data", check=False).stdout == ""
    assert "no host of this run among prepare_features_peers holds it, and it has no source" in " ".join(result.stdout.split())


def test_sender_that_goes_down_is_no_failure_of_the_receiver(fleet, hosts, tmp_path, features):
    full, empty = fleet(1, 1, spoils=True)
    path = inventory(tmp_path / "hosts.json", [full, empty])
    run = Background(hosts, path, variables({**SET, "source": str(features)}, **SLOWLY))
    assert run.wait_for(lambda: is_key_made(full, empty), "a key"), run.output.read_text()
    subprocess.run(["docker", "kill", full.name], check=True, stdout=subprocess.DEVNULL)
    _code, output = run.end()
    assert re.search(rf"{full.name} (cannot send|did not send)", output)
    assert re.search(rf"{empty.name}: READY", output)
    assert len(digests(empty).splitlines()) == 40


def test_link_that_leads_out_of_the_declared_directories_is_not_handed_on(fleet, play, tmp_path, features):
    full, empty = fleet(1, 1)
    full.run("mkdir -p /data/wav /srv/private && chown ubuntu /data/wav")
    full.put(features / crema_d_names(1)[0], "/srv/private/x.npz", "ubuntu:ubuntu")
    full.run("ln -s /srv/private/x.npz /data/wav/x.npz", user="ubuntu")
    result = play(inventory(tmp_path / "hosts.json", [full, empty]), ROLE, variables())
    output = " ".join(result.stdout.split())
    assert result.rc != 0
    assert "/data/wav/x.npz is a link to /srv/private/x.npz, outside the directories of feature set 'wav'" in output
    assert empty.run("ls -A /data", check=False).stdout == ""
