# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of access and their carrying out, on real files of ours; what takes root is shown in tests/system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access.apply import Applied, apply_changes
from ansible_collections.trainprep.features.plugins.module_utils._access.nodes import Blocked, PathResolver
from ansible_collections.trainprep.features.plugins.module_utils._access.plan import plan_grants
from ansible_collections.trainprep.features.plugins.module_utils._access.probe import (
    LinkSource,
    ProbeResult,
    Reason,
    RefusedDirectory,
)
from ansible_collections.trainprep.features.plugins.module_utils._access.rules import (
    GRANT,
    Means,
    Refusal,
    decide,
)
from ansible_collections.trainprep.features.plugins.module_utils._steps.grant import carry_out
from ansible_collections.trainprep.features.plugins.module_utils._system import acl
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import READ
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_access import MEANS, TRAINER, make

DENIED = Reason("denied", True, True)


def applied_to(changes):
    result = Applied([], [])
    apply_changes(changes, result)
    return result


def refused(directory: Path, *names: str, must_list: bool = False) -> ProbeResult:
    return ProbeResult([DENIED], [RefusedDirectory(str(directory), must_list, not names, list(names), [0] * (len(names) or 1))])


def plan(directory: Path, *names: str, account=TRAINER, means=MEANS, sources=(), must_list=False):
    answers = {"s": refused(directory, *names, must_list=must_list)}
    return plan_grants(account, means, answers, {"s": [LinkSource(*one) for one in sources]}).sets["s"]


def acl_of(path: Path) -> str:
    try:
        return acl.describe(acl.parse(os.getxattr(path, acl.XATTR)))
    except OSError:
        return acl.describe(acl.of_mode(path.stat().st_mode))


def test_the_least_is_granted_pass_above_list_and_pass_and_read(place):
    home = make(place / "home")
    legacy = make(home / "legacy", "a.npz", "below/b.npz", "other.npz")
    home.chmod(0o750)
    legacy.chmod(0o700)
    (legacy / "below").chmod(0o700)
    found = plan(legacy, "a.npz", "below/b.npz")
    assert (len(found.opens), found.refused) == (2, {})
    applied = applied_to(found.changes)
    assert applied.missed == []
    assert acl_of(place) == "user::rwx,group::r-x,other::r-x"
    assert acl_of(home) == "user::rwx,user:54321:--x,group::r-x,mask::r-x,other::---"
    for directory in (legacy, legacy / "below"):
        assert acl_of(directory) == "user::rwx,user:54321:r-x,group::---,mask::r-x,other::---"
    for file in (legacy / "a.npz", legacy / "below" / "b.npz"):
        assert acl_of(file) == "user::rw-,user:54321:r--,group::---,mask::r--,other::---"
    assert acl_of(legacy / "other.npz") == "user::rw-,group::---,other::---"


def test_what_the_user_has_already_stays_as_it_is(place):
    legacy = make(place / "legacy", "a.npz")
    found = plan(legacy, "a.npz")
    assert [change.node.path for change in found.changes] == [str(legacy / "a.npz")]


def test_a_legacy_directory_is_not_listed_for_files_in_its_folders_but_a_target_is(place):
    legacy = make(place / "legacy", "below/b.npz")
    legacy.chmod(0o700)
    top = [change for change in plan(legacy, "below/b.npz").changes if change.node.path == str(legacy)]
    assert acl.text(dict(top[0].acl.users)[TRAINER.uid]) == "--x"
    top = [change for change in plan(legacy, "below/b.npz", must_list=True).changes if change.node.path == str(legacy)]
    assert acl.text(dict(top[0].acl.users)[TRAINER.uid]) == "r-x"


