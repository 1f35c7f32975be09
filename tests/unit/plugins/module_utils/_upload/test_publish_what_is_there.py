# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose what was published is, how folders are made, who waits for whom, and what a killed publication leaves."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import struct
import time
import zipfile
from functools import partial

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._apply import directories, rename
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, manifest_path, token_of
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging import is_temporary, temporary_name
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system import capabilities
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload import publish as publishing
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish, publish_here
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

# Root gives what it publishes to the training user; anybody else can only be that user.
OTHER = 65534 if os.geteuid() == 0 else os.geteuid()
GROUP = 65534 if os.geteuid() == 0 else os.getegid()
ACCOUNT = Account("trainer", OTHER, GROUP, (GROUP,), "/nowhere")


def uploaded(base, *names):
    """A set in a tree whose upload lies whole next to its absent target."""
    one = parse_sets([{"name": "w", "target": str(base / "w"), "layout": "tree"}])[0]
    manifest = {}
    for number, name in enumerate(names):
        path = base / ".w.incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }".ljust(117) + b"\n"
        with zipfile.ZipFile(str(path), "w") as archive:
            archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack("<I", number))
        with path.open("rb") as file:
            found = classify(file.fileno(), path.stat().st_size, path.name, *one.criteria)
            manifest[name] = Wanted(path.stat().st_size, token_of(found, partial(file_digest, file.fileno())))
    write_manifest(str(base / "w"), manifest)
    return one


def modes(base):
    """Owner, group and mode of all that was published."""
    paths = [base / "w", *(base / "w").rglob("*.npz"), *(path for path in (base / "w").rglob("*") if path.is_dir())]
    return {str(path.relative_to(base)): (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) for path in paths}


def test_a_whole_directory_belongs_to_the_training_user(tmp_path):
    publish(uploaded(tmp_path, "a.npz", "sub/b.npz"), ACCOUNT, False, 0.0)
    mine = (OTHER, GROUP)
    assert modes(tmp_path) == {"w": (*mine, 0o755), "w/a.npz": (*mine, 0o644), "w/sub": (*mine, 0o755), "w/sub/b.npz": (*mine, 0o644)}


def test_folders_made_in_an_existing_target_belong_to_its_owner(tmp_path):
    one = uploaded(tmp_path, "sub/b.npz")
    (tmp_path / "w").mkdir(mode=0o700)
    (tmp_path / "w" / "notes.txt").write_text("mine")
    owner = ((tmp_path / "w").stat().st_uid, (tmp_path / "w").stat().st_gid, 0o700)
    publish(one, ACCOUNT, False, 0.0)
    assert modes(tmp_path) == {"w": owner, "w/sub": (*owner[:2], 0o755), "w/sub/b.npz": (OTHER, GROUP, 0o644)}


def test_a_manifest_that_is_left_alone_is_cleared_and_that_is_told(tmp_path):
    one = uploaded(tmp_path, "a.npz")
    os.rename(str(tmp_path / ".w.incoming"), str(tmp_path / "w"))
    assert publish(one, ACCOUNT, True, 0.0).changed
    assert os.path.exists(manifest_path(str(tmp_path / "w")))
    assert publish(one, ACCOUNT, False, 0.0).changed
    assert not os.path.exists(manifest_path(str(tmp_path / "w")))
    assert not publish(one, ACCOUNT, False, 0.0).changed


def test_a_temporary_name_fits_and_is_known_again():
    for name in ("a.npz", "x" * 251 + ".npz", "語" * 80 + ".npz"):
        assert len(os.fsencode(temporary_name(name))) <= 255
        assert is_temporary(temporary_name(name), [name])
        assert not is_temporary(temporary_name(name), ["other.npz"])


def test_a_folder_of_which_one_file_is_missing_beside_a_target_with_files_is_incomplete(tmp_path):
    one = uploaded(tmp_path, "a.npz", "b.npz", "c.npz")
    (tmp_path / "w").mkdir()
    (tmp_path / ".w.incoming" / "a.npz").rename(tmp_path / "w" / "a.npz")
    (tmp_path / ".w.incoming" / "b.npz").unlink()
    [said] = publish(one, ACCOUNT, False, 0.0).refused
    assert "is incomplete: 1 of 3 features are missing, b.npz is the first" in said
    (tmp_path / ".w.incoming" / "c.npz").write_bytes(b"")
    [said] = publish(one, ACCOUNT, False, 0.0).refused
    assert "c.npz has 0 bytes, the source has" in said and "(1 such, 1 missing)" in said


