# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access is proved by opening: as root a real other account does it, else we do it ourselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access import probe as probe_module
from ansible_collections.trainprep.features.plugins.module_utils._access.report import access_reports
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import (
    Account,
    find_account,
    user_name,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_access import make as make_closed


def make(directory: Path, *names: str, mode: int = 0o644) -> Path:
    """As its namesake, but open to all where no mode is given."""
    return make_closed(directory, *names, mode=mode)


@pytest.fixture
def user() -> Account:
    return find_account("nobody") if os.geteuid() == 0 else find_account(None)


@pytest.fixture
def place(user):
    """A directory that every account may pass; what tests create in it is closed by their modes."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="features-")))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=True)
    shutil.rmtree(path)


def prove(user, directories, sources=()):
    return access_reports(user, {"": directories}, {"": sources})[""]


def first_reason(sample: dict) -> str:
    """Without the part that says why it is not granted: as another user than root we cannot look behind what blocks us."""
    return sample["reason"].partition("; not granted")[0]


def label(path: Path) -> str:
    info = path.stat()
    import grp

    return f"{path} ({info.st_mode & 0o7777:04o} {user_name(info.st_uid)}:{grp.getgrgid(info.st_gid).gr_name})"


def test_what_can_be_opened_is_counted_as_nothing(place, user):
    legacy = make(place / "legacy", "a.npz", "b.npz", "below/c.npz")
    report = prove(user, [(str(legacy), ["a.npz", "b.npz", "below/c.npz"], True)])
    assert (report.user, report.unreadable, report.to_grant, report.samples) == (user.name, 0, 0, [])


def test_the_first_directory_that_blocks_is_named_once(place, user):
    home = make(place / "home")
    legacy = make(home / "private" / "legacy", "a.npz", "b.npz", mode=0o000)
    (home / "private").chmod(0o600)
    home.chmod(0o600)
    blocking = label(home)
    report = prove(user, [(str(legacy), ["a.npz", "b.npz"], False)])
    assert report.unreadable == 2
    assert [(sample["path"], first_reason(sample)) for sample in report.samples] == [
        (str(legacy / "a.npz"), f"{blocking}: user {user.name} lacks search permission"),
    ]
    home.chmod(0o755)
    report = prove(user, [(str(legacy), ["a.npz", "b.npz"], False)])
    assert [first_reason(sample) for sample in report.samples] == [
        f"{label(home / 'private')}: user {user.name} lacks search permission"
    ]


def test_a_directory_that_the_trainer_globs_must_be_listed_a_legacy_one_only_passed(place, user):
    target = make(place / "target", "a.npz", "b.npz")
    target.chmod(0o111)
    assert prove(user, [(str(target), ["a.npz", "b.npz"], False)]).unreadable == 0
    report = prove(user, [(str(target), ["a.npz", "b.npz"], True)])
    assert report.unreadable == 2
    assert [first_reason(sample) for sample in report.samples] == [f"{label(target)}: user {user.name} may not list"]


def test_an_empty_target_that_cannot_be_listed_counts_itself(place, user):
    target = make(place / "target")
    target.chmod(0o111)
    report = prove(user, [(str(target), [], True)])
    assert (report.unreadable, report.samples[0]["path"]) == (1, str(target))


def test_a_directory_that_may_be_listed_but_not_passed(place, user):
    legacy = make(place / "legacy", "a.npz")
    legacy.chmod(0o444)
    reason = f"{label(legacy)}: user {user.name} lacks search permission"
    for must_list in (False, True):
        report = prove(user, [(str(legacy), ["a.npz"], must_list)])
        assert [first_reason(sample) for sample in report.samples] == [reason]


def test_a_closed_file_is_named_and_directories_come_before_files(place, user):
    legacy = make(place / "legacy", *[f"{number:02}.npz" for number in range(20)], mode=0o000)
    make(legacy, "closed/x.npz")
    (legacy / "closed").chmod(0o600)
    closed = label(legacy / "closed")
    names = [f"{number:02}.npz" for number in range(20)] + ["closed/x.npz"]
    report = prove(user, [(str(legacy), names, True)])
    assert report.unreadable == 21
    assert len(report.samples) == 10
    assert first_reason(report.samples[0]) == f"{closed}: user {user.name} lacks search permission"
    assert report.samples[1] == {
        "path": str(legacy / "00.npz"),
        "reason": f"{label(legacy / '00.npz')}: user {user.name} may not read",
    }


def test_many_closed_files_do_not_make_the_answer_grow(place, user):
    names = [f"{number:03}.npz" for number in range(200)]
    legacy = make(place / "legacy", *names, mode=0o000)
    items = [(str(legacy), names, True)]
    assert len(probe_module.ask(user, {"": items})[""].reasons) <= 51
    report = prove(user, items)
    assert (report.unreadable, len(report.samples)) == (200, 10)


def test_the_blocking_component_is_found_behind_links(place, user):
    real = make(place / "volume" / "features", "a.npz")
    (place / "link").symlink_to("volume")
    target = make(place / "target")
    (target / "a.npz").symlink_to(place / "link" / "." / "features" / ".." / "features" / "a.npz")
    assert prove(user, [(str(target), ["a.npz"], True)]).unreadable == 0
    real.chmod(0o600)
    report = prove(user, [(str(target), ["a.npz"], True)])
    assert report.samples[0]["path"] == str(target / "a.npz")
    assert report.samples[0]["reason"].startswith(f"{label(real)}: user {user.name} lacks search permission")
    real.chmod(0o755)
    (real / "a.npz").chmod(0)
    report = prove(user, [(str(target), ["a.npz"], True)])
    assert report.samples[0]["reason"].startswith(f"{label(real / 'a.npz')}: user {user.name} may not read")


def test_a_file_reached_by_a_link_too_is_counted_once(place, user):
    legacy = make(place / "legacy", "a.npz", mode=0)
    target = make(place / "target")
    (target / "a.npz").symlink_to(legacy / "a.npz")
    items = [(str(target), ["a.npz"], True), (str(legacy), ["a.npz"], False)]
    assert prove(user, items).unreadable == 1


def test_what_vanished_since_the_look_is_no_error(place, user):
    legacy = make(place / "legacy")
    (legacy / "dangling.npz").symlink_to("nowhere")
    (legacy / "loop.npz").symlink_to("loop.npz")
    items = [(str(legacy), ["gone.npz", "dangling.npz", "loop.npz"], True), (str(place / "gone"), ["a.npz"], True)]
    assert prove(user, items).unreadable == 0


def test_a_directory_still_to_be_made_below_one_that_blocks(place, user):
    data = make(place / "data")
    data.chmod(0o600)
    report = prove(user, [(str(data / "target"), [], True)])
    assert [first_reason(sample) for sample in report.samples] == [f"{label(data)}: user {user.name} lacks search permission"]


def test_a_pipe_does_not_block(place, user):
    legacy = make(place / "legacy")
    os.mkfifo(legacy / "a.npz", 0o644)
    os.chmod(legacy / "a.npz", 0o644)
    assert prove(user, [(str(legacy), ["a.npz"], False)]).unreadable == 0


def test_names_are_shown_without_control_characters(place, user):
    name = os.fsdecode(b"new\nline \xff.npz")
    legacy = make(place / "legacy", name, mode=0)
    report = prove(user, [(str(legacy), [name], False)])
    assert report.samples[0]["path"] == f"{legacy}/new\\nline \\xff.npz"
    assert "\n" not in report.samples[0]["reason"]


def test_several_sets_are_told_apart(place, user):
    legacy = make(place / "legacy", "a.npz", "b.npz", mode=0)
    (legacy / "b.npz").chmod(0o644)
    items = {"one": [(str(legacy), ["a.npz"], False)], "two": [(str(legacy), ["b.npz"], False)]}
    reports = access_reports(user, items, {})
    assert (reports["one"].unreadable, reports["two"].unreadable) == (1, 0)