def test_an_entry_of_ones_own_keeps_what_a_group_gave(place):
    """The least for a directory above would be to pass it; the user could list it already."""
    home = make(place / "home")
    legacy = make(home / "legacy", "a.npz")
    home.chmod(0o740)
    member = Account("trainer", 54321, 54321, (54321, home.stat().st_gid), "/")
    (change,) = [change for change in plan(legacy, "a.npz", account=member).changes if change.node.path == str(home)]
    assert acl.text(dict(change.acl.users)[member.uid]) == "r-x"


def test_a_mask_that_holds_another_entry_down_is_kept(place):
    legacy = make(place / "legacy", "a.npz", mode=0o644)
    masked = acl.Acl(7, ((54322, 7),), 0, (), 0, 0)
    os.setxattr(legacy, acl.XATTR, acl.pack(masked))
    found = plan(legacy, "a.npz")
    assert (found.opens, found.changes) == (set(), [])
    (sentence,) = found.refused.values()
    assert f"{legacy}: the mask of its ACL is kept" in sentence
    assert "user:54322:rwx" in sentence


def test_several_needs_of_one_directory_make_one_change(place):
    top = make(place / "top", "a.npz", "below/b.npz", mode=0o644)
    top.chmod(0o700)
    answers = {"one": refused(top / "below", "b.npz"), "two": refused(top, "a.npz")}
    result = plan_grants(TRAINER, MEANS, answers, {})
    changes = result.sets["one"].changes + result.sets["two"].changes
    assert [(change.node.path, change.new) for change in changes] == [
        (str(top), "user::rwx,user:54321:r-x,group::---,mask::r-x,other::---")
    ]
    assert len(result.sets["one"].opens) == len(result.sets["two"].opens) == 1


def test_a_link_in_a_target_counts_as_the_declared_feature_that_it_leads_to(place):
    legacy = make(place / "legacy", "a.npz")
    target = make(place / "target")
    (target / "x.npz").symlink_to(legacy / "a.npz")
    assert plan(target, "x.npz").opens == set()
    found = plan(target, "x.npz", sources=[(str(legacy), ["a.npz"])])
    assert [change.node.path for change in found.changes] == [str(legacy / "a.npz")]
    assert len(found.opens) == 1


def test_a_link_by_another_way_to_a_declared_directory_counts_too(place):
    legacy = make(place / "legacy", "a.npz")
    (place / "alias").symlink_to("legacy")
    (legacy / "again.npz").symlink_to("a.npz")
    target = make(place / "target")
    (target / "x.npz").symlink_to(place / "alias" / "again.npz")
    found = plan(target, "x.npz", sources=[(str(legacy), ["a.npz", "again.npz"])])
    assert [change.node.path for change in found.changes] == [str(legacy / "a.npz")]


def test_links_in_a_circle_end(place):
    target = make(place / "target")
    (target / "x.npz").symlink_to("x.npz")
    assert plan(target, "x.npz", sources=[(str(target), ["x.npz"])]).opens == set()


def test_a_link_into_a_directory_that_is_not_declared_is_refused(place):
    private = make(place / "private", "a.npz")
    target = make(place / "target")
    (target / "a.npz").symlink_to(private / "a.npz")
    found = plan(target, "a.npz", sources=[(str(place / "legacy"), ["a.npz"])])
    assert (found.opens, found.changes) == (set(), [])
    assert list(found.refused.values()) == [f"{target} has links into {private}, not declared: add what holds them to 'legacy'"]


def store(place: Path, *blobs: str) -> Path:
    """A directory with links to files of other names, as content stores have them."""
    legacy = make(place / "legacy")
    for number, blob in enumerate(blobs):
        make(place / "store" / os.path.dirname(blob), os.path.basename(blob))
        (legacy / f"{number}.npz").symlink_to(f"../store/{blob}")
    return legacy


def linked(place: Path, *blobs: str):
    infos = [os.stat(place / "store" / blob) for blob in blobs]
    return frozenset((info.st_dev << 64) | info.st_ino for info in infos)


