# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A training outlives the connection that started it where logind ends all that a user leaves behind."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.trainings import WORK, monitor, state
from tests.support.waiting import wait_for

# Shared memory that is found again by its name, as workers of a training do.
LIVES = """
import os, time
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(name="trainprep-test", create=True, size=1024)
print("Epoch 1/9", flush=True)
time.sleep(900)
"""


@pytest.fixture(scope="module")
def host(start_host):
    started = start_host("systemd", systemd=True, layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    started.run("mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nKillUserProcesses=yes\\nUserStopDelaySec=0\\n'"
                " > /etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind")
    return started


@pytest.fixture
def deploy(host, play, tmp_path):
    (tmp_path / "lives.py").write_text(LIVES)
    return lambda **variables: play(host, "deploy_training.yml", {
        "deploy_training_script": str(tmp_path / "lives.py"), "deploy_training_virtualenv": "", "deploy_training_settle": 1, **variables})


def end_connections(host):
    """Waits until no login session of the user is left, and what logind then does to the user's processes is done."""
    # The control connection that Ansible keeps open is one, until it is ended.
    host.run("pkill -u ubuntu -x sshd", check=False)
    wait_for(lambda: "ubuntu" not in host.run("loginctl list-sessions --no-legend").stdout, "the end of the sessions")
    wait_for(lambda: host.run("systemctl is-active user-1000.slice", check=False).stdout.strip() != "active"
             or host.run("ls /var/lib/systemd/linger").stdout, "the end of the user's slice")


def test_logind_ends_what_a_plain_login_leaves(host):
    # So that the tests below can fail.
    host.ssh("setsid sleep 901 >/dev/null 2>&1 &")
    wait_for(lambda: host.run("pgrep -f 'sleep 901'", check=False).returncode != 0, "logind to end it")


def test_without_root_and_lingering_nothing_is_started(host, play, deploy):
    # Ready first: what is asked for here is the start alone.
    assert play(host, "prepare_features.yml").rc == 0
    result = deploy(prepare_features_become=False, prepare_features_permissions="check")
    assert result.rc == 2
    said = " ".join(result.stdout.split())
    assert "logind ends the processes of user ubuntu with the connection (KillUserProcesses=yes)" in said
    assert "have an administrator run `loginctl enable-linger ubuntu`" in said
    assert host.run(f"ls {WORK}/runs", check=False).returncode != 0


def test_with_lingering_it_outlives_the_connection_without_root(host, play, deploy):
    host.run("loginctl enable-linger ubuntu")
    result = deploy(prepare_features_become=False, prepare_features_permissions="check",
                    deploy_training_session="unprivileged")
    assert result.rc == 0, result.stdout
    end_connections(host)
    pid = state(host, "unprivileged")["trainer"]["pid"]
    assert host.run(["cat", f"/proc/{pid}/cgroup"]).stdout.strip().endswith(".scope")
    assert "/user@1000.service/" in host.run(["cat", f"/proc/{pid}/cgroup"]).stdout
    checked = monitor(play, host, "unprivileged")
    assert checked.rc == 0, checked.stdout
    host.run("loginctl disable-linger ubuntu; pkill -u ubuntu -x python3; pkill -u ubuntu tmux", check=False)
    end_connections(host)


def test_it_outlives_the_connection_and_keeps_its_shared_memory(host, play, deploy):
    result = deploy()
    assert result.rc == 0, result.stdout
    assert "lingering was enabled for user ubuntu" in " ".join(result.stdout.split())
    pid = state(host, "attn_crnn_v2")["trainer"]["pid"]
    assert "/system.slice/trainprep-attn_crnn_v2-" in host.run(["cat", f"/proc/{pid}/cgroup"]).stdout
    end_connections(host)
    checked = monitor(play, host)
    assert checked.rc == 0 and "✓ tmux session 'attn_crnn_v2' is active" in checked.stdout, checked.stdout
    assert host.run("ls /dev/shm").stdout == "trainprep-test\n"
    # A second run leaves it alone, and changes nothing on the host.
    again = deploy()
    assert again.recap[host.name]["changed"] == 0 and "was left alone" in again.stdout


def test_a_server_that_a_login_has_started_is_kept_too(host, play, deploy):
    # All ended, as after a restart; then somebody works in tmux, and a training comes into that server.
    host.run("pkill -u ubuntu -x python3; pkill -u ubuntu tmux; loginctl disable-linger ubuntu; rm -f /dev/shm/*", check=False)
    end_connections(host)
    address = f"{host.user}@{host.address}"
    with subprocess.Popen(["ssh", *host.ssh_options, "-i", str(host.key), "-p", str(host.port), address,
                           "tmux new-session -d -s work && exec sleep 900"], stdin=subprocess.DEVNULL) as login:
        try:
            def find_server():
                return host.run("pgrep -u ubuntu -x 'tmux: server'", check=False).stdout.strip()

            server = wait_for(find_server, "tmux")
            assert "/session-" in host.run(["cat", f"/proc/{server}/cgroup"]).stdout
            result = deploy()
            assert result.rc == 0, result.stdout
        finally:
            login.terminate()
    end_connections(host)
    assert host.run(["cat", f"/proc/{server}/cgroup"]).stdout.strip().endswith(".scope")
    assert monitor(play, host).rc == 0
