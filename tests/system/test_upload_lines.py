# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads over connections as people have them: IPv6 addresses, chatty shells and banners, long lines."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.layout import crema_d_names, write_features
from tests.support.relay import line
from tests.support.uploads import ROLE, Background, feature_set, publish_task, role_variables, upload_task

FILES = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES))
    return directory


def through(host: Host, address: str, port: int) -> Host:
    """The same host, reached at another address."""
    with host.known_hosts.open("a") as known:
        key = host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        known.write(f"[{address}]:{port} {key[0]} {key[1]}\n")
    return dataclasses.replace(host, address=address, port=port)


def said(result, host: Host) -> str:
    return str(result.results(host, "trainprep.features.feature_upload")[-1]["result"].get("msg", ""))


def test_an_ipv6_address(start_host, play, source):
    host = start_host("six")
    with line(host.port, "::1") as port:
        there = through(host, "::1", port)
        result = play(there, ROLE, role_variables(feature_set(source)))
        assert result.rc == 0, result.stdout
        assert play(there, ROLE, role_variables(feature_set(source))).recap[host.name]["changed"] == 0
    assert sorted(host.run("ls -A /data/wav").stdout.split()) == sorted(crema_d_names(FILES))
    assert host.run("ls -A /data").stdout == "wav\n"


def test_what_no_upload_brought_is_named_once_and_the_advice_helps(start_host, play, source):
    """As a transfer to the wrong place left it."""
    host = start_host("foreign")
    one = feature_set(source)
    host.run("mkdir -p '/data/.wav.incoming/ubuntu@[::1]:.' && chmod 700 /data/.wav.incoming")
    host.put(source, "/data/.wav.incoming/ubuntu@[::1]:./files")
    for check in (True, False):
        result = play(host, ROLE, role_variables(one), check=check)
        assert result.rc == 2
        message = said(result, host)
        assert f"/data/.wav.incoming holds {FILES} files that are not from an upload, in /data/.wav.incoming/ubuntu@[::1]:.:" in message
    advised = re.search(r"not from an upload, in (.*?): move that out of (\S+), or remove this directory", message)
    host.run(["mv", advised.group(1), "/home/ubuntu/elsewhere"])
    result = play(host, ROLE, role_variables(one))
    assert result.rc == 0, result.stdout
    assert host.run("ls -A /data").stdout == "wav\n"


def test_files_that_did_not_arrive_are_never_claimed(ssh_host, play, source, tmp_path):
    """An ssh in between that leads the transfer elsewhere, and reports success."""
    away = tmp_path / "away"
    away.mkdir()
    shell = tmp_path / "bin" / "ssh"
    shell.parent.mkdir()
    real = shutil.which("ssh")
    shell.write_text(
        f'#!/bin/sh\ncase "$*" in *--server*) while [ "$1" != --server ]; do shift; done; cd {away}; exec rsync "$@" ;; esac\n'
        f'exec {real} "$@"\n'
    )
    shell.chmod(0o755)
    one = feature_set(source, "/data/lost")
    task = {**upload_task(one), "vars": {"ansible_ssh_executable": str(shell)}}
    result = play(ssh_host, [{"hosts": "all", "gather_facts": False, "tasks": [task, publish_task(one)]}])
    messages = [event["result"].get("msg", "") for event in result.results(ssh_host)]
    assert f"only 0 of {FILES} files arrived in /data/.lost.incoming" in messages[0] and len(list(away.iterdir())) == FILES
    assert "is incomplete" in messages[1]
    assert ssh_host.run("test -e /data/lost", check=False).returncode == 1


def test_a_run_right_after_a_failed_one_waits_for_its_receiver(ssh_host, hosts, play, source, tmp_path):
    """No stream of the first one reaches the host, where a receiver waits for them for half a minute and holds the lock."""
    shell = tmp_path / "ssh"
    shell.write_text(f'#!/bin/sh\ncase "$*" in *--server*) exit 255 ;; esac\nexec {shutil.which("ssh")} "$@"\n')
    shell.chmod(0o755)
    variables = role_variables(feature_set(source, "/data/again"), prepare_features_upload_streams=2)
    failed = play(ssh_host, ROLE, {**variables, "ansible_ssh_executable": str(shell)})
    assert failed.rc == 2 and "broke off" in said(failed, ssh_host) and "run again" in said(failed, ssh_host)
    # Its half minute may be over before a busy machine has begun the next run: it stands still until that has met it.
    receivers = ssh_host.run("pgrep -x python3").stdout.split()
    ssh_host.run(["kill", "-STOP", *receivers])
    again = Background(hosts, ssh_host, variables)
    waiting = "another upload is writing into /data/.again.incoming, waiting for it"
    assert again.wait_for(lambda: waiting in " ".join(again.output.read_text().split()), "the receiver's lock"), again.output.read_text()
    ssh_host.run(["kill", "-CONT", *receivers])
    code, output = again.end()
    assert code == 0, output


@pytest.fixture(scope="module")
def chatty(start_host) -> Host:
    host = start_host("chatty")
    host.run("echo 'Authorised users only.' > /etc/banner && echo 'Banner /etc/banner' >> /etc/ssh/sshd_config"
             " && kill -HUP $(pgrep -o -x sshd)")
    return host


