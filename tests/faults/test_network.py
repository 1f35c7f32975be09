# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that are cut or go silent, and hosts that restart, while a playbook runs over SSH; then the playbook again."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import Tally
from tests.support.hosts import Host, Hosts, PlayResult
from tests.support.layout import crema_d_names, write_features
from tests.support.relay import Gate, line
from tests.support.trainings import WORK, monitor
from tests.support.uploads import ROLE, Background, feature_set, inodes, role_variables
from tests.support.waiting import limit

LAYOUT = ("--root", "/", "--scale", "small", "--owner", "ubuntu")
PREPARE = "prepare_features.yml"
# What the links of a small host take is some 400 KB of modules; an upload of 40 features some 16 MB.
LINKING, UPLOADING = 400_000, 12_000_000
UPLOADED = 40
# Seconds after which a host gives up a connection that nothing closed: rsync's limit, the receiver's, and as much as a slow machine adds.
FORGOTTEN = 300 + 30 + 60
LIVES = "import time\nfor number in range(900):\n    print('Epoch %d/900' % number, flush=True)\n    time.sleep(1)\n"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    made = Hosts("tp-net")
    yield made
    made.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(UPLOADED), dense=True)
    return directory


@contextmanager
def behind(hosts: Hosts, host: Host, gate: Gate, **how: Any) -> Iterator[Host]:
    """The host, reached over a line of ours."""
    with line(host.port, gate=gate, **how) as port:
        yield known(hosts, dataclasses.replace(host, port=port))


def known(hosts: Hosts, host: Host) -> Host:
    key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
    with hosts.known_hosts.open("a") as file:
        file.write(f"[127.0.0.1]:{host.port} {key[0]} {key[1]}\n")
    return host


def restarted(hosts: Hosts, host: Host) -> Host:
    """The host after a restart: all its processes are gone, its files are not."""
    subprocess.run(["docker", "restart", "--time", "0", host.name], check=True, capture_output=True)
    port = subprocess.run(["docker", "port", host.name, "22/tcp"], check=True, capture_output=True, text=True).stdout
    again = known(hosts, dataclasses.replace(host, port=int(port.splitlines()[0].rsplit(":", 1)[1])))
    hosts._wait_for(again)
    return again


def ended_plainly(tried: Tally, code: int, output: str, done: bool = False) -> None:
    """done: whether all that was to be done is done, as after a cut of a line that nobody needed any more."""
    tried.check("Traceback" not in output, f"a traceback: {output[-1500:]}")
    tried.check(code != 0 or done, f"a run without its line succeeded: {output[-500:]}")


def then_all_is_well(tried: Tally, hosts: Hosts, host: Host, book: Any, variables: dict[str, Any]) -> None:
    """The same again makes the host ready, and once more changes nothing.

    Where the host does not know yet that its controller has gone, the run says so and what to do: wait, and run again.
    """
    until = time.monotonic() + FORGOTTEN
    while True:
        again = hosts.play(host, book, variables)
        tried.runs += 1
        waits = again.rc and "it may be one whose controller has gone; wait until it ends, then run again" in again.stdout
        if not waits or time.monotonic() > until:
            break
    tried.check(again.rc == 0 and again.facts(host).get("features_ready") is True, f"the run after it: {again.stdout[-1500:]}")
    third = hosts.play(host, book, variables)
    tried.runs += 1
    tried.check(third.rc == 0 and changed(third, host) == 0, f"a third run changes something: {third.stdout[-1500:]}")


def changed(result: PlayResult, host: Host) -> int:
    return result.recap.get(host.name, {}).get("changed", -1)


def test_the_line_is_cut_while_a_host_is_linked(hosts: Hosts, tally, full) -> None:
    tried, chance, gate = tally("Network: cut while a host is linked; then again"), random.Random(20261127), Gate()
    host = hosts.start("linked", layout=LAYOUT)
    with behind(hosts, host, gate) as reached:
        for _turn in range(20 if full else 2):
            host.run("find /data -mindepth 1 -delete 2>/dev/null; rm -rf /data")
            gate.cut_after(chance.randrange(1, LINKING))
            done = hosts.play(reached, PREPARE)
            tried.runs += 1
            if gate.has_cut():
                ended_plainly(tried, done.rc, done.stdout, done.facts(reached).get("features_ready") is True)
            then_all_is_well(tried, hosts, reached, PREPARE, {})
    host.remove()


