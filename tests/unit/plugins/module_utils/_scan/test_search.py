# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pickle
import struct
import tempfile
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan.search import sweep
from ansible_collections.trainprep.features.plugins.module_utils._scan.walk import Bounds
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as


def archive(array="wav2vec_features"):
    """A small archive with one array of two rows, as numpy writes it."""
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }"
    text = (text + " " * (-(11 + len(text)) % 64) + "\n").encode()
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(32)
    name, crc, size = array.encode() + b".npy", zlib.crc32(content), len(content)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, crc, size, size, len(name), 0) + name
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, crc, size, size, len(name), 0, 0, 0, 0, 0, 0)
    central += name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + size, 0)
    return local + content + central + end


FEATURE, OTHER = archive(), archive("video_features")


@pytest.fixture
def tree(tmp_path):
    def make(files):
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
        return tmp_path

    return make


SETS = parse_sets(
    [
        {"name": "wav", "target": "/t/wav", "exclude": ["cremad_*.npz"], "arrays": {"wav2vec_features": {"shape": [None, 4]}}},
        {"name": "cremad", "target": "/t/cremad", "patterns": ["cremad_*.npz"],
         "arrays": {"wav2vec_features": {"shape": [None, 4]}}},
    ]
)  # fmt: skip


def found(result, root, name="wav"):
    return [(os.path.relpath(path, root), count) for path, count in result[name].directories]


def key(path):
    return os.stat(path).st_dev, os.stat(path).st_ino


def test_counts_features_of_each_set_and_no_other_files(tree):
    root = tree(
        {
            "x/a.npz": FEATURE, "x/b.npz": FEATURE, "x/cremad_1.npz": FEATURE, "x/c.npz": OTHER, "x/d.npz": b"",
            "x/e.txt": FEATURE, "y/cremad_2.npz": FEATURE, "z/video.npz": OTHER,
        }
    )  # fmt: skip
    result = sweep([str(root)], SETS, [])
    assert found(result, root) == [("x", 2)]
    assert found(result, root, "cremad") == [("x", 1), ("y", 1)]
    assert result["wav"].cut_short == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # The directory that holds features stands for those in it.
        (["a/1.npz", "a/b/2.npz", "a/b/c/d/3.npz"], [("a", 3)]),
        # A folder for each speaker is one find, at the topmost directory that holds nothing else.
        (["a/f/s1/1.npz", "a/f/s2/2.npz", "a/f/s3/3.npz", "b/x.txt"], [("a/f", 3)]),
        (["a/f/s1/1.npz", "a/f/s2/2.txt"], [("a/f/s1", 1)]),
        # Never a root, unless features lie right in it.
        (["a/1.npz", "b/2.npz", "b/3.npz"], [("b", 2), ("a", 1)]),
        (["1.npz", "b/2.npz"], [(".", 2)]),
        ([".hidden/1.npz"], [(".hidden", 1)]),
        ([".t.incoming/1.npz", ".~tmp~/1.npz", ".rsync-partial/1.npz", "lost+found/1.npz", ".git/1.npz"], []),
        ([".Trash-1000/files/1.npz", "x/.snapshot/daily.0/1.npz", "@eaDir/1.npz", "#recycle/1.npz", "$RECYCLE.BIN/1.npz"], []),
    ],
)
def test_topmost_useful_directory(tree, files, expected):
    root = tree(dict.fromkeys(files, FEATURE))
    assert found(sweep([str(root)], SETS, []), root) == expected


def test_folders_that_a_set_excludes_are_no_finds_of_that_set(tree):
    root = tree({"old/x/1.npz": FEATURE, "old/x/cremad_2.npz": FEATURE, "new/3.npz": FEATURE})
    raw = [
        {"name": "wav", "target": "/t/wav", "exclude": ["old/"], "arrays": {"wav2vec_features": {"shape": [None, 4]}}},
        {"name": "cremad", "target": "/t/cremad", "patterns": ["cremad_*"], "arrays": {"wav2vec_features": {"shape": [None, 4]}}},
    ]
    result = sweep([str(root)], parse_sets(raw), [])
    assert (found(result, root), found(result, root, "cremad")) == ([("new", 1)], [("old/x", 1)])
    assert found(sweep([str(root / "old")], parse_sets(raw), []), root) == [("old/x", 2)], "the root itself was asked for"