def test_a_banner_is_no_cause(chatty, play, source):
    """The lock is held by another user, behind a banner and a host key that is new."""
    chatty.run("mkdir -m 700 -p /data/.wav.incoming")
    one = feature_set(source)
    chatty.run("setsid flock -s /data/.wav.incoming sleep 4000 </dev/null >/dev/null 2>&1 &")
    tasks = [upload_task(one, wait=1)]
    result = play(chatty, [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
                  {"ansible_ssh_common_args": "-F /dev/null -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"})
    message = result.results(chatty)[0]["result"]["msg"]
    assert "/data/.wav.incoming is still being written by another upload" in message
    chatty.run("kill $(pgrep -x sleep)")
    assert play(chatty, ROLE, role_variables(one)).rc == 0


def test_a_shell_that_prints_is_named_before_anything_is_changed_and_the_advice_helps(chatty, play, source):
    one = feature_set(source, "/data/printed")
    chatty.run("cp ~/.bashrc ~/quiet; sed -i '1i echo Welcome to the training host' ~/.bashrc", user="ubuntu")
    before = chatty.tree("/data")
    for check in (True, False):
        result = play(chatty, ROLE, role_variables(one), check=check)
        assert result.rc == 2, result.stdout
        assert said(result, chatty) == (
            f"{chatty.name}: the login shell of ubuntu prints text into sessions without a terminal ('Welcome to the training host'),"
            " which rsync cannot understand: let its start-up files (.bashrc and the like) print only if the shell is interactive"
        )
    assert chatty.tree("/data") == before
    chatty.run("sed -i '1s/.*/case $- in *i*) echo Welcome;; esac/' ~/.bashrc", user="ubuntu")
    assert play(chatty, ROLE, role_variables(one)).rc == 0
    chatty.run("mv ~/quiet ~/.bashrc", user="ubuntu")


def test_an_rsync_that_cannot_start_is_named_before_anything_is_changed(start_host, play, source):
    host = start_host("broken")
    host.run("mkdir /aside && mv $(ldconfig -p | awk '/libpopt.so.0 /{print $NF}') /aside")
    before = host.tree("/data")
    result = play(host, ROLE, role_variables(feature_set(source)))
    assert result.rc == 2
    message = said(result, host)
    assert "/usr/bin/rsync on the host cannot be run (/usr/bin/rsync: error while loading shared libraries: libpopt" in message
    assert "install the package rsync again there" in message
    assert host.tree("/data") == before


def test_a_controller_without_ansible_posix_uploads(ssh_host, play, source, tmp_path):
    """rsync is started by the action itself: no other collection is needed."""
    from tests.support.hosts import REPOSITORY

    tree = tmp_path / "ansible_collections" / "trainprep"
    tree.mkdir(parents=True)
    (tree / "features").symlink_to(REPOSITORY)
    hidden = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    result = play(ssh_host, ROLE, role_variables(feature_set(source, "/data/alone")), env=hidden)
    assert result.rc == 0, result.stdout
    missing = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.posix.synchronize": {"src": "/etc/hostname", "dest": "/tmp/"}}]}]
    assert "couldn't resolve module/action" in play(ssh_host, missing, env=hidden).stdout


def test_the_controller_is_checked_before_the_host_is_changed(ssh_host, play, source, tmp_path):
    one = feature_set(source, "/data/unsent")
    before = ssh_host.tree("/data")
    for check in (True, False):
        for variables, words in (
            ({"ansible_ssh_executable": "/nowhere/ssh"}, "/nowhere/ssh"),
        ):
            task = {**upload_task(one), "vars": variables}
            result = play(ssh_host, [{"hosts": "all", "gather_facts": False, "tasks": [task]}], check=check)
            assert words in result.results(ssh_host)[0]["result"]["msg"], result.stdout
    assert ssh_host.tree("/data") == before


def test_a_long_line_is_filled_by_several_streams(start_host, play, tmp_path):
    """80 ms away, by the line's own answer; and as many as are asked for."""
    write_features(tmp_path / "source", crema_d_names(40))
    host = start_host("far")
    with line(host.port, "127.0.0.1", round_trip=0.08) as port:
        there = through(host, "127.0.0.1", port)
        result = play(there, ROLE, role_variables(feature_set(tmp_path / "source")))
        assert result.rc == 0, result.stdout
        # A busy machine answers later, and seems to be farther away.
        assert 6 <= sum(command.endswith("./") for command in result.ssh_commands[host.name]) <= 8, "rsync's last argument on the host"
    near = play(host, ROLE, role_variables(feature_set(tmp_path / "source", "/data/near"), prepare_features_upload_streams=2))
    assert near.rc == 0 and sum(command.endswith("./") for command in near.ssh_commands[host.name]) == 2
    assert host.run("ls -A /data").stdout == "near\nwav\n"
    assert host.run("ls /data/wav /data/near | grep -c npz").stdout == "80\n"


def test_a_host_that_takes_one_session_a_connection(start_host, play, source):
    """MaxSessions 1, as hardened servers have it: every rsync has a connection of its own."""
    host = start_host("hardened")
    host.run("echo MaxSessions 1 >>/etc/ssh/sshd_config && pkill -HUP -o sshd")
    result = play(host, ROLE, role_variables(feature_set(source)))
    assert result.rc == 0, result.stdout
    assert host.run("ls /data").stdout == "wav\n"
