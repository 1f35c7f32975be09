# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads over SSH: what arrives, what is seen meanwhile, and what is said where it cannot be done."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names, write_facenet, write_features, write_wav2vec
from tests.support.uploads import ROLE, feature_set, publish_task, role_variables, upload_task
from tests.support.waiting import background

ODD_NAMES = [b"with space.npz", b"quo\"te's.npz", b"line\nbreak.npz", b"\xff\xfe.npz", b"#hash.npz", b"-n.npz", b"$HOME.npz", b"a:b.npz",
             b"*.npz", b"deep/er.npz"]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """30 features in a place with a colon and a blank, files of another kind, and names that no shell likes."""
    directory = tmp_path_factory.mktemp("up") / "sou:rce $HOME"
    write_features(directory, crema_d_names(20))
    (directory / "deep").mkdir()
    for name in ODD_NAMES:
        write_wav2vec(os.fsdecode(bytes(directory) + b"/" + name), seed=repr(name), frames=110)
    for number in range(3):
        write_facenet(directory / f"video{number}.npz")
    (directory / "notes.txt").write_text("no archive")
    return directory


def test_check_mode_reports_what_would_be_sent_and_changes_nothing(ssh_host, play, source):
    before = ssh_host.tree()
    result = play(ssh_host, ROLE, role_variables(feature_set(source)), check=True)
    assert result.rc == 0, result.stdout
    assert re.search(rf"{ssh_host.name}: wav: would send 30 files, [0-9.]+ MB, to /data/wav", result.stdout)
    assert ssh_host.tree() == before


def test_features_arrive_whole_others_stay_and_a_second_run_does_nothing(ssh_host, play, source):
    # By itself it takes more streams where the machine is so busy that the connection looks long.
    variables = role_variables(feature_set(source), prepare_features_user="trainer", prepare_features_upload_streams=1)
    result = play(ssh_host, ROLE, variables)
    assert result.rc == 0, result.stdout
    done = result.results(ssh_host, "trainprep.features.feature_upload")[0]["result"]["sets"]["wav"]
    assert (done["sent"], done["left_out"], done["resumed"]) == (30, 3, 0)
    assert "video_features" in str(done["samples"]) or len(done["samples"]) == 3
    assert result.ssh_executions[ssh_host.name] == 5, "inspection, connection check, staging, rsync, publication with the last inspection"
    assert result.facts(ssh_host)["feature_status"] == 1 and result.facts(ssh_host)["features_ready"]
    assert len(str(result.events)) < 100_000, "no list of files in the results"
    # Every byte, under every name.
    names = sorted(name.rpartition(b"/")[2] for name in ODD_NAMES)
    there = ssh_host.python("import os, hashlib\nfor n in sorted(os.listdir(b'/data/wav')):"
                            " print(n.hex(), hashlib.sha256(open(b'/data/wav/' + n, 'rb').read()).hexdigest())").stdout
    here = subprocess.run(
        ["python3", "-c", "import os, hashlib, sys\nfound = [(n, os.path.join(d, n)) for d, _, names in os.walk(sys.argv[1].encode())"
         " for n in names if not n.startswith((b'video', b'notes'))]\nfor n, path in sorted(found):"
         " print(n.hex(), hashlib.sha256(open(path, 'rb').read()).hexdigest())", str(source)],
        text=True, capture_output=True, check=True).stdout  # fmt: skip
    assert there == here and all(name.hex() in there for name in names)
    assert ssh_host.run("stat -c '%U %a' /data/wav '/data/wav/with space.npz'").stdout == "trainer 755\ntrainer 644\n"
    assert ssh_host.run("ls -A /data").stdout == "wav\n"
    again = play(ssh_host, ROLE, role_variables(feature_set(source), prepare_features_user="trainer"))
    assert again.rc == 0 and again.recap[ssh_host.name]["changed"] == 0
    assert again.ssh_executions[ssh_host.name] == 1, again.ssh_commands
    assert f"{ssh_host.name}: wav: " not in again.stdout, "quiet where nothing is uploaded"


