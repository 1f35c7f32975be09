# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets on file systems where the usual is impossible, and where root is allowed less than the training user: real FUSE mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts import SUPPORT, Host
from tests.support.layout import crema_d_names, write_features
from tests.support.uploads import ROLE, feature_set, role_variables, unpublish, upload_task
from tests.support.waiting import limit

FUSE = ["--device", "/dev/fuse", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined",
        "--security-opt", "seccomp=unconfined"]  # fmt: skip
FILES = 8


@pytest.fixture(scope="module")
def host(start_host) -> Host:
    host = start_host("fuse", args=FUSE)
    host.put(SUPPORT / "refusing_fs.py", "/usr/local/bin/refusing_fs.py")
    host.run("echo user_allow_other >> /etc/fuse.conf; chmod 666 /dev/fuse")
    return host


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES))
    return directory


def mount(host: Host, name: str, *refused: str) -> str:
    """A mount point whose file system refuses some calls."""
    host.run(f"mkdir -p /mnt/{name} /srv/{name} && chown ubuntu /srv/{name}")
    host.run(f"setsid python3 /usr/local/bin/refusing_fs.py /srv/{name} /mnt/{name} {' '.join(refused)} </dev/null >/tmp/{name}.log 2>&1 &"
             f" for i in $(seq {limit(100)}); do mountpoint -q /mnt/{name} && break; sleep 0.1; done; mountpoint -q /mnt/{name}")
    return f"/mnt/{name}"


def names_in(host: Host, directory: str) -> str:
    return host.run(f"find {directory} -printf '%p %y %m %u %s %l %T@\n'").stdout


def refused(result) -> str:
    """The sentence that ended the run."""
    [message] = [str(event["result"]["msg"]) for event in result.events if event["event"] == "failed"]
    return message


@pytest.mark.parametrize(("number", "words"), [("ENOTSUP", "Operation not supported"), ("EPERM", "Operation not permitted"),
                                               ("ENOSYS", "Function not implemented")])  # fmt: skip
def test_without_symbolic_links_nothing_is_linked_and_the_advice_helps(host, play, number, words):
    place = mount(host, f"nolinks{number}", f"symlink={number}")
    host.lay_out("--features", f"/data/old{number}", "--crema-d", str(FILES), "--owner", "ubuntu")

    def one(target: str):
        return role_variables({"name": "wav", "target": target, "legacy": [f"/data/old{number}"]})

    before = names_in(host, place)
    for check in (True, False):
        result = play(host, ROLE, one(f"{place}/wav"), check=check)
        assert result.rc == 2, result.stdout
        assert refused(result) == (
            f"{place}/wav is on a file system (fuse, mounted on {place}) without symbolic links, which linking features needs"
            f" ({words}): mount it so that it has them (CIFS: option mfsymlinks; rclone: option --links), or name a target on another"
            " file system, such as a local disk"
        )
        assert names_in(host, place) == before
    result = play(host, ROLE, one(f"/data/wav{number}"))
    assert result.rc == 0 and result.facts(host)["features_ready"], result.stdout


def test_an_upload_needs_owners_that_can_be_changed(host, play, source):
    place = mount(host, "owned", "chown=EPERM")
    before = names_in(host, place)
    variables = {"prepare_features_user": "trainer"}
    host.run("chmod 755 /srv/owned")
    for check in (True, False):
        result = play(host, ROLE, role_variables(feature_set(source, f"{place}/wav"), **variables), check=check)
        assert result.rc == 2
        assert refused(result).startswith(
            f"{host.name}: {place} is on a file system (fuse, mounted on {place}) without owners and modes that can be changed,"
            " which features need to belong to the training user (Operation not permitted): mount it so that all in it belongs"
        ), refused(result)
        assert names_in(host, place) == before
    result = play(host, ROLE, role_variables(feature_set(source, "/data/owned"), **variables))
    assert result.rc == 0, result.stdout