def test_where_nothing_was_uploaded_nothing_is_asked_for_or_said(tmp_path, monkeypatch):
    monkeypatch.setattr(capabilities, "choose_writer", lambda *_args: pytest.fail("nobody has to write here"))
    (tmp_path / "file").write_text("x")
    for target in ("w", "gone/w", "file/w"):
        found = publish(parse_sets([{"name": "w", "target": str(tmp_path / target)}])[0], ACCOUNT, False, 0.0)
        assert (found.published, found.bytes, found.changed, found.whole_directory, found.refused) == (0, 0, False, False, [])


def test_where_it_cannot_be_known_whether_something_was_uploaded_that_is_an_error(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(FeatureError, match=os.strerror(errno.ELOOP)):
        publish(parse_sets([{"name": "w", "target": str(tmp_path / "circle/w")}])[0], ACCOUNT, False, 0.0)


@pytest.mark.parametrize(("name", "where"), [("/disk/a.npz", "stopped at /disk/a.npz (No space"), (None, "stopped (No space")])
def test_a_disk_that_fails_stops_it_and_the_next_run_finishes(tmp_path, monkeypatch, name, where):
    one = uploaded(tmp_path, "a.npz")

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device", name)

    with monkeypatch.context() as patch:
        patch.setattr(rename, "sync_file_system", full)
        with pytest.raises(FeatureError) as error:
            publish(one, ACCOUNT, False, 0.0)
    assert f"publishing {tmp_path}/.w.incoming {where}" in str(error.value)
    assert publish(one, ACCOUNT, False, 0.0).published == 1


class TestAHeldLock:
    """Another process has the staging directory open, as an upload that goes on or another publication."""

    @pytest.fixture
    def one(self, tmp_path):
        return uploaded(tmp_path, "a.npz")

    @pytest.fixture
    def held(self, one, tmp_path):
        fd = os.open(str(tmp_path / ".w.incoming"), os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def test_it_is_waited_for_while_there_is_time(self, one, held, monkeypatch):
        monkeypatch.setattr(time, "sleep", lambda _seconds: os.close(held))
        assert publish_here(one, find_site(one.target, ACCOUNT), ACCOUNT, False, 60.0).published == 1

    def test_without_time_nothing_waits(self, one, held, monkeypatch):
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        monkeypatch.setattr(time, "sleep", lambda _seconds: pytest.fail("there is no time to wait"))
        [said] = publish_here(one, find_site(one.target, ACCOUNT), ACCOUNT, False, 0.0).refused
        assert "is still being written by an upload (waited 0 s for it)" in said
        os.close(held)

    @pytest.mark.parametrize("again", [False, True])
    def test_who_held_it_may_have_published_it(self, one, tmp_path, monkeypatch, again):
        """The lock then is one of a directory that has another name; what has this name is looked at again."""
        real = publishing.try_lock

        def late(fd):
            monkeypatch.setattr(publishing, "try_lock", real)
            (tmp_path / ".w.incoming").rename(tmp_path / "w")
            if again:
                shutil.copytree(str(tmp_path / "w"), str(tmp_path / ".w.incoming"))
            else:
                os.unlink(manifest_path(one.target))
            return real(fd)

        monkeypatch.setattr(publishing, "try_lock", late)
        found = publish_here(one, find_site(one.target, ACCOUNT), ACCOUNT, False, 0.0)
        assert (found.published, found.refused) == (0, [])
        assert (tmp_path / "w" / "a.npz").is_file() and not (tmp_path / ".w.incoming").exists()


def test_non_root_does_not_chown(tmp_path, monkeypatch):
    """A directory may give its group to what is made in it; only root could change that."""
    (tmp_path / "a").touch()
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    group = os.fstat(fd).st_gid
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    directories.give(fd, Account("me", os.fstat(fd).st_uid, group + 1, (group + 1,), "/nowhere"), 0o640)
    assert (os.fstat(fd).st_gid, os.fstat(fd).st_mode & 0o777) == (group, 0o640)
    os.close(fd)
