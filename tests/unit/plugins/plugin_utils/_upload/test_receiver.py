# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receiver of the host and the controller's connector, with a real rsync on this machine."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import staging_path
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._upload import receiver
from ansible_collections.trainprep.features.plugins.module_utils._upload.connector import connector_words
from ansible_collections.trainprep.features.plugins.module_utils._upload.stage_sets import stage_sets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    Sending,
    files_list,
    rsync_options,
    run_streams,
    send_command,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_source
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import ME, a_set, features

WHERE = Where("web1", "ubuntu", "/data/.x")
RSYNC = "/usr/bin/rsync"
OPTIONS = ["--server", "-Ote.LsfxCIvu", "--timeout=300", "--partial-dir", ".rsync-partial"]


class Staging:
    """A locked staging directory with a receiver."""

    def __init__(self, path, uid=None, streams=1, rsync=RSYNC):
        self.path = path
        path.mkdir()
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.pulse = receiver.make_pulse()
        self.address = receiver.start_receiver(fd, os.geteuid() if uid is None else uid, streams, rsync, self.pulse)
        os.close(fd)
        self.receiver = connector_words(sys.executable, self.address.name, self.address.uid)

    def is_locked(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def is_free_soon(self):
        end = time.monotonic() + 30
        while self.is_locked() and time.monotonic() < end:
            time.sleep(0.05)
        return not self.is_locked()

    def connect(self, *arguments, uid=None):
        """Run the connector by a shell, as sshd does."""
        words = connector_words(sys.executable, self.address.name, self.address.uid if uid is None else uid)
        command = shlex.join([*words, *arguments])
        return subprocess.run(["/bin/sh", "-c", command], text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture
def staging(tmp_path):
    made = []

    def make(**options):
        made.append(Staging(tmp_path / "it's a \"place\" $HOME", **options))
        return made[-1]

    yield make
    for one in made:
        receiver.stop(one.pulse)
        assert one.is_free_soon()


def sendings(tmp_path, streams):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(streams):
        (source / f"f{number}").write_bytes(bytes(1000))
        (tmp_path / f"list{number}").write_bytes(files_list([b"f%d" % number]))
    return [Sending(str(source), str(tmp_path / f"list{number}"), str(tmp_path / f"log{number}"), False) for number in range(streams)]


@pytest.mark.parametrize("streams", [1, 4])
def test_streams_arrive_under_one_lock_that_is_free_at_the_end(tmp_path, staging, streams):
    place = staging(streams=streams)
    assert place.is_locked()
    commands = [send_command(rsync_options(one), one.source, place.receiver, None) for one in sendings(tmp_path, streams)]
    ended = run_streams(commands, tmp_path, None)
    assert [(one.code, one.stderr) for one in ended] == [(0, "feature_upload: arrived\n")] * streams
    assert not place.is_locked(), "free before the last rsync of the controller ends"
    assert sorted(os.listdir(place.path)) == [f"f{number}" for number in range(streams)]


def test_fewer_files_than_streams_need_fewer_streams(tmp_path):
    """What has to be sent is known on the host: the lock is free once each file's stream has ended."""
    (tmp_path / "data").mkdir()
    features(tmp_path / "source", "a.npz", "b.npz")
    (one,) = parse_sets([a_set(tmp_path / "data/t", source=str(tmp_path / "source"))])
    staged = stage_sets([one], ME, {one.name: classify_source(one, one.source).packed}, os.geteuid(), 8)["stage"][one.name]
    address = connector_words(sys.executable, staged["receiver"]["name"], staged["receiver"]["uid"])
    commands = []
    for number, name in enumerate((b"a.npz", b"b.npz")):
        (tmp_path / f"list{number}").write_bytes(files_list([name]))
        sending = Sending(one.source, str(tmp_path / f"list{number}"), str(tmp_path / f"log{number}"), False)
        commands.append(send_command(rsync_options(sending), one.source, address, None))
    assert [ended.code for ended in run_streams(commands, tmp_path, None)] == [0, 0]
    fd = os.open(staging_path(one.target), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_a_sender_that_is_killed_frees_the_lock(tmp_path, staging):
    place = staging()
    (one,) = sendings(tmp_path, 1)
    command = send_command([*rsync_options(one), "--bwlimit=1"], one.source, place.receiver, None)
    with open(tmp_path / "source" / "f0", "ab") as file:
        file.truncate(10_000_000)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(place.path.glob(".f0.*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert place.is_free_soon()


def test_no_other_user_may_connect(staging):
    place = staging(uid=os.geteuid() + 1)
    done = place.connect(*OPTIONS, ".", "./")
    assert done.returncode != 0 and "has ended: run again" in explain(12, done.stderr, WHERE)


def test_a_receiver_of_another_user_is_not_believed(staging):
    done = staging().connect(*OPTIONS, ".", "./", uid=os.geteuid() + 1)
    assert done.returncode == 1 and "has ended: run again" in explain(12, done.stderr, WHERE)


def test_a_receiver_that_has_ended_is_named(staging):
    place = staging()
    receiver.stop(place.pulse)
    assert place.is_free_soon()
    done = place.connect(*OPTIONS, ".", "./")
    assert "the process that receives the upload into /data/.x has ended" in explain(12, done.stderr, WHERE)


def test_an_rsync_that_fails_has_not_arrived(staging):
    done = staging(rsync="/bin/false").connect(*OPTIONS, ".", "./")
    assert (done.returncode, done.stderr) == (1, "")


def test_an_rsync_that_cannot_be_started_is_named(staging):
    done = staging(rsync="/nowhere/rsync").connect(*OPTIONS, ".", "./")
    assert done.returncode == 126 and "cannot execute /nowhere/rsync" in explain(12, done.stderr, WHERE)


@pytest.mark.parametrize("option", ["--sender", "--log-file=/etc/x", "-Otle.LsfxCIvu"])
def test_the_receiver_itself_refuses_more_than_it_has_to_do(staging, option):
    done = staging().connect("--server", option, ".", "./")
    assert done.returncode == 12
    sentence = explain(12, done.stderr, WHERE)
    assert sentence.startswith(f"rsync_opts: the host's side does not accept an option (feature_upload: refuses {option})")


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ([*OPTIONS, ".", "./"], None),
        (["--server", "-vOWtcze.LsfxCIvu", "--bwlimit=5120", "--stats", ".", "./"], None),
        (["--server", "-qOtRSe.LsfxCIvu", "--compress-level=3", "-B1000", "--fsync", "--preallocate", ".", "./"], None),
        ([], "an empty command"),
        (["--daemon"], "--daemon"),
        (["--server", "."], "."),
        ([*OPTIONS, ".", "/etc"], "/etc"),
        ([*OPTIONS, ".", "./", "/etc"], "/etc"),
        ([*OPTIONS, "/etc", "./"], "./"),
        ([*OPTIONS, "x", ".", "./"], "x"),
        (["--server", "--sender", "-te.Lsfx", ".", "./"], "--sender"),
        *(
            (["--server", option, ".", "./"], option)
            for option in ("-lte.L", "-De.L", "-ge.L", "-oe.L", "-pe.L", "-Ke.L", "-He.L", "-Ae.L", "-Xe.L", "-se.L", "-ne.L", "--links",
                           "--devices", "--super", "--partial-dir=/etc", "--temp-dir=/etc", "--backup-dir=/etc", "--delete", "--inplace",
                           "--copy-dest=/etc", "--log-file=/x", "--files-from=/x", "--rsync-path=x", "--config=/x", "--copy-devices",
                           "--write-devices", "--remote-option=x", "--timeout=1\n--sender", "--iconv=x", "--chmod=u+s", "--usermap=*:0")
        ),
    ],
)  # fmt: skip
def test_options_of_a_receiving_rsync(arguments, refused):
    assert receiver.refused_option(arguments) == refused


@pytest.mark.parametrize(("arguments", "refused"), [
    (["--server", "--sender", "-Ltre.iLsfxCIvu", "--timeout=300", ".", "./"], None),
    (["--server", "-Ltre.iLsfxCIvu", ".", "./"], "--server -Ltre.iLsfxCIvu . ./"),
    (["--server", "--sender", "-Ltre.iLsfxCIvu", ".", "/etc"], "--server --sender -Ltre.iLsfxCIvu . /etc"),
    (["--server", "--sender", "-Ltre.iLsfxCIvu", "--files-from=-", ".", "./"], "--files-from=-"),
    (["--server", "--sender", "-Ltre.iLsfxCIvu", "/etc", ".", "./"], "/etc"),
    (["--server", "--sender", "--remove-source-files", ".", "./"], "--remove-source-files"),
    (["--server", "--sender", "-logDtpre.iLsfxCIvu", ".", "./"], "-logDtpre.iLsfxCIvu"),
    ([], "an empty command"),
])  # fmt: skip
def test_options_of_a_sending_rsync(arguments, refused):
    assert receiver.refused_option(arguments, sends=True) == refused


@pytest.mark.parametrize(("python", "name"), [("/usr/bin/python3 -c x", "0" * 32), ("python3", "0" * 32), ("/usr/bin/python3", "$(id)")])
def test_what_a_host_answers_never_becomes_a_command(python, name):
    with pytest.raises(FeatureError, match="the host's answer is not understood"):
        connector_words(python, name, 0)


def test_the_connector_survives_every_login_shell():
    (code,) = [word for word in connector_words("/usr/bin/python3", "0" * 32, 0) if "import" in word]
    assert not set(code) & set("'!\\\n")
