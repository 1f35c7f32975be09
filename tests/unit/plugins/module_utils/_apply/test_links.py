# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans carried out on real directories, against whatever else happens there at the same time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._apply.links import LinkCounts, apply_links
from ansible_collections.trainprep.features.plugins.module_utils._plan.links import LinkPlan
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    feature,
    link,
    links,
    tree,
    unprivileged,
)

UID, GID = os.geteuid(), os.getegid()
ROOT_ONLY = pytest.mark.skipif(UID != 0, reason="only root acts as another account")


def key(path):
    info = os.stat(path)
    return (info.st_dev, info.st_ino)


def apply(target, plan, expected="as it is", uid=UID, gid=GID, seconds=0.0):
    if expected == "as it is":
        expected = key(target) if os.path.isdir(target) else None
    account = Account("trainer", uid, gid, (gid,), "/")
    return apply_links(str(target), plan, account, expected, lock_seconds=seconds)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "data/t"
    path.mkdir(parents=True)
    return path


# --- what a plan says ---------------------------------------------------------------------------------------------------


def test_each_sort_of_action(target):
    link(target / "gone", "/nowhere/gone")
    link(target / "stray", "/old/stray")
    plan = LinkPlan(
        to_create=[("a", "/old/a"), ("x/y/b", "/old/x/y/b")],
        to_replace=[("gone", "/old/gone", "/nowhere/gone")],
        to_remove=[("stray", "/old/stray")],
        unchanged=4,
    )
    assert apply(target, plan) == LinkCounts(linked=3, replaced=1, removed=1, kept=4)
    assert links(target) == {"a": "/old/a", "x/y/b": "/old/x/y/b", "gone": "/old/gone"}


def test_an_empty_plan_touches_nothing(target):
    assert apply(target, LinkPlan(unchanged=2)) == LinkCounts(kept=2)
    assert apply(target.parent / "gone", LinkPlan()) == LinkCounts()
    assert not (target.parent / "gone").exists()


def test_a_link_is_removed_and_made_again_under_one_name(target):
    link(target / "a", "/old/v")
    plan = LinkPlan(to_create=[("a", "/old/a")], to_remove=[("a", "/old/v")])
    assert apply(target, plan) == LinkCounts(linked=1, removed=1)
    assert links(target) == {"a": "/old/a"}


# --- the target's making ------------------------------------------------------------------------------------------------


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_created_target_can_be_passed_and_listed_whatever_the_umask(tmp_path, umask):
    counts = apply(tmp_path / "new/er/t", LinkPlan(to_create=[("x/a", "/old/x/a")]))
    assert counts == LinkCounts(linked=1, created_target=True)
    for name in ("new", "new/er", "new/er/t", "new/er/t/x"):
        assert mode(tmp_path / name) == 0o755
    assert [name for name in tree(tmp_path) if ".trainprep" in name] == []


@ROOT_ONLY
def test_a_created_target_belongs_to_the_training_user(tmp_path):
    apply(tmp_path / "new/t", LinkPlan(to_create=[("x/a", "/old/x/a")]), uid=1235, gid=2346)
    made = {name: os.lstat(tmp_path / name) for name in ("new", "new/t", "new/t/x", "new/t/x/a")}
    owners = {name: (info.st_uid, info.st_gid) for name, info in made.items()}
    # Root makes the target for the user; the user makes what is in it.
    assert owners == {"new": (0, 0), "new/t": (1235, 2346), "new/t/x": (1235, 2346), "new/t/x/a": (1235, 2346)}


