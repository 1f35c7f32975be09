# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transfer between two hosts: what the sender lets run, what the receiver asks for."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_receive, peer_send
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

TOKEN = "0123456789abcdef" * 2
WHOLE = ["--server", "--sender", "-LOtre.LsfxCIvu", "--timeout=300"]


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [
        ("rsync --server --sender -tOre.LsfxCIvu --timeout=300 . ./", WHOLE),
        ("rsync --server --sender -Otre.LsfxCIvu . .", WHOLE),
        ("rsync --server --sender -tOre.LsfxCIvu --bwlimit=5120 --timeout=300 . ./", [*WHOLE, "--bwlimit=5120"]),
        ("rsync --server --sender -logDtpre.LsfxCIvu --partial-dir .rsync-partial . ./", None),
        ("rsync --server --sender -tre.LsfxCIvu --log-file=/etc/x . ./", WHOLE),
        ("rsync --server --sender -tre.LsfxCIvu --bwlimit=x;id . ./", WHOLE),
    ],
)
def test_sender_runs_the_same_whatever_is_asked_for(asked, arguments):
    refused, found = peer_send.sender_arguments([asked])
    if arguments is None:
        assert refused and not found
    else:
        assert (refused, found) == ("", [*arguments, ".", "./"])


@pytest.mark.parametrize(
    "asked",
    [
        [],
        [""],
        ["id"],
        ["rsync --server -tre.LsfxCIvu . ./"],
        ["rsync --server --sender -tre.LsfxCIvu . /etc"],
        ["rsync --server --sender -tre.LsfxCIvu . ./ /etc/passwd"],
        ["rsync --server --sender -tre.LsfxCIvu . ../"],
        ["rsync --daemon"],
        ["rsync --server --sender -tre.LsfxCIvu . ./; id"],
        ["rsync --server --sender -tre.LsfxCIvu . ./\nid"],
        ["rsync", "--server", "--sender", "-tre.LsfxCIvu", ".", "./"],
    ],
)
def test_anything_else_is_refused(asked):
    assert peer_send.sender_arguments(asked) == ("anything but an rsync that receives", [])


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("a.npz", "a.npz"), ("a[1].npz", r"a\[1].npz"), ("a*?.npz", r"a\*\?.npz"), ("a\\b.npz", "a\\b.npz"), ("a\\*.npz", r"a\\\*.npz")],
)
def test_pattern_matches_one_name(name, pattern):
    assert peer_receive._pattern(name) == pattern


@pytest.fixture
def sshd():
    """``start(*banners) -> port``: a server that greets each caller with the next of them."""
    listeners = []

    def start(*banners):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def greet():
            for banner in banners:
                connection = listener.accept()[0]
                connection.sendall(banner)
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def test_only_peers_with_an_sshd_are_reachable(sshd):
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    peers = [
        {"name": "a", "address": "127.0.0.1", "port": sshd(b"SSH-2.0-OpenSSH_9.2\r\n")},
        {"name": "b", "address": "127.0.0.1", "port": sshd(*[b"HTTP/1.1 400\r\n"] * 3)},
        {"name": "c", "address": "127.0.0.1", "port": port},
        {"name": "d", "address": "x" * 300, "port": 22},
        {"name": "busy", "address": "127.0.0.1", "port": sshd(b"Exceeded MaxStartups\r\n", b"", b"SSH-2.0-OpenSSH_9.2\r\n")},
    ]
    assert peer_receive.reach(peers) == {"a": "127.0.0.1", "busy": "127.0.0.1"}
    assert peer_receive.reach([]) == {}


def test_key_pair_of_a_transfer_comes_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    key = peer_receive.make_key(TOKEN)
    assert key.startswith("ssh-ed25519 ")
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(directory)) == ["key", "key.pub"]
    with pytest.raises(FileExistsError):
        peer_receive.make_key(TOKEN)
    peer_receive.forget_key(TOKEN)
    peer_receive.forget_key(TOKEN)
    assert not list(tmp_path.iterdir())


def test_key_pairs_of_killed_runs_are_removed_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, age in (("trainprep-peer-old", 90000), ("trainprep-peer-new", 80000), ("else", 90000)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, time.time() - age))
    peer_receive.make_key(TOKEN)
    assert sorted(os.listdir(tmp_path)) == ["else", f"trainprep-peer-{TOKEN}", "trainprep-peer-new"]


@pytest.mark.parametrize("token", ["", "..", "a/b", TOKEN + "x", TOKEN.upper().replace("A", "G")])
def test_token_that_is_no_name_of_a_transfer(token):
    with pytest.raises(FeatureError):
        peer_receive.make_key(token)