def test_only_sets_that_are_named_can_be_published(ssh_host, play, source):
    one = feature_set(source, "/data/none")
    result = play(ssh_host, [{"hosts": "all", "gather_facts": False, "tasks": [publish_task(one, "other")]}])
    told = result.results(ssh_host, "trainprep.features.feature_prepare")[0]["result"]
    assert "uploaded has 'other', which is none of the sets" in told["msg"]


def test_a_tree_keeps_its_folders(ssh_host, play, source):
    one = feature_set(source, "/data/tree", layout="tree")
    result = play(ssh_host, [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one), publish_task(one)]}])
    assert result.recap[ssh_host.name]["ignored"] == 0, result.stdout
    assert ssh_host.run("stat -c '%F %U %a' /data/tree/deep /data/tree/deep/er.npz").stdout == (
        "directory ubuntu 755\nregular file ubuntu 644\n"
    )


def test_a_set_is_topped_up_and_nothing_overwritten(ssh_host, play, tmp_path):
    write_features(tmp_path / "source", crema_d_names(12))
    names = crema_d_names(12)
    one = feature_set(tmp_path / "source", "/data/part", expected=12)
    ssh_host.run("mkdir /data/part")
    for name in names[:3]:
        ssh_host.put(tmp_path / "source" / name, f"/data/part/{name}", owner="ubuntu")
    ssh_host.run(f"mv /data/part/{names[0]} /data/part/renamed.npz")
    before = ssh_host.run("cd /data/part && stat -c '%i %n' *.npz").stdout.splitlines()
    result = play(ssh_host, ROLE, role_variables(one))
    tried = [event["event"] for event in result.results(ssh_host, "trainprep.features.feature_upload")]
    assert result.rc == 2 and tried == ["skipped"], "only if it is asked for"
    result = play(ssh_host, ROLE, role_variables(one, prepare_features_top_up=True))
    assert result.rc == 0, result.stdout
    done = result.results(ssh_host, "trainprep.features.feature_upload")[0]["result"]["sets"]["wav"]
    assert (done["sent"], done["present"]) == (9, 3)
    after = ssh_host.run("cd /data/part && stat -c '%i %n' *.npz").stdout.splitlines()
    assert len(after) == 12 and set(before) <= set(after)
    assert ssh_host.run("ls -A /data/part | grep -c '^[.]' || true").stdout == "0\n"


def test_on_a_terminal_two_hosts_share_one_block(hosts, start_host, tmp_path):
    """In a real terminal: lines of both hosts with percent, bytes, files, rate, time left; cleared at the end."""
    write_features(tmp_path / "source", crema_d_names(40), dense=True)
    both = [start_host("left"), start_host("right")]
    (tmp_path / "inventory.ini").write_text("".join(host.inventory_line + "\n" for host in both))
    one = feature_set(tmp_path / "source")
    book = [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one, rsync_opts=["--bwlimit=3m"])]}]
    (tmp_path / "play.yml").write_text(json.dumps(book))
    environment = {**hosts.environment(tmp_path), "TERM": "xterm"}
    fd, terminal = pty.openpty()
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", tmp_path / "inventory.ini", tmp_path / "play.yml"]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    output = b""
    with background(command, cwd=REPOSITORY, env=environment, **streams) as process:
        while process.poll() is None or select.select([fd], [], [], 0)[0]:
            if select.select([fd], [], [], 0.1)[0]:
                output += os.read(fd, 65536)
    os.close(terminal)
    os.close(fd)
    text = output.decode()
    assert process.returncode == 0, text
    line = r"  tp-{}-\w+ +wav .*?\d+% +[0-9.]+ MB of [0-9.]+ MB +\d+/40 files +[0-9.]+ MB/s +\d+:\d\d left"
    paintings = text.split("\x1b[J")
    together = [one for one in paintings if re.search(line.format("left"), one) and re.search(line.format("right"), one)]
    assert len(together) >= 2, text
    assert all(one.rstrip("\r\n").endswith("\x1b[2A") for one in together), "the cursor goes back"
    for host in both:
        assert re.search(rf"{host.name}: wav: 40 files, [0-9.]+ MB in 0:\d\d", text)


