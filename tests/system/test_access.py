# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another account trains: it can read every feature afterwards, and nobody else gained anything."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from tests.support.hosts import SUPPORT

LEGACY = "/home/ubuntu/audio_emotion/models/wav2vec"
FACENET = "/home/ubuntu/emotion-recognition/crema_d_features_facenet"
PLAYBOOK = "playbooks/prepare_features.yml"
TRAINER = {"prepare_features_user": "trainer"}
CHECK = {**TRAINER, "prepare_features_permissions": "check"}
WIDEN = {**TRAINER, "prepare_features_permissions": "widen"}
FEATURES = 32  # of the small layout: 24 CREMA-D clips and 8 RAVDESS clips

BLOCKED = "/home/ubuntu (0750 ubuntu:ubuntu): user trainer lacks search permission"
READ_ALL = "cat /data/wav2vec_features/*.npz /data/wav2vec_crema_d/*.npz | sha256sum"
ACLS = "getfacl -R -P -p /home /data /mnt 2>/dev/null || true"


def close(host, owner="ubuntu"):
    """Features 0600 inside a 0700 folder inside a 0750 home, and other private files next to them."""
    host.lay_out("--root", "/", "--scale", "small", "--owner", owner)
    host.run(f"chmod 0600 {LEGACY}/* {FACENET}/* && chmod 0700 {LEGACY} && chmod 0750 /home/ubuntu && ls {FACENET}/*")


def world_writable(host):
    return host.run("find /home /data /srv /mnt -xdev ! -type l -perm -0002").stdout


def attempts(host, user):
    """What an account gets when it tries to pass, list and read: nothing, on a closed host."""
    tries = [
        "cd /home/ubuntu",
        "ls /home/ubuntu",
        "stat /home/ubuntu/audio_emotion",
        f"cd {LEGACY}",
        f"ls {LEGACY}",
        f"cat {LEGACY}/cremad_*.npz",
        f"cat {LEGACY}/ravdess_*.npz",
        "cat /data/wav2vec_features/*.npz",
        "cat /data/wav2vec_crema_d/*.npz",
    ]
    return {command: host.run(command, user=user, check=False).returncode == 0 for command in tries}


@pytest.fixture(scope="module")
def closed_host(start_host):
    host = start_host("closed")
    close(host)
    return host


def test_check_only_reports_and_names_the_component_that_blocks(closed_host, play):
    before = closed_host.run(ACLS).stdout
    result = play(closed_host, PLAYBOOK, CHECK)
    assert result.rc != 0
    assert BLOCKED in result.stdout, result.stdout
    access = result.facts(closed_host)["feature_sets"]["wav2vec_crema_d"]["access"]
    assert (access["user"], access["unreadable"], access["to_grant"]) == ("trainer", 24, 24)
    assert access["samples"][0]["reason"] == BLOCKED
    home = "# file: /home/ubuntu\n"
    assert closed_host.run("getfacl -p /home/ubuntu").stdout.startswith(home)
    assert [
        part for part in closed_host.run(ACLS).stdout.split("\n\n") if part not in before and "/data" not in part
    ] == []


def test_check_mode_shows_old_and_new_and_changes_nothing(closed_host, play):
    before = closed_host.run(ACLS).stdout
    result = play(closed_host, PLAYBOOK, TRAINER, check=True, diff=True)
    assert result.rc == 0, result.stdout
    assert "/home/ubuntu: user::rwx,group::r-x,other::---" in result.stdout
    assert "/home/ubuntu: user::rwx,user:trainer:--x,group::r-x,mask::r-x,other::---" in result.stdout
    assert closed_host.run(ACLS).stdout == before