@ROOT_ONLY
def test_in_a_home_everything_is_made_by_its_owner(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", 1234, 65534)
    apply(tmp_path / "home/new/t", LinkPlan(to_create=[("x/a", "/old/x/a")]), uid=1235, gid=2346)
    assert {os.lstat(tmp_path / name).st_uid for name in ("home/new", "home/new/t", "home/new/t/x", "home/new/t/x/a")} == {1234}


@pytest.mark.parametrize("was", [0o700, 0o755, 0o3755])
def test_an_existing_target_keeps_its_mode_and_owner(target, was):
    os.chmod(target, was)
    if UID == 0:
        os.chown(target, 1234, 2345)
        os.chmod(target, was)
    before = os.stat(target)
    assert not apply(target, LinkPlan(to_create=[("a", "/old/a")])).created_target
    after = os.stat(target)
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_file_named_like_a_draft_is_left_alone(tmp_path):
    (tmp_path / ".trainprep-t").write_text("mine")
    apply(tmp_path / "t", LinkPlan(to_create=[("a", "/old/a")]))
    assert (tmp_path / ".trainprep-t").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [".trainprep-t", "t"]


# --- what happens between the inspection and the links ------------------------------------------------------------------------


def test_a_file_that_appeared_under_a_wanted_name_stays(target):
    (target / "a").write_text("precious")
    counts = apply(target, LinkPlan(to_create=[("a", "/old/a"), ("b", "/old/b")]))
    assert counts.linked == 1
    assert (target / "a").read_text() == "precious"


@pytest.mark.parametrize("action", ["replace", "remove"])
@pytest.mark.parametrize("what", ["file", "link", "directory", "nothing"])
def test_a_replacement_of_a_link_stays(target, action, what):
    if what == "file":
        (target / "a").write_text("precious")
    elif what == "link":
        link(target / "a", "/somewhere/else")
    elif what == "directory":
        feature(target / "a/precious")
    before = tree(target)
    plan = LinkPlan(to_replace=[("a", "/new/a", "/old/a")]) if action == "replace" else LinkPlan(to_remove=[("a", "/old/a")])
    counts = apply(target, plan)
    assert (counts.replaced, counts.removed) == (0, 0)
    assert tree(target) == before


@pytest.mark.parametrize("action", ["replace", "remove"])
@pytest.mark.parametrize("what", ["file", "link", "directory"])
def test_a_replacement_at_the_last_moment_stays(target, monkeypatch, action, what):
    link(target / "a", "/old/a")
    really = os.rename

    def exchanged(source, *arguments, **options):
        if source == "a":
            monkeypatch.setattr(os, "rename", really)
            os.unlink(target / "a")
            if what == "file":
                (target / "a").write_text("precious")
            elif what == "link":
                link(target / "a", "/somewhere/else")
            else:
                feature(target / "a/precious")
            exchanged.before = tree(target)
        return really(source, *arguments, **options)

    monkeypatch.setattr(os, "rename", exchanged)
    plan = LinkPlan(to_replace=[("a", "/new/a", "/old/a")]) if action == "replace" else LinkPlan(to_remove=[("a", "/old/a")])
    counts = apply(target, plan)
    assert (counts.replaced, counts.removed) == (0, 0)
    assert tree(target) == exchanged.before


@pytest.mark.parametrize("by", ["directory", "link"])
def test_a_target_exchanged_after_the_inspection_is_not_followed(target, tmp_path, by):
    seen = key(target)
    (tmp_path / "victim").mkdir()
    target.rename(tmp_path / "moved")
    if by == "link":
        link(target, tmp_path / "victim")
    else:
        target.mkdir()
    before = tree(tmp_path)
    with pytest.raises(FeatureError, match=r"data/t was replaced .* run again"):
        apply(target, LinkPlan(to_create=[("a", "/old/a")]), expected=seen)
    assert tree(tmp_path) == before


def test_a_target_that_is_exchanged_during_the_work_is_not_followed(target, tmp_path, monkeypatch):
    (tmp_path / "victim").mkdir()
    really = os.symlink

    def exchanging(text, name, **options):
        really(text, name, **options)
        if name == "a":
            target.rename(tmp_path / "moved")
            really(tmp_path / "victim", target)

    monkeypatch.setattr(os, "symlink", exchanging)
    apply(target, LinkPlan(to_create=[("a", "/old/a"), ("b", "/old/b"), ("x/c", "/old/c")]))
    assert os.listdir(tmp_path / "victim") == []
    assert sorted(links(tmp_path / "moved")) == ["a", "b", "x/c"]


@pytest.mark.parametrize("what", ["link", "dangling link", "file"])
def test_a_replacement_of_an_absent_target_is_not_followed(tmp_path, what):
    (tmp_path / "victim").mkdir()
    if what == "file":
        (tmp_path / "t").write_text("precious")
    else:
        link(tmp_path / "t", tmp_path / ("victim" if what == "link" else "gone"))
    before = tree(tmp_path)
    with pytest.raises(FeatureError, match=f"target {tmp_path}/t cannot be opened or created"):
        apply(tmp_path / "t", LinkPlan(to_create=[("a", "/old/a")]), expected=None)
    assert tree(tmp_path) == before


def test_a_target_that_was_made_meanwhile_is_used(tmp_path):
    (tmp_path / "t").mkdir(mode=0o750)
    counts = apply(tmp_path / "t", LinkPlan(to_create=[("a", "/old/a")]), expected=None)
    assert counts == LinkCounts(linked=1)
    assert mode(tmp_path / "t") == 0o750


def test_a_folder_of_the_target_that_became_a_link_is_not_followed(target, tmp_path):
    (tmp_path / "victim").mkdir()
    link(target / "x", tmp_path / "victim")
    with pytest.raises(FeatureError, match=f"{target}/x is a link or a file where a folder of features belongs"):
        apply(target, LinkPlan(to_create=[("x/a", "/old/a")]))
    assert os.listdir(tmp_path / "victim") == []


def test_a_folder_that_is_gone_with_its_links_is_no_error(target):
    assert apply(target, LinkPlan(to_remove=[("x/a", "/old/a")])) == LinkCounts()


@ROOT_ONLY
@pytest.mark.parametrize("exists", [True, False])
def test_root_does_not_follow_a_users_link_to_what_is_not_the_users(tmp_path, exists):
    (tmp_path / "private/t").mkdir(parents=True)
    if not exists:
        (tmp_path / "private/t").rmdir()
    link(tmp_path / "link", "private")
    os.lchown(tmp_path / "link", 1234, 1234)
    before = tree(tmp_path)
    with pytest.raises(FeatureError, match=f"target {tmp_path}/link/t cannot be (opened or created|changed) .Permission denied"):
        apply(tmp_path / "link/t", LinkPlan(to_create=[("a", "/old/a")]))
    assert tree(tmp_path) == before
    os.lchown(tmp_path / "link", 0, 0)
    assert apply(tmp_path / "link/t", LinkPlan(to_create=[("a", "/old/a")])).linked == 1


# --- refusals of the system ---------------------------------------------------------------------------------------------

REFUSALS = [
    (errno.ENOSPC, "its file system is full"),
    (errno.EDQUOT, "a quota is used up"),
    (errno.EROFS, "mounted read-only"),
    (errno.EACCES, "the task's user write there: root with become,"),
    (errno.EPERM, "root with become,"),
    (errno.EIO, "look at it on the host"),
]


@pytest.mark.parametrize(("number", "advice"), REFUSALS, ids=[errno.errorcode[number] for number, _advice in REFUSALS])
def test_a_refusal_is_one_message_with_path_reason_and_advice(target, monkeypatch, number, advice):
    really = os.symlink

    def refuse(text, name, **options):
        if name == "b":
            raise OSError(number, os.strerror(number))
        return really(text, name, **options)

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(FeatureError) as caught:
        apply(target, LinkPlan(to_create=[("a", "/old/a"), ("b", "/old/b")]))
    said = str(caught.value)
    assert str(target) in said and os.strerror(number) in said and advice in said and "\n" not in said


@pytest.mark.parametrize("name", ["t", "new/t"])
def test_without_write_permission_the_message_names_become(tmp_path, name):
    with unprivileged(tmp_path) as account:
        os.chmod(tmp_path, 0o555)
        try:
            with pytest.raises(FeatureError, match=f"target {tmp_path}/{name} .*Permission denied.*root with become,"):
                run_as(account, apply_links, f"{tmp_path}/{name}", LinkPlan(to_create=[("a", "/a")]), account, None)
        finally:
            os.chmod(tmp_path, 0o755)


def test_another_run_that_holds_the_lock_is_named(target):
    fd = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(FeatureError, match=f"{target} is locked by another run"):
            apply(target, LinkPlan(to_create=[("a", "/old/a")]))
        assert links(target) == {}
    finally:
        os.close(fd)
    assert apply(target, LinkPlan(to_create=[("a", "/old/a")])).linked == 1