def test_an_upload_next_to_other_files_needs_hard_links_or_safe_renames(host, play, source):
    place = mount(host, "nohard", "link=EPERM")
    host.run("mkdir /mnt/nohard/wav && echo mine > /mnt/nohard/wav/notes.txt && chown -R root: /mnt/nohard")
    before = names_in(host, place)
    for check in (True, False):
        result = play(host, ROLE, role_variables(feature_set(source, f"{place}/wav")), check=check)
        assert result.rc == 2
        assert "without hard links or renames that replace nothing, which an upload next to other files needs" in refused(result)
        assert names_in(host, place) == before
    # Into a directory that is not there yet nothing can be replaced.
    result = play(host, ROLE, role_variables(feature_set(source, f"{place}/fresh")))
    assert result.rc == 0 and result.facts(host)["features_ready"], result.stdout
    assert play(host, ROLE, role_variables(feature_set(source, f"{place}/fresh"))).recap[host.name]["changed"] == 0


@pytest.fixture(scope="module")
def bucket(host) -> str:
    """A mount of the training user's own, closed to root as an export is that squashes it."""
    host.run("mkdir -p ~/store ~/bucket && bindfs --no-allow-other ~/store ~/bucket && touch ~/bucket/.there", user="trainer")
    assert host.run("ls /home/trainer/bucket", check=False).returncode != 0, "closed to root"
    return "/home/trainer/bucket"


def as_trainer(host: Host, command: str) -> str:
    return host.run(command, user="trainer").stdout


def test_if_root_is_refused_the_training_user_uploads_and_links(host, play, source, bucket):
    variables = {"prepare_features_user": "trainer"}
    one = feature_set(source, f"{bucket}/wav")
    checked = play(host, ROLE, role_variables(one, **variables), check=True)
    assert checked.rc == 0 and "would send 8 files" in checked.stdout, checked.stdout
    assert as_trainer(host, f"ls -A {bucket}") == ".there\n"
    result = play(host, ROLE, role_variables(one, **variables))
    assert result.rc == 0 and result.facts(host)["features_ready"], result.stdout
    assert as_trainer(host, f"ls {bucket}/wav | wc -l") == f"{FILES}\n"
    assert as_trainer(host, f"ls -A {bucket}") == ".there\nwav\n"
    again = play(host, ROLE, role_variables(one, **variables))
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0
    assert again.ssh_executions[host.name] == 1
    assert "CANNOT BE READ" not in again.stdout and "stale" not in again.stdout
    # Links to it, and in it.
    other = write_features  # of another content than the uploaded ones
    other(source.parent / "more", ["ravdess_1.npz", "ravdess_2.npz"])
    host.put(source.parent / "more", "/data/more", owner="trainer")
    linked = {"name": "more", "target": f"{bucket}/more", "legacy": ["/data/more"]}
    checked = play(host, ROLE, role_variables(linked, **variables), check=True)
    assert checked.rc == 0, checked.stdout
    result = play(host, ROLE, role_variables(linked, **variables))
    assert result.rc == 0 and result.facts(host)["features_ready"], result.stdout
    assert as_trainer(host, f"find {bucket}/more -type l | wc -l") == "2\n"
    assert play(host, ROLE, role_variables(linked, **variables)).recap[host.name]["changed"] == 0


def test_if_root_is_refused_a_complete_upload_of_a_killed_run_is_published(host, play, source, bucket):
    variables = {"prepare_features_user": "trainer"}
    one = feature_set(source, f"{bucket}/late", layout="tree")
    as_trainer(host, f"rm -rf {bucket}/wav")
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": [upload_task(one, user="trainer")]}])
    assert result.rc == 0 and result.recap[host.name]["ignored"] == 0, result.stdout
    unpublish(host, one, "trainer")
    assert as_trainer(host, f"ls {bucket}/.late.incoming | wc -l") == f"{FILES}\n"
    result = play(host, ROLE, role_variables(one, **variables))
    uploads = result.results(host, "trainprep.features.feature_upload")
    assert result.rc == 0 and all(one["event"] == "skipped" for one in uploads), result.stdout
    assert as_trainer(host, f"ls {bucket}/late | wc -l") == f"{FILES}\n"


def test_a_mount_in_the_home_is_the_same_for_inspection_and_upload(host, play, source, bucket):
    variables = {"prepare_features_user": "trainer"}
    one = feature_set(source, "~/bucket/at-home", mount="~/bucket")
    as_trainer(host, f"rm -rf {bucket}/late")
    result = play(host, ROLE, role_variables(one, **variables))
    assert result.rc == 0 and result.facts(host)["features_ready"], result.stdout
    unmounted = play(host, ROLE, role_variables({**one, "mount": "~/nowhere"}, **variables))
    assert unmounted.rc == 2 and "/home/trainer/nowhere is not a mount point" in " ".join(unmounted.stdout.split())
