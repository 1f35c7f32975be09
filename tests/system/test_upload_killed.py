# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads over SSH that are killed, cut off, or run out of disk: nothing is published early, nothing is sent twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.layout import crema_d_names, write_features
from tests.support.uploads import (
    Background,
    feature_set,
    inodes,
    received,
    role_variables,
    unpublish,
    upload_task,
)
from tests.support.waiting import wait_for

# How often the long upload is killed: each of its parts once, or with `KILLS=20` at as many points of a larger set.
KILLS = int(os.environ.get("KILLS", "4"))
FILES = 600 if KILLS > 4 else 200
STREAMS = int(os.environ.get("STREAMS", "4"))
SLOW = {"prepare_features_rsync_opts": [f"--bwlimit={25 // STREAMS}m"], "prepare_features_upload_streams": STREAMS}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Features of real size, 0.6 MB each."""
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES), dense=True)
    return directory


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("small")
    write_features(directory, crema_d_names(40), dense=True)
    return directory


def digests_here(directory: Path) -> str:
    return subprocess.run("sha256sum *.npz", shell=True, cwd=directory, text=True, capture_output=True, check=True).stdout


def digests_there(host: Host, directory: str) -> str:
    return host.run(f"cd {directory} && sha256sum *.npz").stdout


@contextlib.contextmanager
def held(run: Background):
    """Senders stand still: the upload does not end before what is done to it, which takes a moment on a busy machine."""
    assert run.send_signal(signal.SIGSTOP, "rsync") > 0
    try:
        yield
    finally:
        run.send_signal(signal.SIGCONT, "rsync")


def test_killed_again_and_again_it_arrives_whole_and_once(hosts, start_host, source):
    """rsync and ssh on the controller, and the receiver on the host, die by SIGKILL at random points of one upload."""
    host = start_host("killed")
    chance = random.Random(20261122)
    points = sorted(chance.sample(range(5, FILES * 4 // 5), KILLS))
    victims = [("rsync",), ("ssh",), ("receiver",), ("rsync", "ssh")]
    variables = role_variables(feature_set(source), **SLOW)
    size = sum(path.stat().st_size for path in source.iterdir())
    largest = max(path.stat().st_size for path in source.iterdir())
    before = received(host)
    kept: dict[str, int] = {}
    for number, point in enumerate(points):
        run = Background(hosts, host, variables)
        already = len(kept)
        # The run before may have got further than its point: this one sends at least one file more.
        more = max(1, point - already)
        assert run.wait_for(lambda run=run, more=more: run.sent >= more, f"file {point}")
        victim = victims[number % len(victims)]
        with held(run):
            if victim == ("receiver",):
                host.run("kill -9 $(pgrep -x rsync)")
            else:
                assert run.kill(*victim) > 0
        code, output = run.end()
        assert code == 2, output
        assert "run again, it goes on from there" in output
        assert host.run("test -e /data/wav", check=False).returncode == 1, "nothing is in the target before publication"
        # A receiver whose sender has gone puts away what it has got.
        wait_for(lambda: not host.run("ps -C rsync -o stat= | grep -v Z", check=False).stdout, "the end of the receivers")
        staged = inodes(host, "/data/.wav.incoming")
        assert staged.items() >= kept.items(), "what has arrived stays as it is"
        kept = staged
    code, output = Background(hosts, host, variables).end()
    assert code == 0, output
    assert f"{len(kept)} files were there from before" in output
    assert inodes(host, "/data/wav").items() >= kept.items()
    assert digests_there(host, "/data/wav") == digests_here(source)
    assert host.run("ls -A /data").stdout.split() == ["wav"]
    sent = received(host) - before
    print(f"{KILLS} kills: {sent / size:.3f} times the set's {size} bytes came in over the network")
    assert sent <= 1.1 * size + STREAMS * KILLS * largest


def test_an_orphaned_receiver_keeps_everybody_out_until_it_ends(hosts, start_host, play, small):
    """The controller dies, the receiver lives on (here: stopped, so that it cannot notice)."""
    host = start_host("orphan")
    one = feature_set(small)
    run = Background(hosts, host, role_variables(one, prepare_features_rsync_opts=["--bwlimit=4m"]))
    assert run.wait_for(lambda: run.sent >= 3, "the third file")
    with held(run):
        host.run("kill -STOP $(pgrep -x rsync)")
        run.kill_everything()
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one, wait=1)]}])
    messages = [event["result"]["msg"] for event in result.results(host)]
    assert len(messages) == 1 and "still being written by" in messages[0], messages
    assert "waiting for it" in result.stdout
    assert host.run("test -e /data/wav", check=False).returncode == 1
    # What has ended is nobody's child in a container and stays as a zombie.
    host.run("kill -CONT $(pgrep -x rsync); while ps -C rsync -o stat= | grep -qv Z; do sleep 0.1; done")
    kept = inodes(host, "/data/.wav.incoming")
    assert len(kept) >= 2
    code, output = Background(hosts, host, role_variables(one)).end()
    assert code == 0, output
    assert inodes(host, "/data/wav").items() >= kept.items()
    assert digests_there(host, "/data/wav") == digests_here(small)


def test_a_controller_killed_before_it_published_the_next_run_does_whatever_the_status(hosts, start_host, play, small):
    """The staging directory is whole; meanwhile features came to the target by another way."""
    host = start_host("late")
    one = feature_set(small)
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one)]}])
    assert result.rc == 0
    unpublish(host, one)
    other = small.parent / f"{small.name}-other"
    write_features(other, ["ravdess_01.npz"], dense=True)
    host.run("mkdir /data/wav")
    host.put(other / "ravdess_01.npz", "/data/wav/ravdess_01.npz", owner="ubuntu")
    before = inodes(host, "/data/.wav.incoming")
    code, output = Background(hosts, host, role_variables(one)).end()
    assert code == 0, output
    after = inodes(host, "/data/wav")
    assert len(after) == 41 and after.items() >= before.items()
    assert host.run("ls -A /data").stdout.split() == ["wav"]


def test_a_disk_that_fills_up_is_reported_and_the_next_run_resumes(hosts, start_host, small):
    host = start_host("full", args=["--tmpfs", "/data:size=100m"])
    size = sum(path.stat().st_size for path in small.iterdir())
    variables = role_variables(feature_set(small), prepare_features_rsync_opts=["--bwlimit=8m"])
    run = Background(hosts, host, variables)
    assert run.wait_for(lambda: run.sent >= 5, "the fifth file")
    # Somebody else fills the disk but for some megabytes.
    with held(run):
        host.run(f"head -c {100 * 2**20 - size + 8 * 2**20} /dev/zero > /data/other")
    code, output = run.end()
    assert code == 2 and "the disk of /data/.wav.incoming is full: make room there and run again" in output, output
    assert host.run("test -e /data/wav", check=False).returncode == 1
    kept = inodes(host, "/data/.wav.incoming")
    code, output = Background(hosts, host, variables).end()
    assert code == 2 and "free, the upload needs" in output, output
    host.run("rm /data/other")
    code, output = Background(hosts, host, role_variables(feature_set(small))).end()
    assert code == 0, output
    assert len(kept) >= 4 and inodes(host, "/data/wav").items() >= kept.items()
    assert digests_there(host, "/data/wav") == digests_here(small)