def test_grant_opens_every_feature_to_that_user_alone(closed_host, play):
    other, writable = attempts(closed_host, "other"), world_writable(closed_host)
    result = play(closed_host, PLAYBOOK, TRAINER)
    assert result.rc == 0, result.stdout
    assert result.facts(closed_host)["features_ready"] is True
    granted = [event["result"] for event in result.results(closed_host, "trainprep.features.feature_prepare")]
    assert sum(one["granted"] for one in granted[0]["sets"].values()) == FEATURES

    assert closed_host.run(READ_ALL, user="trainer").stdout == closed_host.run(READ_ALL).stdout
    count = "ls /data/wav2vec_features/*.npz /data/wav2vec_crema_d/*.npz | wc -l"
    assert closed_host.run(count, user="trainer").stdout.strip() == str(FEATURES)

    assert attempts(closed_host, "other") == other
    assert not any(other.values())
    assert world_writable(closed_host) == writable


def test_the_user_got_no_more_than_was_needed(closed_host):
    """Not the files next to the features, no listing of the directories above, no right to write."""
    run = closed_host.run
    assert run(f"cat {FACENET}/*", user="trainer", check=False).stdout == ""
    assert run("ls /home/ubuntu", user="trainer", check=False).returncode != 0
    assert run(f"touch {LEGACY}/new", user="trainer", check=False).returncode != 0
    assert run(f"echo >> {LEGACY}/cremad_1001_DFA_ANG_XX.npz", user="trainer", check=False).returncode != 0
    entry = run("getfacl -cpE /home/ubuntu").stdout.split()
    assert entry == ["user::rwx", "user:trainer:--x", "group::r-x", "mask::r-x", "other::---"]
    entry = run(f"getfacl -cpE {LEGACY}").stdout.split()
    assert entry == ["user::rwx", "user:trainer:r-x", "group::---", "mask::r-x", "other::---"]
    entries = run(f"getfacl -cpE {LEGACY}/*.npz | grep -v '^$' | sort | uniq -c").stdout.split()
    wanted = [
        (str(FEATURES), entry)
        for entry in sorted(["group::---", "mask::r--", "other::---", "user::rw-", "user:trainer:r--"])
    ]
    assert sorted(zip(entries[::2], entries[1::2])) == sorted(wanted)


def test_a_second_run_changes_nothing_in_one_execution(closed_host, play):
    before = closed_host.tree() + closed_host.run(ACLS).stdout
    result = play(closed_host, PLAYBOOK, TRAINER)
    assert result.rc == 0, result.stdout
    assert result.recap[closed_host.name]["changed"] == 0
    assert result.ssh_executions[closed_host.name] == 1, result.ssh_commands
    assert closed_host.tree() + closed_host.run(ACLS).stdout == before


def test_without_setfacl_it_is_refused_with_the_advice_and_widened_on_demand(start_host, play):
    host = start_host("noacl", without=["acl"])
    close(host)
    modes = "stat -c '%a %U %n' /home/ubuntu /home/ubuntu/audio_emotion /home/ubuntu/audio_emotion/models/wav2vec{,/*}"
    before = host.run(modes).stdout
    result = play(host, PLAYBOOK, TRAINER)
    assert result.rc != 0
    for advice in (
        "install the package acl",
        "a group that the user and the owner share",
        "prepare_features_permissions to widen",
    ):
        assert advice in " ".join(result.stdout.split()), result.stdout
    assert host.run(modes).stdout == before

    writable = world_writable(host)
    result = play(host, PLAYBOOK, WIDEN)
    assert result.rc == 0, result.stdout
    assert host.run(READ_ALL, user="trainer").stdout == host.run(READ_ALL).stdout
    assert "opened to everyone" in " ".join(result.stdout.split())
    assert world_writable(host) == writable
    assert host.run("stat -c %a /home/ubuntu " + LEGACY).stdout.split() == ["751", "705"]
    result = play(host, PLAYBOOK, WIDEN)
    assert (result.rc, result.recap[host.name]["changed"]) == (0, 0), result.stdout


