# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pwd

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import (
    ABSENT,
    PRESENT,
    UNREADABLE,
    ancestry,
    find_places,
    look_up,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import (
    display,
    expand_home,
    is_below,
)
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import unprivileged

HOME = "/home/trainer"
ROOT_HOME = pwd.getpwuid(0).pw_dir

HOMES = [
    ("~", HOME),
    ("~/", HOME),
    ("~/old", HOME + "/old"),
    ("~root", ROOT_HOME),
    ("~root/old/", ROOT_HOME + "/old"),
    ("/data//x/", "/data/x"),
    ("//data", "/data"),
    ("/data/~/x", "/data/~/x"),
    ("/", "/"),
]


@pytest.mark.parametrize(("path", "expected"), HOMES)
def test_home_is_the_training_users(path, expected):
    assert expand_home(path, HOME) == expected


def test_an_unknown_account_is_refused_by_name():
    with pytest.raises(FeatureError, match=r"~nosuchuser/x.*no account 'nosuchuser'"):
        expand_home("~nosuchuser/x", HOME)


SHOWN = [
    ("/a b/'c'", "/a b/'c'"),
    ("/a\nb", "/a\\nb"),
    ("/a\tb\x1b[31m", "/a\\tb\\x1b[31m"),
    (os.fsdecode(b"/a\xffb"), "/a\\xffb"),
    ("/größe", "/größe"),
]


@pytest.mark.parametrize(("path", "expected"), SHOWN, ids=[expected for _path, expected in SHOWN])
def test_a_shown_path_can_stand_in_a_fact(path, expected):
    assert display(path) == expected
    json.dumps(display(path), ensure_ascii=False).encode("utf-8")
    assert display(path).isprintable()


def test_a_directory_and_a_link_to_it_are_one_place(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "alias").symlink_to("there")
    there, alias = look_up(str(tmp_path / "there")), look_up(str(tmp_path / "alias"))
    assert (there.state, there.is_link, alias.state, alias.is_link) == (PRESENT, False, PRESENT, True)
    assert there.key is not None
    assert there.key == alias.key


@pytest.mark.parametrize("name", ["gone", "gone/and/more", "there/gone"])
def test_absent(tmp_path, name):
    (tmp_path / "there").mkdir()
    assert look_up(str(tmp_path / name)).state == ABSENT


NOT_ABSENT = [
    ("dangling", "dangling link"),
    ("dangling/and/more", "dangling link"),
    ("loop", "loop"),
    ("loop/more", "loop"),
    ("file", "not a directory"),
    ("file/more", "not a directory"),
    ("fifo", "not a directory"),
]


@pytest.mark.parametrize(("name", "word"), NOT_ABSENT)
def test_what_stands_in_the_way_is_never_taken_for_nothing(tmp_path, name, word):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    place = look_up(str(tmp_path / name))
    assert place.state == UNREADABLE
    assert word in place.reason and str(tmp_path) in place.reason
    assert place.in_the_way is (word == "not a directory")


@pytest.mark.parametrize("name", ["locked/old", "locked/never"])
def test_a_directory_that_cannot_be_passed_is_not_absent(tmp_path, name):
    (tmp_path / "locked/old").mkdir(parents=True)
    with unprivileged(tmp_path) as account:
        os.chmod(tmp_path / "locked", 0)
        try:
            place = run_as(account, look_up, str(tmp_path / name))
        finally:
            os.chmod(tmp_path / "locked", 0o755)
    assert place.state == UNREADABLE
    assert str(tmp_path / name) in place.reason and "Permission denied" in place.reason


def places(*declared):
    return [(place.path, place.state) for place in find_places([expand_home(str(path), HOME) for path in declared])]


def test_a_directory_listed_twice_keeps_its_first_place(tmp_path):
    found = [path for path, _state in places(tmp_path / "b", tmp_path / "a", tmp_path / "b")]
    assert found == [str(tmp_path / "b"), str(tmp_path / "a")]


def test_globs_mean_the_directories_of_this_host_in_order(tmp_path):
    for name in ("b/old", "a/old", "c", ".hidden/old"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "readme").touch()
    (tmp_path / "d").symlink_to("a")
    assert places(tmp_path / "*/old") == [(str(tmp_path / name), PRESENT) for name in ("a/old", "b/old", "d/old")]
    assert places(tmp_path / "[ab]/o?d") == [(str(tmp_path / name), PRESENT) for name in ("a/old", "b/old")]
    assert places(tmp_path / ".h*/old") == [(str(tmp_path / ".hidden/old"), PRESENT)]
    assert places(tmp_path / "z*/old") == [(str(tmp_path / "z*/old"), ABSENT)]


def test_what_a_glob_meets_beside_directories(tmp_path):
    """A dangling link may have been a directory; a file never was one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("gone")
    assert places(tmp_path / "*") == [(str(tmp_path / "a"), PRESENT), (str(tmp_path / "dangling"), UNREADABLE)]


def test_a_name_that_looks_like_a_glob_is_taken_as_it_is(tmp_path):
    (tmp_path / "old[1]").mkdir()
    (tmp_path / "old1").mkdir()
    assert places(tmp_path / "old[1]") == [(str(tmp_path / "old[1]"), PRESENT)]


def test_a_directory_that_a_glob_cannot_list_hides_nothing_else(tmp_path):
    for name in ("a/x1", "b/x2"):
        (tmp_path / name).mkdir(parents=True)
    with unprivileged(tmp_path) as account:
        os.chmod(tmp_path / "a", 0)
        try:
            found = run_as(account, find_places, [f"{tmp_path}/*/x?"])
        finally:
            os.chmod(tmp_path / "a", 0o755)
    assert [(place.path, place.state) for place in found] == [
        (str(tmp_path / "b/x2"), PRESENT),
        (str(tmp_path / "a/x?"), UNREADABLE),
    ]


def test_a_path_is_used_once(tmp_path):
    (tmp_path / "a").mkdir()
    assert places(tmp_path / "a", f"{tmp_path}//a/", tmp_path / "?") == [(str(tmp_path / "a"), PRESENT)]


def test_whereabouts_are_those_of_the_place_not_of_the_path(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    for below in ("", "/new", "/new/er"):
        assert ancestry(f"{tmp_path}/real{below}")[0] == ancestry(f"{tmp_path}/alias{below}")[0]
    assert len({ancestry(f"{tmp_path}/real{below}")[0] for below in ("", "/new", "/new/er")}) == 3


def test_ancestry_resolves_links_and_skips_what_is_not_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    info, root = os.stat(tmp_path / "real"), os.stat("/")
    above = [key for key, _below in ancestry(str(tmp_path / "alias/new/er"))]
    assert above[0] == (info.st_dev, info.st_ino)
    assert above[-1] == (root.st_dev, root.st_ino)


BELOW = [
    ("/a", "/a", True),
    ("/a/b", "/a", True),
    ("/ab", "/a", False),
    ("/a", "/a/b", False),
    ("/a", "/", True),
]


@pytest.mark.parametrize(("path", "directory", "expected"), BELOW)
def test_is_below(path, directory, expected):
    assert is_below(path, directory) is expected
