# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who works at a place: decisions over what the directories on the way to it are."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts, as_needed, become, owners
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import Acl, of_mode
from ansible_collections.trainprep.features.plugins.module_utils._system.owners import Groups, Step, Writers
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

ROOT = os.geteuid() == 0
ALICE, BOB, TEAM = 2001, 2002, 50


class Known(Groups):
    """alice's, bob's and root's private groups; the members of any other group are unknown."""

    def private_owner(self, gid: int) -> int | None:
        return {ALICE: ALICE, BOB: BOB, 0: 0}.get(gid)


def at(path, mode, uid=0, gid=0, entry=None, acl=None):
    return Step(path, uid, gid, acl or of_mode(mode), bool(mode & 0o1000), entry)


TOP = at("/", 0o755, entry=0)
ALICES = at("/home/alice", 0o755, ALICE, ALICE, 0)
TMP = at("/tmp", 0o1777, entry=0)
HOME = at("/home", 0o755, entry=ALICE)

SEVERAL = None
CASES = {
    "only root on the way": ([TOP, at("/data", 0o755)], 0, ""),
    "root's own group may write": ([TOP, at("/data", 0o775)], 0, ""),
    "a home": ([TOP, HOME, at("/home/alice", 0o755, ALICE, ALICE)], ALICE, "/home/alice"),
    "a home whose owner took away the bit": ([TOP, HOME, at("/home/alice", 0o555, ALICE, ALICE)], ALICE, "/home/alice"),
    "a home open to its private group": ([TOP, HOME, at("/home/alice", 0o775, ALICE, ALICE)], ALICE, "/home/alice"),
    "root's directory below a home": ([TOP, HOME, ALICES, at("/home/alice/r", 0o755)], ALICE, "/home/alice"),
    "alice's link in root's directory": ([TOP, Step("/data", 0, 0, of_mode(0o755), False, ALICE, True), TOP], ALICE, "/data"),
    "root's, open to a private group": ([TOP, at("/data", 0o2775, 0, ALICE)], ALICE, "/data"),
    "root's, open to a group": ([TOP, at("/data", 0o2775, 0, TEAM)], SEVERAL, "/data"),
    "alice's, open to a group": ([TOP, at("/data", 0o775, ALICE, TEAM)], SEVERAL, "/data"),
    "alice's, readable by a group": ([TOP, at("/data", 0o755, ALICE, TEAM)], ALICE, "/data"),
    "open to everyone": ([TOP, at("/data", 0o777)], SEVERAL, "/data"),
    "everyone further up": ([TOP, at("/data", 0o777, entry=0), at("/data/x", 0o755)], SEVERAL, "/data"),
    "bob's below alice's": ([TOP, at("/a", 0o755, ALICE, ALICE, BOB), at("/a/b", 0o755, BOB, BOB)], SEVERAL, "/a/b"),
    "a user entry": ([TOP, at("/data", 0, acl=Acl(7, ((BOB, 7),), 5, (), 7, 5))], BOB, "/data"),
    "a masked user entry": ([TOP, at("/data", 0, acl=Acl(7, ((BOB, 7),), 5, (), 5, 5))], 0, ""),
    "two user entries": ([TOP, at("/data", 0, acl=Acl(7, ((ALICE, 7), (BOB, 2)), 5, (), 7, 5))], SEVERAL, "/data"),
    "a group entry": ([TOP, at("/data", 0, acl=Acl(7, (), 5, ((TEAM, 7),), 7, 5))], SEVERAL, "/data"),
    "a private group's entry": ([TOP, at("/data", 0, acl=Acl(7, (), 5, ((BOB, 7),), 7, 5))], BOB, "/data"),
    "a masked group entry": ([TOP, at("/data", 0, acl=Acl(7, (), 5, ((TEAM, 7),), 5, 5))], 0, ""),
    "alice's, with an entry for bob": ([TOP, at("/data", 0, ALICE, ALICE, acl=Acl(7, ((BOB, 7),), 5, (), 7, 5))], SEVERAL, "/data"),
    "root's below a sticky one": ([TOP, TMP, at("/tmp/x", 0o755)], 0, ""),
    "alice's below a sticky one": ([TOP, at("/tmp", 0o1777, entry=ALICE), at("/tmp/x", 0o755, ALICE, ALICE)], ALICE, "/tmp"),
    "a link of alice's in a sticky one": ([TOP, at("/tmp", 0o1777, entry=ALICE), TOP, at("/data", 0o755)], ALICE, "/tmp"),
    "bob's sticky directory": ([TOP, at("/s", 0o1777, BOB, BOB, entry=ALICE), at("/s/x", 0o755, ALICE, ALICE)], SEVERAL, "/s"),
    "new names in a sticky one": ([TOP, at("/tmp", 0o1777)], ALICE, "/tmp"),
    "a link in a home to root's directory": ([TOP, HOME, ALICES, TOP, at("/data", 0o755)], ALICE, "/home/alice"),
}  # fmt: skip