def test_the_line_is_cut_while_features_are_uploaded(hosts: Hosts, source: Path, tally, full) -> None:
    tried, chance, gate = tally("Network: cut while features are uploaded; then again"), random.Random(4), Gate()
    host = hosts.start("uploaded")
    with behind(hosts, host, gate) as reached:
        for turn in range(10 if full else 2):
            target = f"/data/wav{turn}"
            variables = role_variables(feature_set(source, target))
            gate.cut_after(chance.randrange(1, UPLOADING))
            done = hosts.play(reached, ROLE, variables)
            tried.runs += 1
            if gate.has_cut():
                ended_plainly(tried, done.rc, done.stdout, done.facts(reached).get("features_ready") is True)
            tried.check(len(inodes(host, target)) in (0, UPLOADED), "half a set is visible")
            then_all_is_well(tried, hosts, reached, ROLE, variables)
    host.remove()


def test_a_host_restarts_while_features_are_uploaded(hosts: Hosts, source: Path, tally, full) -> None:
    tried = tally("Network: a host restarts while features are uploaded; then again")
    host = hosts.start("restarts")
    for turn in range(5 if full else 1):
        target = f"/data/wav{turn}"
        variables = role_variables(feature_set(source, target), prepare_features_rsync_opts=["--bwlimit=4m"])
        run = Background(hosts, host, variables)
        assert run.wait_for(lambda run=run, turn=turn: run.sent >= 3 + 7 * turn, "the upload")
        host = restarted(hosts, host)
        tried.runs += 1
        ended_plainly(tried, *run.end())
        tried.check(len(inodes(host, target)) in (0, UPLOADED), "half a set is visible")
        then_all_is_well(tried, hosts, host, ROLE, role_variables(feature_set(source, target)))
    host.remove()


def test_a_host_restarts_while_it_trains(hosts: Hosts, tmp_path: Path, tally) -> None:
    tried = tally("Network: a host restarts while it trains; then again")
    host = hosts.start("trains", layout=LAYOUT)
    (tmp_path / "lives.py").write_text(LIVES)
    variables = {"deploy_training_script": str(tmp_path / "lives.py"), "deploy_training_virtualenv": "", "deploy_training_args": []}
    started = hosts.play(host, "deploy_training.yml", variables)
    assert started.rc == 0, started.stdout
    first = host.run(f"ls {WORK}/runs/attn_crnn_v2").stdout.split()
    host = restarted(hosts, host)
    tried.runs += 1
    looked = monitor(hosts.play, host)
    tried.check(looked.rc != 0 and "vanished" in looked.stdout, f"the end of a training that is gone: {looked.stdout[-1500:]}")
    again = hosts.play(host, "deploy_training.yml", variables)
    tried.check(again.rc == 0 and changed(again, host) == 1, f"the training is started again: {again.stdout[-1500:]}")
    runs = host.run(f"ls {WORK}/runs/attn_crnn_v2").stdout.split()
    tried.check(set(first) < set(runs), f"the run of before is kept: {first}, {runs}")
    third = hosts.play(host, "deploy_training.yml", variables)
    tried.check(third.rc == 0 and changed(third, host) == 0, f"a live training is left alone: {third.stdout[-1500:]}")
    tried.runs += 3
    host.remove()


@pytest.mark.full
@pytest.mark.parametrize("how", ["silent", "paused"])
def test_a_line_that_goes_silent(hosts: Hosts, source: Path, tally, how: str) -> None:
    """Bytes are no longer passed and nothing is closed, or the host stands still: noticed within two minutes, on our side."""
    tried, gate = tally(f"Network: an upload's line goes silent, {how}; then again"), Gate()
    host = hosts.start(how)
    variables = role_variables(feature_set(source), prepare_features_rsync_opts=["--bwlimit=4m"])
    with behind(hosts, host, gate) as reached:
        run = Background(hosts, reached, variables)
        assert run.wait_for(lambda: run.sent >= 5, "the upload")
        began = time.monotonic()
        if how == "paused":
            subprocess.run(["docker", "pause", host.name], check=True, capture_output=True)
        else:
            gate.closed = True
        try:
            code, output = run.end()
        finally:
            gate.closed = False
            if how == "paused":
                subprocess.run(["docker", "unpause", host.name], check=True, capture_output=True)
        tried.runs += 1
        ended_plainly(tried, code, output)
        tried.check(time.monotonic() - began < limit(30), f"noticed after {time.monotonic() - began:.0f} s")
        tried.check(len(inodes(host, "/data/wav")) in (0, UPLOADED), "half a set is visible")
        then_all_is_well(tried, hosts, reached, ROLE, role_variables(feature_set(source)))
    host.remove()
