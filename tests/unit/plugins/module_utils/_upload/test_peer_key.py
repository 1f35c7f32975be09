# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permission that a sender gives for one transfer."""

from __future__ import annotations

import os
import stat
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_key
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

KEY = "ssh-ed25519 " + "A" * 68
TOKEN, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
MINE = b"ssh-rsa AAAA me@laptop\n"


def permission(token=TOKEN, end=2e9, **changed):
    values = {"key": KEY, "address": "10.0.0.7", "command": "/usr/bin/python3 -c 'print(\"x\")'", **changed}
    return peer_key.Permission(token=token, end=end, **values)


def test_line_restricts_command_address_and_time():
    line = peer_key.key_line(permission())
    expiry = time.strftime("%Y%m%d%H%M%S", time.localtime(2e9))
    assert line == (
        f'restrict,from="10.0.0.7",expiry-time="{expiry}",command="/usr/bin/python3 -c \'print(\\"x\\")\'" {KEY}'
        f" trainprep.features:{TOKEN}:2000000000\n"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"key": KEY + "\nssh-rsa AAAA"},
        {"key": 'x" ' + KEY},
        {"key": "ssh-rsa AAAA"},
        {"address": "10.0.0.7,*"},
        {"address": "evil.example"},
        {"address": ""},
        {"token": "../../x"},
        {"token": TOKEN + "\n"},
    ],
)
def test_odd_values_never_reach_the_file(changed):
    with pytest.raises(FeatureError):
        peer_key.key_line(permission(**changed))


@pytest.mark.parametrize("command", ["a\nb", "a\\b"])
def test_command_that_cannot_be_quoted_is_a_bug(command):
    with pytest.raises(ValueError):
        peer_key.key_line(permission(command=command))


def line(token, end):
    return peer_key.key_line(permission(token, end)).encode()


@pytest.mark.parametrize(
    ("before", "token", "after"),
    [
        (b"", TOKEN, b""),
        (MINE, TOKEN, MINE),
        (MINE + line(TOKEN, 200) + MINE, TOKEN, MINE + MINE),
        (MINE + line(OTHER, 200), TOKEN, MINE + line(OTHER, 200)),
        (line(OTHER, 99) + MINE, None, MINE),
        (line(OTHER, 99), TOKEN, b""),
        (b"# trainprep.features: mine\n", TOKEN, b"# trainprep.features: mine\n"),
        (MINE[:-1], TOKEN, MINE[:-1]),
    ],
)
def test_only_our_lines_are_removed(before, token, after):
    assert peer_key.without(before, token, now=100.0) == after


def test_key_is_added_and_removed_and_the_rest_stays(tmp_path):
    ssh = tmp_path / ".ssh"
    ssh.mkdir(mode=0o700)
    file = ssh / "authorized_keys"
    file.write_bytes(MINE[:-1])
    file.chmod(0o640)
    peer_key.add_key(str(tmp_path), permission(end=time.time() + 60))
    assert file.read_bytes().startswith(MINE)
    assert TOKEN.encode() in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    peer_key.remove_key(str(tmp_path), TOKEN)
    assert file.read_bytes() == MINE
    assert os.listdir(ssh) == ["authorized_keys"]


def test_first_key_of_an_account(tmp_path):
    peer_key.add_key(str(tmp_path), permission(end=time.time() + 60))
    assert stat.S_IMODE((tmp_path / ".ssh").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / ".ssh" / "authorized_keys").stat().st_mode) == 0o600


def test_remove_without_directory_is_fine(tmp_path):
    peer_key.remove_key(str(tmp_path), TOKEN)
    assert os.listdir(tmp_path) == []


def test_link_in_place_of_the_file_is_not_followed(tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "elsewhere").write_bytes(MINE)
    (tmp_path / ".ssh" / "authorized_keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        peer_key.add_key(str(tmp_path), permission(end=time.time() + 60))
    assert (tmp_path / "elsewhere").read_bytes() == MINE


def test_known_hosts():
    assert peer_key.known_hosts("10.0.0.1", 22, ["ssh-ed25519 AAAA"]) == "10.0.0.1 ssh-ed25519 AAAA\n"
    assert peer_key.known_hosts("10.0.0.1", 2222, ["ssh-ed25519 AAAA"]) == "[10.0.0.1]:2222 ssh-ed25519 AAAA\n"
    for bad in ([], ["x y"], ["ssh-rsa AAAA\n* ssh-rsa BBBB"]):
        with pytest.raises(FeatureError):
            peer_key.known_hosts("10.0.0.1", 22, bad)


def test_host_keys(tmp_path):
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@gpu-1\n")
    (tmp_path / "ssh_host_rsa_key.pub").write_text("no key\n")
    assert peer_key.host_keys(str(tmp_path)) == ["ssh-ed25519 AAAA"]


def account(home="/home/ubuntu"):
    return accounts.Account("ubuntu", 1000, 1000, (1000,), home)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("", ""),
        ("port 22\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\npubkeyauthentication yes\n", ""),
        ("authorizedkeysfile /etc/ssh/keys/%u %h/.ssh/authorized_keys\n", ""),
        ("authorizedkeysfile /home/%u/.ssh/authorized_keys\n", ""),
        ("authorizedkeysfile /etc/ssh/keys/%u\n", "keys of ubuntu from /etc/ssh/keys/%u (AuthorizedKeysFile in sshd_config)"),
        ("authorizedkeysfile none\n", "AuthorizedKeysFile"),
        ("pubkeyauthentication no\n", "PubkeyAuthentication"),
    ],
)
def test_sshd_that_will_not_accept_the_key(settings, reason):
    refused = peer_key.refusal(settings, account())
    assert reason in refused and bool(reason) is bool(refused)
