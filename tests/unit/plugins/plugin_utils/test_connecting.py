# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The training user that is filled in: the connecting user, whoever the task becomes."""

from __future__ import annotations

import getpass
from types import SimpleNamespace

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, naming
from ansible_collections.trainprep.features.plugins.plugin_utils.connecting import with_user


def action(becomes=None, remote_user="ubuntu", transport="ssh", says="asked\n", code=0):
    become = SimpleNamespace(name="community.general.doas", get_option=lambda name, playcontext=None: becomes) if becomes else None
    connection = SimpleNamespace(become=become, transport=transport, get_option=lambda name: remote_user)

    def ask(command, sudoable=True):
        assert not sudoable, "asked without become"
        return {"rc": code, "stdout": says}

    return SimpleNamespace(_connection=connection, _play_context=None, _low_level_execute_command=ask)


@pytest.mark.parametrize(
    ("host", "given", "user"),
    [
        (action("root"), {}, "ubuntu"),
        (action("root"), {"user": ""}, "ubuntu"),
        (action("root"), {"user": "trainer"}, "trainer"),
        (action("root", remote_user="root"), {}, "root"),
        (action("root", remote_user=None, transport="community.docker.docker"), {}, "asked"),
        (action("root", remote_user=None, transport="community.docker.docker", says="Welcome\nasked\n"), {}, "asked"),
        (action("root", transport="local"), {}, getpass.getuser()),
        (action(None), {}, None),
        (action("trainer"), {}, None),
    ],
)
def test_the_training_user_is_the_connecting_user(host, given, user, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert with_user(host, given).get("user") == user


def test_ssh_knows_the_user_that_its_configuration_names(tmp_path):
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\ncase "$*" in *"-G -- gpu-1"*) printf "host gpu-1\nuser configured\nport 22\n";; esac\n')
    program.chmod(0o755)
    host = action("root")
    host._connection.get_option = {"ssh_executable": str(program), "host": "gpu-1"}.get
    host._play_context = SimpleNamespace(remote_addr="gpu-1", remote_user=None, port=None, private_key_file=None)
    assert with_user(host, {})["user"] == "configured"


def test_a_role_that_becomes_another_user_than_root_names_the_variable():
    arguments = {"variable_prefix": "prepare_features_"}
    with naming(arguments), pytest.raises(FeatureError) as error:
        with_user(action("trainer"), arguments)
    said = ("ansible_become_user is 'trainer'", "remove ansible_become_user (or ansible_doas_user)", "prepare_features_become: false")
    assert all(words in str(error.value) for words in said)


def test_a_host_that_does_not_tell_is_an_error():
    with pytest.raises(FeatureError, match="set ansible_user"):
        with_user(action("root", remote_user=None, code=1, transport="community.docker.docker"), {})