def test_known_directories_are_left_out_by_inode(tree):
    root = tree({"data/target/1.npz": FEATURE, "data/legacy/sub/2.npz": FEATURE, "data/old/3.npz": FEATURE})
    known = [key(root / "data/target"), key(root / "data/legacy")]
    assert found(sweep([str(root)], SETS, known), root) == [("data/old", 1)]


def test_links_are_not_followed(tree):
    root = tree({"away/1.npz": FEATURE, "here/x.txt": b""})
    (root / "here/link").symlink_to(root / "away")
    (root / "here/2.npz").symlink_to(root / "away/1.npz")
    assert found(sweep([str(root / "here")], SETS, []), root) == []


def test_special_files_are_not_opened(tree):
    root = tree({"a/1.npz": FEATURE})
    os.mkfifo(root / "a/2.npz")
    assert found(sweep([str(root)], SETS, []), root) == [("a", 1)]


def test_nested_and_missing_roots(tree):
    root = tree({"a/b/1.npz": FEATURE})
    roots = [str(root / "a"), str(root / "a/b"), str(root) + "/", str(root / "none")]
    assert found(sweep(roots, SETS, []), root) == [("a/b", 1)]


def test_a_root_in_a_root_in_either_order(tree):
    root = tree({"1.npz": FEATURE, "a/b/2.npz": FEATURE})
    inner, outer = str(root / "a"), str(root)
    assert found(sweep([outer, inner], SETS, []), root) == [(".", 2)]
    assert sorted(found(sweep([inner, outer], SETS, []), root)) == [(".", 1), ("a/b", 1)]


def test_says_when_the_depth_cuts_it_short(tree):
    root = tree({"a/1.npz": FEATURE, "b/c/d/2.npz": FEATURE})
    result = sweep([str(root)], SETS, [], Bounds(depth=2))
    assert found(result, root) == [("a", 1)]
    assert result["wav"].cut_short == [f"{root}/b/c/d is more than 2 levels deep"]


def test_says_when_the_time_cuts_it_short(tree):
    root = tree({"a/1.npz": FEATURE})
    result = sweep([str(root)], SETS, [], Bounds(seconds=-1))
    assert found(result, root) == []
    assert result["wav"].cut_short == [f"-1 seconds had passed before {root}, the limit of a search"]


def test_says_when_the_number_of_names_cuts_it_short(tree):
    root = tree({f"a/{number}.npz": FEATURE for number in range(9)})
    result = sweep([str(root)], SETS, [], Bounds(entries=5))
    assert result["wav"].cut_short == [f"5 names were read before {root}/a, the limit of a search"]


def test_says_when_a_file_system_cuts_it_short():
    # The terminals of a Linux host are a file system of their own.
    assert any(reason.startswith("/dev/pts is on another file system") for reason in sweep(["/dev"], SETS, [])["wav"].cut_short)
    assert not any("/dev/pts" in reason for reason in sweep(["/dev", "/dev/pts"], SETS, [])["wav"].cut_short)


def test_what_the_user_cannot_read_is_left_out():
    # Not below tmp_path, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for name in ("closed", "open", "files"):
            os.mkdir(os.path.join(directory, name))
            with open(os.path.join(directory, name, "1.npz"), "wb") as file:
                file.write(FEATURE)
        os.chmod(os.path.join(directory, "files", "1.npz"), 0)
        os.chmod(os.path.join(directory, "closed"), 0)
        account = find_account("nobody" if os.geteuid() == 0 else None)
        result = run_as(account, sweep, [directory], SETS, [])
        assert found(result, directory) == [("open", 1)]
        os.chmod(os.path.join(directory, "closed"), 0o700)


def test_result_can_be_sent_to_another_process(tree):
    root = tree({"a/1.npz": FEATURE})
    result = sweep([str(root)], SETS, [])
    assert pickle.loads(pickle.dumps(result)) == result
