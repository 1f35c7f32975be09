# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import pickle
import pwd

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import Classification
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import Entry
from ansible_collections.trainprep.features.plugins.module_utils._system import become
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import (
    Account,
    find_account,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

NOBODY = Account("nobody", 65534, 65534, (65534,), "/")


def somebody_else() -> Account:
    own = os.geteuid()
    return Account("other", own + 1, own + 1, (own + 1,), "/")


def test_a_name_is_looked_up_with_all_its_groups():
    entry = pwd.getpwuid(os.geteuid())
    found = find_account(entry.pw_name)
    assert (found.name, found.uid, found.gid, found.home) == (entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
    assert set(found.groups) == set(os.getgrouplist(entry.pw_name, entry.pw_gid))


def test_a_number_that_is_no_name_is_a_uid():
    assert find_account(str(os.geteuid())) == find_account(pwd.getpwuid(os.geteuid()).pw_name)


def test_an_unknown_account_is_refused_by_name():
    with pytest.raises(FeatureError, match=r"user: this host has no account 'no-such-user-here'"):
        find_account("no-such-user-here")


@pytest.mark.parametrize("variable", ["SUDO_USER", "DOAS_USER"])
def test_without_a_name_it_is_this_process_whatever_the_environment_says(monkeypatch, variable):
    monkeypatch.setenv(variable, "nobody")
    assert find_account(None).uid == os.geteuid()
    assert find_account("").uid == os.geteuid()


def test_a_uid_without_an_entry_has_the_root_directory_as_home():
    def without_entry():
        os.setresuid(4242, 4242, 4242)
        return find_account(None)

    if os.geteuid() == 0:
        found = in_child(without_entry)
        assert (found.name, found.uid, found.home) == ("4242", 4242, "/")
    else:
        assert find_account(None).uid == os.geteuid()


def in_child(function):
    """A function's result from a forked child, without run_as."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        value = pickle.loads(stream.read())
    os.waitpid(child, 0)
    return value


def test_as_ourselves_it_runs_in_this_process():
    marks = []
    own = Account("me", os.geteuid(), os.getegid(), (os.getegid(),), "/")
    assert run_as(own, lambda a, b: marks.append((a, b)) or "done", 1, 2) == "done"
    assert marks == [(1, 2)]


def identity():
    return os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getpid()


def test_the_child_is_the_user_or_the_refusal_says_what_to_do():
    other = somebody_else()
    if os.geteuid() != 0:
        with pytest.raises(FeatureError, match=r"cannot become user other .*set become to true or user to "):
            run_as(other, identity)
        return
    uids, gids, groups, pid = run_as(Account("x", 4242, 4243, (4243, 4244), "/"), identity)
    assert (uids, gids, groups) == ((4242,) * 3, (4243,) * 3, [4243, 4244])
    assert pid != os.getpid()


def test_a_user_who_is_not_root_is_told_to_become_root():
    def ask():
        if os.geteuid() == 0:
            os.setresuid(4242, 4242, 4242)
        try:
            run_as(somebody_else(), identity)
        except FeatureError as error:
            return str(error)
        return "no error"

    assert "set become to true or user to" in in_child(ask)


def raise_from_child(error):
    raise error


@pytest.mark.parametrize("size", [0, 5_000_000])
def test_results_of_any_size_come_back(size):
    own = Account("me", os.geteuid(), os.getegid(), (), "/")
    target = NOBODY if os.geteuid() == 0 else own
    assert run_as(target, lambda: {"data": b"x" * size, "set": {1}, "account": NOBODY}) == {
        "data": b"x" * size,
        "set": {1},
        "account": NOBODY,
    }


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (FeatureError("a sentence"), FeatureError, "^a sentence$"),
        (PermissionError(13, "Permission denied", "/x"), PermissionError, r"Permission denied: '/x'"),
        (OSError(116, "Stale file handle", "/y"), OSError, r"Stale file handle: '/y'"),
    ],
)
def test_errors_come_back_as_what_they_are(raised, expected, text):
    own = Account("me", os.geteuid(), os.getegid(), (), "/")
    with pytest.raises(expected, match=text):
        run_as(NOBODY if os.geteuid() == 0 else own, raise_from_child, raised)


def answer_of(function):
    """What the parent makes of a child that runs function: the child's side does not need root to be tested."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Becoming who we are is allowed to everybody.
        become._become = lambda account: None
        become._child(NOBODY, function, (), reader, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    return become._unpack(NOBODY, answer, os.waitpid(child, 0)[1])


def test_a_fault_of_ours_names_its_place():
    with pytest.raises(
        FeatureError, match=r"the work as user nobody failed: internal error in .*ZeroDivisionError: .*test_accounts.py, line .* report"
    ):
        answer_of(lambda: 1 // 0)


def test_a_killed_child_is_an_error_and_never_an_answer():
    with pytest.raises(FeatureError, match=r"ended early \(signal 9"):
        answer_of(lambda: os.kill(os.getpid(), 9))


def test_a_child_that_says_nothing_is_an_error():
    with pytest.raises(FeatureError, match=r"ended early \(exit code 3"):
        answer_of(lambda: os._exit(3))


class Attack:
    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return self.function, ("true",)


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, pwd.getpwnam, find_account])
def test_what_a_less_privileged_process_wrote_cannot_run_anything(function):
    data = pickle.dumps(("result", Attack(function)), protocol=4)
    with pytest.raises(pickle.UnpicklingError, match="is not expected here"):
        become._Unpickler(io.BytesIO(data)).load()


def test_an_attribute_of_a_class_or_module_of_ours_cannot_be_reached():
    for name in ("os.system", "Account.__init__", "partial", "pickle"):
        data = b"\x80\x04\x8c" + bytes([len(become.__name__)]) + become.__name__.encode()
        data += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
        with pytest.raises(pickle.UnpicklingError, match="is not expected here"):
            become._Unpickler(io.BytesIO(data)).load()


def forged(state):
    """A pickle whose state is meant for a class of ours itself, not for an instance."""
    module, name = b"\x8c" + bytes([len(Account.__module__)]) + Account.__module__.encode(), b"\x8c\x07Account"
    return b"\x80\x04" + module + name + b"\x93" + pickle.dumps(state, protocol=4)[2:-1] + b"b."


@pytest.mark.parametrize("state", [(None, {"uid": 0}), {"uid": 0}])
def test_what_a_less_privileged_process_wrote_cannot_change_a_class(state):
    data = forged(state)
    before = Account.__dict__["uid"]
    try:
        with pytest.raises(TypeError):
            become._Unpickler(io.BytesIO(data)).load()
        assert NOBODY.uid == 65534
    finally:
        Account.uid = before


def test_an_entry_of_a_scan_comes_back_as_it_was():
    entry = Entry("a/b.npy", "file", 1 << 70, 5, Classification("feature", "", b"x"), "text")
    found = become._Unpickler(io.BytesIO(pickle.dumps(entry, protocol=4))).load()
    assert [getattr(found, name) for name in Entry.__slots__] == [getattr(entry, name) for name in Entry.__slots__]


@pytest.mark.parametrize(("setting", "refused"), [("0\n", False), ("1\n", True), ("2\n", False), (None, False)])
def test_nothing_becomes_a_user_whose_processes_could_enter_it(monkeypatch, tmp_path, setting, refused):
    """With fs.suid_dumpable=1 the child would be open to ptrace(2) and pidfd_getfd(2) of that user, with root's descriptors in it."""
    if setting is not None:
        (tmp_path / "suid_dumpable").write_text(setting)
    monkeypatch.setattr(become, "_DUMPABLE", str(tmp_path / "suid_dumpable"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked") if refused else 2**22 + 7)
    if refused:
        with pytest.raises(FeatureError, match=r"fs.suid_dumpable is 1 .*sysctl -w fs.suid_dumpable=2"):
            become.begin_as(NOBODY, identity)
    else:
        become.begin_as(NOBODY, identity)


def entered(pid):
    """What of a process this one can open."""
    return [name for name in ("mem", "environ", "fd", "maps") if can_open(f"/proc/{pid}/{name}")]


def can_open(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
    except PermissionError:
        return False
    return True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes other accounts")
def test_no_process_of_the_user_can_enter_the_one_that_root_started():
    said, say = os.pipe()
    go, hold = os.pipe()
    answer = become.begin_as(NOBODY, lambda: (os.write(say, b"%d" % os.getpid()), os.close(hold), os.read(go, 1))[0])
    try:
        assert become.run_as(NOBODY, entered, int(os.read(said, 20))) == []
    finally:
        for descriptor in (said, say, go, hold):
            os.close(descriptor)
    assert answer()