def test_links_into_a_store_name_the_directory_that_all_lead_into(place):
    legacy = store(place, "ab/1", "cd/2")
    found = plan(legacy, "0.npz", "1.npz", sources=[(str(legacy), ["0.npz", "1.npz"], linked(place, "ab/1", "cd/2"))])
    assert set(found.refused.values()) == {f"{legacy} has links into {place}/store, not declared: add what holds them to 'legacy'"}
    assert found.changes == []


def test_in_a_declared_store_the_name_of_the_link_decides(place):
    legacy = store(place, "ab/1", "cd/2")
    found_linked = linked(place, "ab/1", "cd/2")
    sources = [(str(legacy), ["0.npz", "1.npz"], found_linked), (str(place / "store"), [], found_linked)]
    found = plan(legacy, "0.npz", "1.npz", sources=sources)
    assert (len(found.opens), found.refused) == (2, {})
    assert {change.node.path for change in found.changes} >= {str(place / "store/ab/1"), str(place / "store/cd/2")}


def test_a_link_that_was_turned_to_another_file_of_the_store_opens_nothing(place):
    legacy = store(place, "ab/1")
    sources = [(str(legacy), ["0.npz"], linked(place, "ab/1")), (str(place / "store"), [], linked(place, "ab/1"))]
    make(place / "store/ab", "secret")
    (legacy / "0.npz").unlink()
    (legacy / "0.npz").symlink_to("../store/ab/secret")
    found = plan(legacy, "0.npz", sources=sources)
    assert (found.opens, found.changes) == (set(), [])
    assert "leads to another file than when it was inspected" in next(iter(found.refused.values()))


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_what_is_no_regular_file_is_refused(place, kind):
    legacy = make(place / "legacy")
    if kind == "fifo":
        os.mkfifo(legacy / "a.npz")
    elif kind == "folder":
        (legacy / "a.npz").mkdir(mode=0o700)
    else:
        (legacy / "a.npz").symlink_to(make(place / "private", "a.npz") / "a.npz")
    found = plan(legacy, "a.npz")
    assert (found.opens, found.changes, len(found.refused)) == (set(), [], 1)


def test_names_that_lead_out_of_the_directory_are_never_followed(place):
    make(place, "secret.npz")
    legacy = make(place / "legacy", "a.npz", mode=0o644)
    found = plan(legacy, "../secret.npz", "x/../../secret.npz")
    assert (found.opens, found.changes) == (set(), [])


def test_a_link_that_others_than_root_can_change_is_refused_with_the_directory_to_declare(place):
    legacy = make(place / "real", "a.npz")
    (place / "link").symlink_to("real")
    if os.geteuid() == 0:
        os.lchown(place / "link", 54322, 54322)
    found = plan(place / "link", "a.npz")
    assert (found.opens, found.changes) == (set(), [])
    assert f"declare the directory it leads to, {legacy}" in next(iter(found.refused.values()))


def test_a_link_of_root_in_a_directory_of_root_is_followed():
    way = PathResolver().directory("/dev/fd")  # a link to /proc/self/fd, and /proc/self is one too
    assert way.end.path == f"/proc/{os.getpid()}/fd"
    assert [node.path for node in way.passed][:3] == ["/", "/dev", "/"]


def test_dots_in_a_declared_path_are_walked_as_the_kernel_does(place):
    make(place / "one" / "two")
    make(place / "three")
    assert PathResolver().directory(f"{place}/one/./two/../../three").end.path == str(place / "three")


def test_a_file_in_the_way_of_a_path_is_no_directory(place):
    make(place, "file")
    with pytest.raises(Blocked, match="is not a directory"):
        PathResolver().directory(str(place / "file" / "below"))


def test_what_is_absent_leaves_the_directories_above_it(place):
    data = make(place / "data")
    data.chmod(0o700)
    found = plan(data / "target" / "deeper", must_list=True)
    assert [(change.node.path, change.new) for change in found.changes] == [
        (str(data), "user::rwx,user:54321:--x,group::---,mask::--x,other::---")
    ]