def test_widen_uses_the_group_that_the_user_and_the_owner_share(start_host, play):
    host = start_host("group", without=["acl"])
    close(host)
    host.run(
        f"groupadd ml && usermod -aG ml trainer && usermod -aG ml ubuntu && chgrp -R ml {LEGACY} && chmod 0755 /home/ubuntu"
    )
    result = play(host, PLAYBOOK, WIDEN)
    assert result.rc == 0, result.stdout
    assert host.run(READ_ALL, user="trainer").stdout == host.run(READ_ALL).stdout
    assert "opened to group ml" in " ".join(result.stdout.split())
    assert host.run(f"cat {LEGACY}/*", user="other", check=False).stdout == ""
    assert set(host.run(f"stat -c %a {LEGACY}/*").stdout.split()) == {"640"}


def test_a_read_only_file_system_is_a_clear_error(start_host, play, tmp_path):
    features = tmp_path / "features"
    write = [sys.executable, str(SUPPORT / "layout.py"), "--features", str(features), "--crema-d", "3"]
    subprocess.run(write, check=True)
    for file in features.iterdir():
        file.chmod(0o600)
    features.chmod(0o755)
    host = start_host("readonly", args=["--volume", f"{features}:/mnt/features:ro"])
    sets = [{"name": "clips", "target": "/data/clips", "legacy": ["/mnt/features"]}]
    result = play(host, PLAYBOOK, {**TRAINER, "prepare_features_sets": sets})
    assert result.rc != 0
    message = " ".join(result.stdout.split())
    assert "is on a read-only file system" in message, result.stdout
    assert "mount it writable" in message
    assert {stat.S_IMODE(file.stat().st_mode) for file in features.iterdir()} == {0o600}


def test_a_masked_entry_is_not_woken(start_host, play):
    host = start_host("masked")
    close(host)
    host.run(f"setfacl -m u:other:rwx,m::--- {LEGACY}")
    before = host.run(f"getfacl -p {LEGACY}").stdout
    result = play(host, PLAYBOOK, TRAINER)
    assert result.rc != 0
    message = " ".join(result.stdout.split())
    assert f"{LEGACY}: the mask of its ACL is kept" in message, result.stdout
    assert "would bring back to life user:other:rwx" in message
    assert host.run(f"getfacl -p {LEGACY}").stdout == before
    assert not any(attempts(host, "other").values())


def test_a_target_that_exists_keeps_its_owner_and_mode_and_is_opened_if_it_blocks(start_host, play):
    host = start_host("target")
    close(host)
    host.run(
        "install -d -m 0700 /data/wav2vec_crema_d; install -d -m 0755 -o other /data/wav2vec_features; chmod 0700 /data"
    )
    result = play(host, PLAYBOOK, TRAINER)
    assert result.rc == 0, result.stdout
    assert host.run(READ_ALL, user="trainer").stdout == host.run(READ_ALL).stdout
    assert host.run("stat -c '%a %U' /data/wav2vec_features").stdout.split() == ["755", "other"]
    assert host.run("getfacl -cpE /data/wav2vec_features").stdout.split() == ["user::rwx", "group::r-x", "other::r-x"]
    entry = host.run("getfacl -cpE /data/wav2vec_crema_d").stdout.split()
    assert entry == ["user::rwx", "user:trainer:r-x", "group::---", "mask::r-x", "other::---"]
    assert "user:trainer:--x" in host.run("getfacl -cpE /data").stdout
    assert host.run("ls /data/wav2vec_crema_d", user="other", check=False).returncode != 0


def test_without_the_right_to_become_the_user_it_is_an_error_and_never_readable(start_host, play):
    host = start_host("nobecome")
    host.lay_out("--root", "/", "--scale", "small", "--owner", "ubuntu")
    before = host.tree()
    result = play(host, PLAYBOOK, {**TRAINER, "prepare_features_become": False})
    assert result.rc != 0
    assert "cannot become user trainer" in " ".join(result.stdout.split()), result.stdout
    assert host.tree("/data", "/mnt") == "".join(
        line + "\n" for line in before.splitlines() if line.startswith(("/data", "/mnt"))
    )
