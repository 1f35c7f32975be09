# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a transfer: command lines, what they say when they fail, and how files are shared out to streams."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.amazon.aws.plugins.connection import aws_ssm
from ansible_collections.community.docker.plugins.connection import docker, docker_api
from ansible_collections.containers.podman.plugins.connection import podman
from ansible_collections.kubernetes.core.plugins.connection import kubectl
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.connection import (
    ShellReply,
    ask_connection,
    check_controller,
    check_noise,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, cause, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    Ended,
    check_streams,
    choose_streams,
    first_failure,
    run_streams,
    share_out,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, start

WHERE = Where("web1", "ubuntu", "/data/.x")


def test_an_option_of_the_users_that_rsync_does_not_know_is_named():
    said = "rsync: --nonsense=1: unknown option\nrsync error: syntax or usage error (code 1) at main.c(1795)"
    assert explain(1, said, Where("web1", "me", "/data/.x", ["--bwlimit=5m", "--nonsense=1"])) == (
        "rsync_opts: rsync has no option '--nonsense=1': correct it, or leave it out"
    )
    assert "too old" in explain(1, said, Where("web1", "me", "/data/.x", ["--bwlimit=5m"]))


CHATTER = "Authorised users only.\nWarning: Permanently added '[10.0.0.1]:22' (ED25519) to the list of known hosts.\nHave a nice day\n"
BROKE = "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n"
CODE12 = "rsync error: error in rsync protocol data stream (code 12) at io.c(228) [sender=3.2.7]"


@pytest.mark.parametrize("chatter", ["", CHATTER], ids=["quiet", "chatty"])
@pytest.mark.parametrize(
    ("code", "message", "words", "again"),
    [
        (11, 'rsync: write failed on "x": No space left on device (28)', "the disk of /data/.x is full", True),
        (12, "Traceback (most recent call last):\nConnectionRefusedError: [Errno 111] Connection refused\n" + BROKE, "has ended", True),
        (12, "feature_upload: refuses --x\n" + BROKE, "rsync_opts: the host's side does not accept an option", False),
        (255, "Host key verification failed.", "SSH host key is not known", False),
        (255, "me@h: Permission denied (publickey).", "SSH refused the login", False),
        (127, "bash: line 1: /usr/bin/rsync: No such file or directory\nrsync error: remote command not found (code 127) at io.c",
         "cannot be started on web1 (bash: line 1: /usr/bin/rsync: No such file or directory): install rsync there", False),
        (127, "bash: rsync: command not found", "install rsync there", False),
        (126, "bash: line 1: /root/venv/bin/python3: Permission denied\n" + BROKE, "set ansible_python_interpreter", False),
        (127, "fish: Unknown command: /usr/bin/python3.8\n", "cannot be started on web1", False),
        (12, "/usr/bin/rsync: error while loading shared libraries: libpopt.so.0: cannot open shared object file\n" + BROKE,
         "cannot be started (/usr/bin/rsync: error while loading shared libraries: libpopt.so.0", False),
        (2, "protocol version mismatch -- is your shell clean?\n(see the rsync manpage for an explanation)\n"
            "rsync error: protocol incompatibility (code 2) at compat.c(622)", "the login shell of ubuntu prints text", False),
        (2, "protocol version mismatch", "use rsync 3.1 or later on both sides", False),
        (24, 'file has vanished: "x"', "a file of the source vanished", True),
        (23, 'rsync: [receiver] chown "/data/.x/a" failed: Operation not permitted (1)', "choose a target on another file system", False),
        (12, BROKE + CODE12, "broke off (rsync: connection unexpectedly closed (0 bytes received so far) [sender]): run again", True),
        (255, "ssh: connect to host web1 port 22: Connection refused\n" + BROKE, "broke off (ssh: connect to host web1", True),
        (-9, "", "broke off: run again", True),
        (1, "rsync: something new", "failed with rsync's code 1 (rsync: something new)", True),
    ],
)  # fmt: skip
def test_the_real_cause_is_told_and_whether_a_repeat_mends_it(code, message, words, again, chatter):
    sentence = explain(code, chatter + message, WHERE)
    assert words in sentence and "\n" not in sentence
    assert "run again" in sentence or not again
    assert again or "run again" not in sentence
    assert "Authorised" not in sentence and "nice day" not in sentence and "Permanently" not in sentence


def test_chatter_alone_is_no_cause():
    assert cause(CHATTER.splitlines()) == ""
    assert explain(12, CHATTER, WHERE) == "the upload to /data/.x on web1 broke off: run again, it goes on from there"


def ssh_that(tmp_path: Path, script: str) -> Login:
    """A login whose ssh is a script; the command for the host is its last argument."""
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/bash\ncommand="${{@: -1}}"\n{script}\n')
    program.chmod(0o755)
    return Login("h", "me", {"ssh_executable": str(program)})


def test_a_connection_tells_who_connects_its_round_trip_and_what_the_shell_prints(tmp_path):
    login = ssh_that(tmp_path, 'printf "hello "; echo you; printf "and "; exec sh -c "$command"')
    answer = ask_connection(login)
    assert (answer.uid, answer.noise) == (os.geteuid(), "hello you\nand ") and 0 < answer.round_trip < 5
    with pytest.raises(FeatureError, match=r"the login shell of me prints text.*'hello you and'"):
        check_noise(answer, "me", "web1")


def test_a_connection_over_which_nothing_runs_tells_why(tmp_path):
    assert ask_connection(ssh_that(tmp_path, 'echo "ssh: no" >&2; exit 1')) == ShellReply(None, stderr="ssh: no\n")


@pytest.mark.parametrize("check", [docker, docker_api, podman, kubectl, aws_ssm], ids=lambda plugin: plugin.__name__.rpartition(".")[2])
def test_connections_that_rsync_cannot_use_are_named_with_what_to_do(check):
    """By the name that each plugin has for itself; what to do is the same for all, but for Session Manager, which can carry SSH."""
    with pytest.raises(FeatureError) as error:
        check_controller(check.Connection.transport, None, "web1")
    said = str(error.value)
    assert said.startswith(f"web1: rsync cannot upload over the connection '{check.Connection.transport}': ")
    assert "s3://bucket/prefix" in said and "peers" in said and said.endswith("; linking works over any connection")
    assert ("ProxyCommand of aws ssm start-session" in said) == (check is aws_ssm) != ("or connect by SSH;" in said)


def test_a_program_that_the_controller_lacks_is_named():
    with pytest.raises(FeatureError, match="/nowhere/ssh is missing on the controller"):
        check_controller("ssh", Login("h", "me", {"ssh_executable": "/nowhere/ssh"}), "web1")


def test_a_password_reaches_ssh_by_a_descriptor_alone(tmp_path, monkeypatch):
    """sshpass is a script here that shows its arguments, its environment and what the descriptor holds."""
    program = tmp_path / "sshpass"
    program.write_text('#!/bin/sh\necho "arguments $*"; env | grep -c secret77; cat /proc/self/fd/${1#-d}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    process = start(["ssh", "h"], Login("h", "me", {}, "secret77"), stdout=subprocess.PIPE, text=True)
    said = process.communicate()[0].splitlines()
    assert said[0].startswith("arguments -d") and said[0].endswith(" ssh h") and said[1:] == ["0", "secret77"]


@pytest.mark.parametrize(
    ("wanted", "options", "round_trip", "streams"),
    [
        (None, [], 0.0099, 1),
        (None, [], 0.01, 4),
        (None, [], 0.054, 4),
        (None, [], 0.056, 5),
        (None, [], 0.08, 6),
        (None, [], 0.3, 8),
        (None, [], 0.0005, 1),
        (None, [], None, 1),
        (None, ["--bwlimit=5m"], 0.08, 1),
        (7, ["--bwlimit=5m"], 0.0005, 7),
    ],
)
def test_several_streams_where_the_line_is_long(wanted, options, round_trip, streams):
    assert choose_streams(wanted, options, round_trip) == streams


@pytest.mark.parametrize(("value", "streams"), [("auto", None), ("", None), (1, 1), ("4", 4), (16, 16)])
def test_streams_are_a_number_or_auto(value, streams):
    assert check_streams(value) == streams


@pytest.mark.parametrize("value", [0, 17, "many", "1.5", -2, True, [4]])
def test_other_streams_are_refused(value):
    with pytest.raises(FeatureError, match=r"^streams: "):
        check_streams(value)


def test_files_are_shared_out_by_size():
    assert share_out([10, 1, 1, 1, 7], 2) == [[0, 3], [1, 2, 4]]
    assert share_out([5, 5], 4) == [[0], [1]]
    chance = random.Random(7)
    sizes = [chance.randrange(1, 1000) for _file in range(600)]
    shares = share_out(sizes, 4)
    assert sorted(number for share in shares for number in share) == list(range(600))
    loads = [sum(sizes[number] for number in share) for share in shares]
    assert max(loads) - min(loads) <= max(sizes)


def test_a_stream_that_fails_does_not_end_the_others(tmp_path):
    scripts = ("echo no >&2; exit 3", "sleep 0.2", "exit 12")
    ended = run_streams([["sh", "-c", script] for script in scripts], tmp_path, None)
    assert ended == [Ended(3, "no\n"), Ended(0, ""), Ended(12, "")]
    assert first_failure(ended) == Ended(3, "no\n")
    assert first_failure(ended[1:]) == Ended(12, "") and first_failure(ended[1:2]) is None