@pytest.mark.parametrize("which", CASES)
def test_owner_of_a_place(which):
    steps, uid, component = CASES[which]
    decision = owners.decide_owner(steps, Known(), ALICE)
    assert decision.uid == uid
    assert decision.component == (component or "/")


def test_root_as_training_user_makes_nothing_in_a_shared_sticky_directory():
    assert owners.decide_owner([TOP, at("/tmp", 0o1777)], Known(), 0).uid is None


@pytest.mark.parametrize(
    ("writers", "text"),
    [
        (Writers(), "root alone"),
        (Writers(frozenset({4001}), frozenset({4002})), "user 4001 and group 4002"),
        (Writers(frozenset({4001, 4002, 4003})), "user 4001, user 4002 and user 4003"),
        (Writers(everyone=True), "every user"),
    ],
)
def test_writers_as_text(writers, text):
    assert str(writers) == text


PRIVATE = {
    "primary group of its own name": ([("amy", 61, 61)], [("amy", 61, [])], 61),
    "listed as its own member": ([("amy", 61, 61)], [("amy", 61, ["amy"])], 61),
    "another name": ([("amy", 61, 61)], [("team", 61, [])], None),
    "another listed member, account unknown": ([("amy", 61, 61)], [("amy", 61, ["zoe"])], None),
    "another account's primary group": ([("amy", 61, 61), ("ben", 62, 61)], [("amy", 61, [])], None),
    "its name, not its primary group": ([("amy", 61, 70)], [("amy", 61, [])], None),
    "the same number under another name": ([("amy", 61, 61)], [("amy", 61, []), ("also", 61, ["ben"])], None),
    "no such group": ([("amy", 61, 61)], [], None),
    "no members known": ([], [("team", 61, [])], None),
    "root's": ([("root", 0, 0)], [("root", 0, [])], 0),
}


@pytest.mark.parametrize("which", PRIVATE)
def test_private_group(which, monkeypatch):
    users, groups, owner = PRIVATE[which]
    passwd = [pwd.struct_passwd((name, "x", uid, gid, "", "/", "")) for name, uid, gid in users]
    group = [grp.struct_group((name, "x", gid, members)) for name, gid, members in groups]

    def first(items, index, wanted):
        found = [item for item in items if item[index] == wanted]
        if not found:
            raise KeyError(wanted)
        return found[0]

    monkeypatch.setattr(owners.grp, "getgrgid", lambda gid: first(group, 2, gid))
    monkeypatch.setattr(owners.grp, "getgrall", lambda: group)
    monkeypatch.setattr(owners.pwd, "getpwnam", lambda name: first(passwd, 0, name))
    monkeypatch.setattr(owners.pwd, "getpwall", lambda: passwd)
    assert Groups().private_owner(groups[0][1] if groups else 61) == owner
    # As of a directory service that answers for one name, and lists nothing.
    monkeypatch.setattr(owners.grp, "getgrall", list)
    monkeypatch.setattr(owners.pwd, "getpwall", list)
    if which not in ("another account's primary group", "the same number under another name"):
        assert Groups().private_owner(groups[0][1] if groups else 61) == owner


def test_steps_name_every_directory_and_link(tmp_path):
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/../real")
    steps = owners.steps_to(str(tmp_path / "link/below/not/yet"))
    inside = [step.path for step in steps if step.path.startswith(str(tmp_path))]
    top = str(tmp_path)
    # The link, the name it leads to (twice), and the last directory, in which names would be made.
    assert inside == [top, top, top, f"{top}/real", f"{top}/real/below"]
    assert steps[-1].entry_uid is None and all(step.entry_uid is not None for step in steps[:-1])


def test_a_loop_of_links_is_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        owners.steps_to(str(tmp_path / "a"))


def test_several_users_are_refused_by_component(tmp_path):
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o777)
    user = accounts.find_account(None)
    if not ROOT:
        assert owners.owner_of(str(place / "x"), user).uid == os.geteuid()
        return
    tmp_path.chmod(0o755)
    with pytest.raises(FeatureError) as error:
        owners.owner_of(str(place / "x"), user)
    assert f"{place} can be written by every user" in str(error.value)


def test_work_is_done_as_the_owner(tmp_path):
    account = owners.account_of(4321) if ROOT else accounts.find_account(None)
    assert become.run_as(account, os.geteuid) == account.uid
    assert as_needed.as_needed(account, lambda uid: uid == 0, os.geteuid) == account.uid
