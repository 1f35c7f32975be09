# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._upload.connector import connector_words
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import send_command
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, data_command, ssh_command

OPTIONS = {
    "ssh_executable": "/usr/bin/ssh",
    "ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s",
    "ssh_common_args": '-o ProxyCommand="ssh -W %h:%p -q bastion"',
    "ssh_extra_args": None,
    "host_key_checking": True,
    "port": 2222,
    "private_key_file": "/home/me/my key",
    "timeout": 10,
}


def test_ssh_is_set_as_the_connection_is_but_without_compression_and_sharing():
    words = ssh_command(Login("h", "me", OPTIONS))
    assert words[:3] == ["/usr/bin/ssh", "-S", "none"]
    assert "-C" not in words and "Compression=no" in words and "BatchMode=yes" in words
    assert "ProxyCommand=ssh -W %h:%p -q bastion" in words and "Port=2222" in words
    assert 'IdentityFile="/home/me/my key"' in words
    assert not any("StrictHostKeyChecking" in word for word in words)
    words = ssh_command(Login("h", "me", {**OPTIONS, "host_key_checking": False}, "secret"))
    assert "StrictHostKeyChecking=no" in words and "BatchMode=yes" not in words


@pytest.mark.parametrize(
    ("host", "user", "address", "bare"),
    [
        ("web1", "me", "me@web1", "web1"),
        ("web1", None, "web1", "web1"),
        ("10.0.0.1", "me", "me@10.0.0.1", "10.0.0.1"),
        ("::1", "me", "me@[::1]", "::1"),
        ("[::1]", "me", "me@[::1]", "::1"),
        ("fe80::1%eth0", None, "[fe80::1%eth0]", "fe80::1%eth0"),
    ],
)
def test_an_address_is_put_into_brackets_once(host, user, address, bare):
    login = Login(host, user, {})
    assert (login.rsync_address, login.bare_host) == (address, bare)
    command = send_command(["--times"], "/src", connector_words("/usr/bin/python3", "0" * 32, 0), login)
    assert command[-2:] == ["/src/", f"{address}:./"]


@pytest.mark.parametrize(
    ("configured", "ciphers"),
    [
        ("chacha20-poly1305@openssh.com,aes256-gcm@openssh.com", ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]),
        ("aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr"]),
        ("chacha20-poly1305@openssh.com", None),
        ("no-such-cipher", None),
    ],
)
def test_data_takes_the_fastest_cipher_that_ssh_is_configured_to_allow(tmp_path, configured, ciphers):
    (tmp_path / "config").write_text(f"Ciphers {configured}\n")
    login = Login("h", "me", {"ssh_args": f"-F {tmp_path}/config"})
    more = ["-o", f"Ciphers={','.join(ciphers)}"] if ciphers else []
    assert data_command(login) == [*ssh_command(login), *more]


def test_a_password_is_in_no_command_and_no_traceback():
    login = Login("h", "me", OPTIONS, "secret")
    assert "secret" not in repr(login) and not any("secret" in word for word in ssh_command(login))
