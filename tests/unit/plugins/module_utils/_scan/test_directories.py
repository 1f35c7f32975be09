# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over real directories, also unfriendly ones."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats import interface
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._scan import directories
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import scan_directory
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import (
    DANGLING,
    FILE,
    FOLDER,
    LINK,
    SPECIAL,
    inode_key,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import (
    ABSENT,
    EMPTY,
    PRESENT,
    UNREADABLE,
    look_up,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.folders import FolderRule
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    damaged,
    feature,
    features,
    link,
    other,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_scan import (
    found,
    scan,
    seen,
    target,
)


def test_states(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/readme").touch()
    features(tmp_path / "full", "a.npz")
    assert scan(tmp_path / "gone").state == ABSENT
    assert scan(tmp_path / "empty").state == EMPTY
    assert scan(tmp_path / "foreign").state == PRESENT
    assert scan(tmp_path / "full").state == PRESENT
    link(tmp_path / "dangling", "gone")
    refused = scan(tmp_path / "dangling")
    assert (refused.state, "dangling" in refused.gaps[0]) == (UNREADABLE, True)


def test_every_file_has_its_verdict_once(tmp_path):
    feature(tmp_path / "a.npz")
    feature(tmp_path / "x/y/b.npz")
    other(tmp_path / "c.npz")
    damaged(tmp_path / "d.npz")
    (tmp_path / "e.npz").touch()
    (tmp_path / "readme.txt").touch()
    assert seen(scan(tmp_path)) == {
        "a.npz": (FILE, "feature"),
        "x/y/b.npz": (FILE, "feature"),
        "c.npz": (FILE, "other"),
        "d.npz": (FILE, "damaged"),
        "e.npz": (FILE, "damaged"),
    }


def test_size_and_inode_are_those_of_the_file_behind_the_links(tmp_path):
    path = feature(tmp_path / "a.npz")
    link(tmp_path / "b.npz", "a.npz")
    info = path.stat()
    for entry in scan(tmp_path).entries:
        assert (entry.size, entry.key) == (info.st_size, inode_key(info.st_dev, info.st_ino))
    assert len(scan(tmp_path).entries) == 2


def test_many_files_in_many_folders(tmp_path):
    for folder in range(20):
        for number in range(20):
            feature(tmp_path / str(folder) / f"{number}.npz")
    assert len(found(scan(tmp_path))) == 400


def test_a_large_directory_is_gone_through_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(directories, "MANY", 3)
    features(tmp_path / "d", *(f"{number * 37 % 101:03}.npz" for number in range(101)))
    features(tmp_path / "d/below", "b.npz", "a.npz")
    paths = [entry.path for entry in scan(tmp_path / "d").entries]
    assert paths[:101] == [f"{number:03}.npz" for number in range(101)]
    assert sorted(paths[101:]) == ["below/a.npz", "below/b.npz"]


def test_a_link_to_a_directory_counts_its_files_once_and_by_their_own_path(tmp_path):
    features(tmp_path / "z/real", "a.npz")
    link(tmp_path / "alias", "z/real")
    link(tmp_path / "again", "z")
    link(tmp_path / "b/deep", "../z/real")
    assert found(scan(tmp_path)) == ["z/real/a.npz"]


def test_links_out_of_the_directory_are_followed_once(tmp_path):
    features(tmp_path / "elsewhere", "a.npz")
    link(tmp_path / "old/one", "../elsewhere")
    link(tmp_path / "old/two", "../elsewhere")
    assert found(scan(tmp_path / "old")) == ["one/a.npz"]


def test_of_many_links_to_one_directory_the_first_by_name_counts(tmp_path):
    """In whatever order the file system lists them: else the links made from it would say something else on another day."""
    features(tmp_path / "elsewhere", "a.npz")
    for number in range(30):
        link(tmp_path / f"old/alias{number * 7 % 30:02}", "../elsewhere")
        features(tmp_path / f"old/folder{number * 7 % 30:02}", "b.npz")
    paths = [entry.path for entry in scan(tmp_path / "old").entries]
    assert paths == [f"folder{number:02}/b.npz" for number in range(30)] + ["alias00/a.npz"]


def test_a_directory_that_is_itself_a_link_is_scanned(tmp_path):
    features(tmp_path / "real", "a.npz")
    link(tmp_path / "alias", "real")
    assert found(scan(tmp_path / "alias")) == ["a.npz"]


@pytest.mark.parametrize("text", [".", "..", "../../old"])
def test_loops_end(tmp_path, text):
    features(tmp_path / "old/x", "a.npz")
    link(tmp_path / "old/x/loop", text)
    link(tmp_path / "old/self", "self")
    link(tmp_path / "old/ping.npz", "pong.npz")
    link(tmp_path / "old/pong.npz", "ping.npz")
    result = scan(tmp_path / "old")
    assert found(result) == ["x/a.npz"]
    assert seen(result)["ping.npz"] == (DANGLING, "")


def test_directories_to_avoid_are_not_entered_through_links_either(tmp_path):
    features(tmp_path / "target", "a.npz")
    features(tmp_path / "old", "b.npz")
    link(tmp_path / "old/t", "../target")
    info = os.stat(tmp_path / "target")
    assert found(scan(tmp_path / "old", avoid=((info.st_dev, info.st_ino),))) == ["b.npz"]


def test_a_target_keeps_each_name_and_enters_nothing(tmp_path):
    feature(tmp_path / "a.npz")
    feature(tmp_path / "folder/b.npz")
    (tmp_path / "notes.txt").touch()
    link(tmp_path / "c.npz", "a.npz")
    link(tmp_path / "gone.npz", "nowhere")
    link(tmp_path / "gone.txt", "nowhere")
    link(tmp_path / "directory.npz", "folder")
    link(tmp_path / "link.txt", "notes.txt")
    assert seen(target(tmp_path)) == {
        "a.npz": (FILE, "feature"),
        "c.npz": (LINK, "feature"),
        "folder": (SPECIAL, ""),
        "notes.txt": (SPECIAL, ""),
        "gone.npz": (DANGLING, ""),
        "gone.txt": (DANGLING, ""),
        "directory.npz": (SPECIAL, ""),
        "link.txt": (LINK, ""),
    }
    texts = {entry.path: entry.link_target for entry in target(tmp_path).entries}
    assert (texts["a.npz"], texts["c.npz"], texts["gone.npz"]) == (None, "a.npz", "nowhere")


def test_a_target_that_is_a_tree_names_its_folders(tmp_path):
    feature(tmp_path / "x/y/b.npz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    link(tmp_path / "alias", "other")
    assert seen(scan(tmp_path, as_glob=True, keep_names=True)) == {
        "x": (FOLDER, ""),
        "x/y": (FOLDER, ""),
        "x/y/b.npz": (FILE, "feature"),
        "empty": (FOLDER, ""),
        "other": (FOLDER, ""),
        "alias": (SPECIAL, ""),
    }


def test_what_is_no_file_is_never_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo.npz")
    link(tmp_path / "fifo-link.npz", "fifo.npz")
    link(tmp_path / "null.npz", "/dev/null")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.npz")
    (tmp_path / "directory.npz").mkdir()
    feature(tmp_path / "a.npz")

    opened, really = [], os.open

    def watched(path, *arguments, **options):
        opened.append(path)
        return really(path, *arguments, **options)

    monkeypatch.setattr(os, "open", watched)
    for result in (scan(tmp_path), target(tmp_path)):
        assert found(result) == ["a.npz"]
        assert seen(result)["fifo.npz"] == seen(result)["socket.npz"] == seen(result)["null.npz"] == (SPECIAL, "")
        assert result.gap_count == 0
    assert {name for name in opened if str(name).endswith(".npz")} == {"a.npz", "directory.npz"}


NAMES = [
    b"with space.npz",
    b"quote'\".npz",
    b"new\nline.npz",
    b"-rf.npz",
    b"$(reboot).npz",
    "größe.npz".encode(),
    b"no utf-8 \xff\xfe.npz",
    b"tab\t\x1b[31m.npz",
    b"\\.npz",
]


def test_names_of_every_sort(tmp_path):
    for name in NAMES:
        feature(tmp_path / os.fsdecode(b"dir " + name) / os.fsdecode(name), seed=repr(name))
    result = scan(tmp_path)
    assert found(result) == sorted(os.fsdecode(b"dir " + name + b"/" + name) for name in NAMES)
    assert result.gap_count == 0


def test_no_descriptor_stays_open(tmp_path):
    features(tmp_path / "x/y", "a.npz")
    features(tmp_path / "z", "b.npz")
    link(tmp_path / "alias", "x")
    scan(tmp_path)
    before = sorted(os.listdir("/proc/self/fd"))
    scan(tmp_path)
    scan(tmp_path / "gone")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_link_upwards_does_not_lead_through_half_the_host(tmp_path):
    legacy = tmp_path / "home" / "legacy"
    beside = tmp_path / "home" / "beside"
    legacy.mkdir(parents=True)
    beside.mkdir()
    (beside / "x.npz").write_bytes(b"")
    (legacy / "up").symlink_to(tmp_path)
    (legacy / "root").symlink_to("/")
    scan = scan_directory(look_up(str(legacy)), name_filter(["*.npz"]), Criteria(parse_arrays({})), {})
    assert [entry.path for entry in scan.entries] == []
    (legacy / "across").symlink_to(beside)
    scan = scan_directory(look_up(str(legacy)), name_filter(["*.npz"]), Criteria(parse_arrays({})), {})
    assert [entry.path for entry in scan.entries] == ["across/x.npz"]


def test_what_lies_behind_a_link_says_so(tmp_path):
    legacy, away = tmp_path / "legacy", tmp_path / "away"
    for place in (legacy / "z.npz", away / "z.npz"):
        place.parent.mkdir()
        place.write_bytes(b"")
    (legacy / "a").symlink_to(away)
    (legacy / "l.npz").symlink_to(legacy / "z.npz")
    scan = scan_directory(look_up(str(legacy)), name_filter(["*.npz"]), Criteria(parse_arrays({})), {})
    assert {entry.path: entry.via_link for entry in scan.entries} == {"z.npz": False, "l.npz": True, "a/z.npz": True}


@pytest.mark.parametrize("count", [1, 2000], ids=["here", "in copies of this process"])
def test_a_fault_of_ours_is_no_verdict_and_names_the_file(tmp_path, monkeypatch, count):
    """A digest that this Python refuses, as hosts in FIPS mode refuse some."""

    def refuse(*_content):
        raise ValueError("unsupported hash type")

    for number in range(count):
        feature(tmp_path / f"a/{number:04}.npz", str(number))
    monkeypatch.setattr(interface, "sha256", refuse)
    with pytest.raises(FeatureError) as caught:
        scan(tmp_path / "a")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/a/") and ".npz could not be classified: internal error in trainprep.features" in said
    assert "ValueError: unsupported hash type, in test_directories.py, line" in said
    assert "No conclusion was drawn about your files" in said and said.endswith("/issues")


CLOSED = [
    *(".snapshot", ".snapshots", ".zfs", ".Trash-1000", ".Trash", ".hidden", ".git", "lost+found", "@eaDir", "#recycle", "#snapshot"),
    *("$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "~snapshot"),
]


def test_hidden_and_system_folders_are_entered_only_on_request(tmp_path):
    for name in CLOSED:
        feature(tmp_path / "old/sub" / name / "deep/a.npz", name)
    features(tmp_path / "old", "b.npz", "snapshot/c.npz", "sub/trash/d.npz")
    features(tmp_path / "away", "e.npz")
    link(tmp_path / "old/.linked", "../away")
    result = scan(tmp_path / "old", folders=FolderRule(hidden=False))
    assert found(result) == ["b.npz", "snapshot/c.npz", "sub/trash/d.npz"]
    assert sorted(result.closed) == sorted([".linked", *(f"sub/{name}" for name in CLOSED)])
    everything = scan(tmp_path / "old")
    assert len(found(everything)) == len(CLOSED) + 4 and everything.closed == []


def test_a_hidden_directory_that_is_asked_for_itself_is_scanned(tmp_path):
    features(tmp_path / ".snapshot/daily.0", "a.npz")
    result = scan(tmp_path / ".snapshot", folders=FolderRule(hidden=False))
    assert (found(result), result.closed) == (["daily.0/a.npz"], [])


@pytest.mark.parametrize("hidden", [True, False])
def test_excluded_folders_are_not_entered_at_any_depth_and_not_doubted(tmp_path, hidden):
    features(tmp_path / "old", "a.npz", "backup/b.npz", "x/backup/c.npz", "x/backup-2/d.npz", "x/backups/e.npz", "backup.npz")
    link(tmp_path / "old/x/y/backup", "../../backup")
    result = scan(tmp_path / "old", folders=FolderRule(hidden, ("backup", "*-2")))
    assert found(result) == ["a.npz", "backup.npz", "x/backups/e.npz"]
    assert result.closed == []