def test_one_source_never_ends_in_two_targets(ssh_host, play, tmp_path):
    """And a relative source is one of the current directory."""
    names = crema_d_names(4)
    write_features(tmp_path / "source", names)
    relative = os.path.relpath(tmp_path / "source", REPOSITORY)
    ssh_host.lay_out("--features", "/data/first", "--crema-d", "1")
    first, second = ({**feature_set(relative, f"/data/{name}"), "name": name} for name in ("first", "second"))

    def there():
        return ssh_host.run("ls -A /data").stdout + ssh_host.tree("/data/first", "/data/second")

    before = there()
    checked = play(ssh_host, ROLE, role_variables(first, second), check=True)
    assert "second: would send 3 files" in checked.stdout and there() == before
    result = play(ssh_host, ROLE, role_variables(first, second))
    assert result.rc == 0, result.stdout
    assert ssh_host.run("ls /data/first /data/second").stdout.split() == ["/data/first:", names[0], "/data/second:", *sorted(names[1:])]
    assert "left out of the upload: 1 that are in another set's target already (e.g. /data/first/" in " ".join(result.stdout.split())
    assert play(ssh_host, ROLE, role_variables(first, second)).recap[ssh_host.name]["changed"] == 0

    third = {**feature_set(relative, "/data/third"), "name": "third"}
    before = there()
    refused = play(ssh_host, ROLE, role_variables(first, second, third))
    assert refused.rc == 2 and "all features of its source are in another set's target already" in refused.stdout
    assert there() == before


def test_obstacles_are_one_message_and_change_nothing(start_host, play, source, tmp_path):
    host = start_host("bad", args=["--tmpfs", "/small:size=1m", "--tmpfs", "/few:nr_inodes=20", "--tmpfs", "/fixed:ro"])
    good = tmp_path / "good"
    write_features(good, crema_d_names(20))
    damaged = tmp_path / "damaged"
    shutil.copytree(good, damaged)
    (damaged / "torn.npz").write_bytes((good / crema_d_names(1)[0]).read_bytes()[:5000])
    other = tmp_path / "other"
    other.mkdir()
    write_facenet(other / "face.npz")
    host.run(f"mkdir -p /data/taken /data/.planted.incoming && touch /data/taken/{crema_d_names(1)[0]}"
             " && chown other /data/.planted.incoming && ln -s /etc /data/.link.incoming && touch /data/file")
    cases = [
        (feature_set(tmp_path / "none"), {}, "does not exist on the controller"),
        (feature_set(damaged), {}, "torn.npz in the source is damaged"),
        (feature_set(other), {}, "holds no feature of set 'wav' (files of another kind: 1; e.g. face.npz, which has arrays"),
        (feature_set(good, mount="/data"), {}, "/data is not mounted on the host"),
        (feature_set(good, "/data/taken"), {}, f"{crema_d_names(1)[0]} takes the name of a feature to upload and is not a feature"),
        (feature_set(good, "/data/file"), {}, "/data/file is not a directory"),
        (feature_set(good, "/data/planted"), {}, "belongs to user id 1002"),
        (feature_set(good, "/data/link"), {}, "is a link, which an upload never follows"),
        (feature_set(good, "/small/wav"), {}, "MB free, the upload needs"),
        (feature_set(good, "/few/wav"), {}, "free inodes, the upload needs"),
        (feature_set(good, "/fixed/wav"), {}, "is mounted read-only"),
        (feature_set(good), {"rsync_opts": ["--delete"]}, "'--delete' would change what is uploaded"),
        (feature_set(good), {"rsync_opts": "bwlimit=1"}, "rsync_opts: 'bwlimit=1' is not an option"),
        (feature_set(good), {"wait": "soon"}, "'wait' is of type str"),
        (feature_set(good), {"sauce": 1}, "has no option 'sauce'"),
        (feature_set(good), {"user": "nobody-here"}, "nobody-here"),
    ]  # fmt: skip
    before = host.tree("/data", "/small", "/few", "/fixed")
    tasks = [upload_task(one, **more) for one, more, _words in cases]
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    messages = [event["result"].get("msg", "") for event in result.results(host)]
    assert len(messages) == len(cases), result.stdout
    for (_one, _more, words), message in zip(cases, messages, strict=True):
        assert words in message, (words, message)
        assert "\n" not in message and "Traceback" not in message and len(message) < 400
    assert host.tree("/data", "/small", "/few", "/fixed") == before


