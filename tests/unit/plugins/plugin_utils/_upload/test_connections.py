# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.connections import Connections, choose_ciphers
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login

CHACHA, FAST, FASTER, OTHER = "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes128-ctr"


@pytest.mark.parametrize(
    ("allowed", "instructions", "chosen"),
    [
        ([CHACHA, OTHER, FASTER, FAST], True, [FASTER, FAST, CHACHA, OTHER]),
        ([CHACHA, OTHER, FASTER, FAST], False, None),
        ([CHACHA, FAST], True, [FAST, CHACHA]),
        ([CHACHA, OTHER], True, None),
        ([OTHER, CHACHA, FAST], True, None),
        ([FASTER], True, None),
    ],
    ids=["as by default", "no instructions", "one is left out", "both are left out", "somebody's own order", "one alone"],
)
def test_the_cipher_that_costs_least_of_those_that_are_allowed(allowed, instructions, chosen):
    said = f"user me\nciphers {','.join(allowed)}\nport 22\n"
    assert choose_ciphers(said, instructions) == (",".join(chosen) if chosen else None)


@pytest.mark.parametrize("said", ["", "port 22\n", "Bad configuration option\n"])
def test_without_an_answer_the_ciphers_are_left_alone(said):
    assert choose_ciphers(said, True) is None


def ssh_that(tmp_path: Path, script: str, password: str | None = None) -> Login:
    """A login whose ssh is a script: $socket is what follows -S."""
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/bash\n[[ " $* " != *" -G "* ]] || exit 0\nwhile [ "$1" != -S ]; do shift; done; socket=$2\n{script}\n')
    program.chmod(0o755)
    return Login("h", "me", {"ssh_executable": str(program)}, password)


def socket_of(command: list[str]) -> str:
    return command[command.index("-S") + 1]


def test_connections_wait_for_their_rsyncs_and_end_with_the_block(tmp_path):
    ended = tmp_path / "ended"
    told_to_end = f'trap "echo x >>{ended}; exit" TERM; touch "$socket"; cat'
    with Connections(ssh_that(tmp_path, told_to_end), str(tmp_path)) as connections:
        connections.open(2)
        sockets = [socket_of(command) for command in connections.commands(3)]
        assert [os.path.exists(path) for path in sockets[:2]] == [True, True] and sockets[0] != sockets[1]
        assert sockets[2] == "none", "one that was not opened"
        assert os.stat(os.path.dirname(sockets[0])).st_mode & 0o777 == 0o700
        assert not ended.exists()
    assert ended.read_text() == "x\nx\n"
    assert not os.path.exists(os.path.dirname(sockets[0]))


def test_a_connection_that_cannot_be_opened_is_left_to_its_rsync(tmp_path):
    began = time.monotonic()
    with Connections(ssh_that(tmp_path, "exit 255"), str(tmp_path)) as connections:
        connections.open(1)
        assert [socket_of(command) for command in connections.commands(1)] == ["none"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("what", ["tempfile.mkdtemp", "subprocess.Popen"])
def test_where_this_machine_cannot_open_one_its_rsync_does(tmp_path, monkeypatch, what):
    login = ssh_that(tmp_path, "cat")

    def refused(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(what, refused)
    with Connections(login, str(tmp_path)) as connections:
        connections.open(2)
        assert [socket_of(command) for command in connections.commands(2)] == ["none", "none"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ssh"]


def test_a_connection_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("ansible_collections.trainprep.features.plugins.plugin_utils._upload.connections._CLOSING", 0.1)
    deaf = f'trap "" TERM; echo $$ >{tmp_path}/pid; touch "$socket"; exec sleep 60'
    with Connections(ssh_that(tmp_path, deaf), str(tmp_path)) as connections:
        connections.open(1)
        next(connections.commands(1))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_below_a_long_path_no_socket_is_made(tmp_path):
    long = tmp_path / ("x" * 80)
    long.mkdir()
    with Connections(ssh_that(tmp_path, 'touch "$socket"; cat'), str(long)) as connections:
        connections.open(1)
        assert socket_of(next(connections.commands(1))).startswith("/tmp/c")
    assert list(long.iterdir()) == []


def test_with_a_password_each_rsync_opens_its_own(tmp_path):
    with Connections(ssh_that(tmp_path, f"touch {tmp_path}/started", "secret"), str(tmp_path)) as connections:
        connections.open(2)
        assert [socket_of(command) for command in connections.commands(2)] == ["none", "none"]
    assert not (tmp_path / "started").exists()
