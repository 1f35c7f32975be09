# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a transfer: command lines, what they say when they fail, and how files are shared out to streams."""

from __future__ import annotations

import random
import shlex
import subprocess
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, cause, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.line_check import (
    Line,
    check_line,
    inspect_line,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    BUSY,
    REPLACED,
    Receiving,
    check_streams,
    choose_streams,
    receiver_command,
    share_out,
    upload_name,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.transfer import (
    Ended,
    first_failure,
    run_streams,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login

WHERE = Where("web1", "ubuntu", "/data/.x")


class TestReceiver:
    """The receiving side's command, run by a shell as sshd would."""

    @staticmethod
    def run(staging: Path, key: str | None = None, upload: str = "abc") -> subprocess.CompletedProcess[str]:
        info = staging.stat()
        program = staging.parent / "rsync"
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; pwd; flock -n . true && echo free || echo locked\n')
        program.chmod(0o755)
        (staging.parent / upload_name(str(staging))).write_text("abc")
        receiving = Receiving(str(program), str(staging), key or f"{info.st_dev}:{info.st_ino}", upload)
        command = shlex.join(receiver_command(receiving))
        return subprocess.run(["/bin/sh", "-c", f"{command} --server -e.x . ./"], text=True, capture_output=True, check=False)

    def test_it_works_in_the_directory_and_holds_its_lock(self, tmp_path):
        staging = tmp_path / "it's a \"place\" $HOME ${HOME} \\0044 \\"
        staging.mkdir()
        done = self.run(staging)
        assert done.stdout.splitlines() == ["--server", "-e.x", ".", "./", str(staging), "locked"], done.stderr
        assert (done.returncode, done.stderr) == (0, "feature_upload: arrived\n")

    def test_a_receiver_that_fails_says_nothing_of_having_arrived(self, tmp_path):
        staging = tmp_path / "staging"
        staging.mkdir()
        (tmp_path / "staging.upload").write_text("abc")
        info = staging.stat()
        command = receiver_command(Receiving("/bin/false", str(staging), f"{info.st_dev}:{info.st_ino}", "abc"))
        done = subprocess.run(command, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (1, b"")

    def test_another_directory_under_that_name_is_refused(self, tmp_path):
        (tmp_path / "staging").mkdir()
        done = self.run(tmp_path / "staging", "1:2")
        assert done.returncode == REPLACED
        assert "was removed or replaced" in explain(done.returncode, done.stderr, WHERE)

    @pytest.mark.parametrize(("how", "free"), [("--exclusive", False), ("--shared", True)])
    def test_only_receivers_share_the_lock(self, tmp_path, how, free):
        staging = tmp_path / "staging"
        staging.mkdir()
        command = ["flock", how, str(staging), "sh", "-c", "echo ready; exec cat"]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert holder.stdout.readline() == b"ready\n"
            done = self.run(staging)
        finally:
            holder.stdin.close()
            holder.wait()
        assert (done.returncode == 0) is free
        if not free:
            assert done.returncode == BUSY
            assert "another upload is writing into /data/.x" in explain(12, done.stderr, WHERE)
        assert self.run(staging).returncode == 0

    def test_a_receiver_of_an_upload_that_was_overtaken_does_not_write(self, tmp_path):
        (tmp_path / "staging").mkdir()
        done = self.run(tmp_path / "staging", upload="older")
        assert (done.returncode, done.stdout) == (BUSY, "")


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
        (12, "sudo: a password is required\n" + BROKE, "sudo asks for a password", False),
        (12, "sudo: sorry, you must have a tty to run sudo\n" + BROKE, "take requiretty out of sudoers for ubuntu", False),
        (12, "sudo: unable to execute /bin/sh: Input/output error\n" + BROKE, "sudo refuses to start the upload's rsync", False),
        (255, "Host key verification failed.", "SSH host key is not known", False),
        (255, "me@h: Permission denied (publickey).", "SSH refused the login", False),
        (127, "bash: line 1: /usr/bin/rsync: No such file or directory\nrsync error: remote command not found (code 127) at io.c",
         "rsync on web1 cannot be started (rsync error: remote command not found (code 127) at io.c): install the package", False),
        (127, "bash: rsync: command not found", "install the package rsync there", False),
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


@pytest.mark.parametrize(
    ("line", "become", "words"),
    [
        (Line(True, "", 0.001), "root", None),
        (Line(True, "Welcome to\nthe machine\n", 0.001), "root", "the login shell of me prints text.*'Welcome to the machine'"),
        (Line(False, "", None, "sudo: sorry, you must have a tty to run sudo"), "root", "take requiretty out of sudoers for me"),
        (Line(False, "", None, "We trust you\nsudo: a password is required"), "root", "may not become root by sudo without a password"),
        (Line(False, "", None, "ssh: connect to host h port 22: Connection refused"), "root", None),
        (Line(False, "", None, "sudo: a password is required"), None, None),
    ],
)
def test_what_a_line_is_like_is_judged_before_it_is_used(line, become, words):
    if words is None:
        check_line(line, Login("h", "me", {}), "web1", become)
        return
    with pytest.raises(FeatureError, match=words):
        check_line(line, Login("h", "me", {}), "web1", become)


def ssh_that(tmp_path: Path, script: str) -> Login:
    """A login whose ssh is a script; the command for the host is its last argument."""
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/bash\ncommand="${{@: -1}}"\n{script}\n')
    program.chmod(0o755)
    return Login("h", "me", {"ssh_executable": str(program)})


def test_a_line_tells_its_round_trip_and_what_the_shell_prints(tmp_path):
    line = inspect_line(ssh_that(tmp_path, 'printf "hello "; echo you; printf "and "; exec sh -c "$command"'), [], None)
    assert line.ready and line.noise == "hello you\nand " and 0 < line.round_trip < 5


def test_a_line_over_which_nothing_runs_tells_why(tmp_path):
    line = inspect_line(ssh_that(tmp_path, 'echo "sudo: no" >&2; exit 1'), ["sudo"], None)
    assert line == Line(False, "", None, "sudo: no\n")


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
    ended = run_streams([["sh", "-c", "echo no >&2; exit 3"], ["sh", "-c", "sleep 0.2; touch done"], ["sh", "-c", "exit 12"]], tmp_path)
    assert ended == [Ended(3, "no\n"), Ended(0, ""), Ended(12, "")]
    assert first_failure(ended) == Ended(3, "no\n")
    assert first_failure(ended[1:]) == Ended(12, "") and first_failure(ended[1:2]) is None