@pytest.mark.parametrize("swap", ["mode", "file", "link", "gone", "directory"])
def test_what_changed_since_the_plan_is_left_alone(place, swap):
    legacy = make(place / "legacy", "a.npz")
    other = make(place / "other", "a.npz")
    found = plan(legacy, "a.npz")
    file = legacy / "a.npz"
    if swap == "mode":
        file.chmod(0o640)
    elif swap == "gone":
        file.unlink()
    elif swap == "file":
        os.replace(other / "a.npz", file)
    elif swap == "link":
        file.unlink()
        file.symlink_to(other / "a.npz")
    else:
        legacy.rename(place / "aside")
        other.rename(legacy)
    applied = applied_to(found.changes)
    assert applied.done == []
    assert applied.missed == [f"{file} was changed while access to it was granted, so it was left alone: run again"]
    for left in place.glob("*/*.npz"):
        assert "54321" not in acl_of(left)


def test_ones_own_file_is_opened_by_its_mode_and_special_bits_stay(place):
    legacy = make(place / "legacy", "a.npz")
    (legacy / "a.npz").chmod(0o1000)
    own = Account("me", os.geteuid(), os.getegid(), (os.getegid(),), "/")
    if own.uid == 0:
        own = Account("me", 54321, 54321, (54321,), "/")
        for path in (legacy, legacy / "a.npz"):
            os.chown(path, 54321, 54321)
    applied_to(plan(legacy, "a.npz", account=own).changes)
    assert (legacy / "a.npz").stat().st_mode & 0o7777 == 0o1400


def carried_out(whole, check_mode):
    result = {"changed": False, "sets": {}, "diff": []}
    carry_out(whole, check_mode, result)
    return result


def test_check_mode_counts_and_shows_ten_at_most_and_changes_nothing(place):
    names = [f"{number:02}.npz" for number in range(15)]
    legacy = make(place / "legacy", *names)
    legacy.chmod(0o700)
    whole = plan_grants(TRAINER, MEANS, {"s": refused(legacy, *names)}, {})
    result = carried_out(whole, check_mode=True)
    counts = result["sets"]["s"]
    assert (result["changed"], counts["granted"], counts["directories"], counts["refused"]) == (True, 15, 1, 0)
    assert len(counts["samples"]) == 10
    assert counts["samples"][0]["path"] == str(legacy)
    assert result["diff"][0]["after"].endswith("1 directory and 15 files opened\n")
    assert result["diff"][0]["after"].count("\n") == 11
    assert "54321" not in acl_of(legacy) + acl_of(legacy / "00.npz")
    assert carried_out(whole, check_mode=False)["sets"] == result["sets"]
    assert "54321" in acl_of(legacy / "00.npz")


def test_refusals_are_counted_and_said_ten_times_at_most(place):
    legacy = make(place / "legacy")
    names = [f"{number:02}.npz" for number in range(15)]
    for name in names:
        os.mkfifo(legacy / name)
    whole = plan_grants(TRAINER, MEANS, {"s": refused(legacy, *names)}, {})
    result = carried_out(whole, check_mode=False)
    assert (result["changed"], result["sets"]["s"]["refused"]) == (False, 15)
    assert len(result["sets"]["s"]["warnings"]) == 11
    assert result["sets"]["s"]["warnings"][-1] == "and 5 more of that kind"


def test_a_hard_link_to_what_belongs_to_another_than_the_directorys_owner_is_refused(place):
    legacy = make(place / "legacy", "a.npz")
    os.link(legacy / "a.npz", legacy / "b.npz")
    (change,) = plan(legacy, "a.npz").changes
    file = change.node
    assert decide(file, READ, TRAINER, Means(0, GRANT, True))
    file.parent.uid = file.uid + 1
    with pytest.raises(Refusal, match="hard links"):
        decide(file, READ, TRAINER, Means(0, GRANT, True))