@pytest.mark.parametrize("streams", ["auto", 4])
def test_the_controller_itself_without_becoming_anybody(play, source, tmp_path, streams):
    (tmp_path / "inventory.ini").write_text("here ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n")
    target = tmp_path / "a $HOME:place" / "features"
    variables = role_variables(feature_set(source, str(target)), prepare_features_become=False, prepare_features_upload_streams=streams)
    result = play(tmp_path / "inventory.ini", ROLE, variables)
    assert result.rc == 0, result.stdout
    assert len(list(target.iterdir())) == 30 and [path.name for path in target.parent.iterdir()] == ["features"]


def test_a_source_that_changes_meanwhile_is_never_published(start_host, play, tmp_path):
    host = start_host("moving", args=["--tmpfs", "/mounted:size=200m"])
    write_features(tmp_path / "source", crema_d_names(10))
    one = feature_set(tmp_path / "source")
    victim = tmp_path / "source" / crema_d_names(10)[4]
    # While rsync runs: its own log of the first sent file is the sign. Here by a command that it calls, on the host's side.
    swap = tmp_path / "swap"
    write_wav2vec(swap, seed="another", frames=200)
    shell = tmp_path / "bin" / "ssh"
    shell.parent.mkdir()
    shell.write_text(f'#!/bin/sh\ncase "$*" in *--server*) cp {swap} {victim};; esac\nexec {shutil.which("ssh")} "$@"\n')
    shell.chmod(0o755)
    task = {**upload_task(one), "vars": {"ansible_ssh_executable": str(shell)}}
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": [task, publish_task(one)]}])
    upload, publication = (event["result"].get("msg", "") for event in result.results(host))
    assert f"{victim} changed while it was uploaded: nothing is published" in upload
    assert "is not what the source held" in publication
    assert host.run("test -e /data/wav", check=False).returncode == 1
    result = play(host, ROLE, role_variables(one))
    assert result.rc == 0, result.stdout
    assert host.run("ls /data/wav | wc -l").stdout == "10\n"
    # Where the target is a mount point everything happens inside it.
    host.run("touch /mounted/lost+found")
    result = play(host, ROLE, role_variables(feature_set(tmp_path / "source", "/mounted", mount="/mounted")))
    assert result.rc == 0, result.stdout
    assert sorted(host.run("ls -A /mounted").stdout.split()) == sorted(["lost+found", *crema_d_names(10)])


def test_missing_tools_are_reported_before_anything_moves(start_host, play, tmp_path):
    write_features(tmp_path / "source", crema_d_names(3))
    one = feature_set(tmp_path / "source")
    host = start_host("bare", without=["rsync"])
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one)]}]

    def message(**options):
        result = play(host, plays, **options)
        assert host.run("ls -A /data", check=False).stdout == "", result.stdout
        return result.results(host)[0]["result"]["msg"]

    assert "rsync is missing on the host: install the package rsync there" in message()
    # A controller without rsync: a PATH with all but that.
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in reversed(os.environ["PATH"].split(":")):
        for program in Path(directory).glob("*"):
            if program.name != "rsync":
                (programs / program.name).unlink(missing_ok=True)
                (programs / program.name).symlink_to(program)
    assert "rsync is missing on the controller: install the package rsync there" in message(env={"PATH": str(programs)})
    host.run("ln -s /bin/true /usr/bin/rsync")
    result = play(host, plays)
    assert "broke off" in result.results(host)[0]["result"]["msg"], result.stdout
    assert host.run("find /data -name '*.npz'", check=False).stdout == ""
