# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of access alone: the node is real, what it would take root to set up is set on it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access import rules
from ansible_collections.trainprep.features.plugins.module_utils._access.nodes import (
    Node,
    PathResolver,
    open_child,
    reopened,
)
from ansible_collections.trainprep.features.plugins.module_utils._access.rules import (
    GRANT,
    WIDEN,
    Means,
    Refusal,
    decide,
)
from ansible_collections.trainprep.features.plugins.module_utils._system import acl
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import PASS, READ
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_access import TRAINER, make


@pytest.fixture
def node(place):
    found = PathResolver().directory(str(make(place / "closed"))).end
    found.uid, found.gid = 4242, 4243
    found.acl, found.mode = acl.of_mode(0o700), 0o40700
    found.trust = found.trust._replace(owners=None)
    return found


AS_ROOT = Means(0, GRANT, True)


def test_a_file_system_without_acls_is_hopeless_and_the_advice_is_given(node):
    node.has_acls = False
    with pytest.raises(Refusal, match=r"keeps no ACLs.*shared?.*set permissions to widen") as caught:
        decide(node, PASS, TRAINER, AS_ROOT)
    assert caught.value.hopeless


def test_proc_is_told_to_be_a_file_system_without_acls():
    assert PathResolver().directory("/proc").end.has_acls is False


def test_without_setfacl_it_is_hopeless_and_the_advice_is_given(node):
    with pytest.raises(Refusal, match="install the package acl") as caught:
        decide(node, PASS, TRAINER, AS_ROOT._replace(tools=False))
    assert caught.value.hopeless


def test_a_read_only_file_system_is_hopeless(node):
    node.read_only = True
    with pytest.raises(Refusal, match="read-only file system") as caught:
        decide(node, PASS, TRAINER, AS_ROOT)
    assert caught.value.hopeless


def test_the_root_directory_is_never_changed():
    root = PathResolver().root
    root.acl = acl.of_mode(0o700)
    for permissions in (GRANT, WIDEN):
        with pytest.raises(Refusal, match="root directory is never changed"):
            decide(root, PASS, TRAINER, Means(0, permissions, True))


def test_who_is_neither_root_nor_the_owner_is_told_to_become_root(node):
    with pytest.raises(Refusal, match="set become to true"):
        decide(node, PASS, TRAINER, AS_ROOT._replace(uid=4241))
    assert decide(node, PASS, TRAINER, AS_ROOT._replace(uid=4242))


@pytest.mark.parametrize(
    ("groups", "mode", "opened_to"), [((54321,), 0o701, "everyone"), ((54321, 4243), 0o710, "group 4243")]
)
def test_widen_sets_the_bits_of_the_narrowest_class_and_says_for_whom(node, groups, mode, opened_to):
    node.has_acls = False
    account = TRAINER.__class__("trainer", 54321, 54321, groups, "/")
    change = decide(node, PASS, account, Means(0, WIDEN, True))
    assert (rules.mode_of(change), change.extended, change.opened_to) == (mode, False, opened_to)
    assert rules.opened([change]) == [
        f"opened to {opened_to}, not to the training user alone, by mode bits: 1 directory: {node.path}"
    ]


def test_widen_never_opens_a_directory_for_writing(node):
    node.has_acls = False
    for wanted in (PASS, READ, READ | PASS):
        assert rules.mode_of(decide(node, wanted, TRAINER, Means(0, WIDEN, True))) & 0o022 == 0


def test_widen_prefers_an_entry_where_acls_are_kept(node):
    change = decide(node, PASS, TRAINER, Means(0, WIDEN, True))
    assert (change.extended, change.opened_to) == (True, "")


def test_widen_cannot_get_past_an_acl_entry_that_decides(node):
    node.acl = acl.Acl(7, ((54321, 0),), 0, (), 7, 0)
    with pytest.raises(Refusal, match="install the package acl"):
        decide(node, PASS, TRAINER, Means(0, WIDEN, False))


def test_an_object_of_another_than_the_writer_is_refused(node):
    node.trust = node.trust._replace(owners=frozenset({4244}), why="/home/x, which user x can write")
    with pytest.raises(Refusal, match=r"belongs to 4242 but is below /home/x, which user x can write") as caught:
        decide(node, PASS, TRAINER, AS_ROOT)
    assert not caught.value.hopeless


MEMBER = TRAINER.__class__("trainer", 54321, 54321, (54321, 4243), "/")


@pytest.mark.parametrize(("mode", "needed", "entry"), [
    (0o760, PASS, "rwx"), (0o740, PASS, "r-x"), (0o720, PASS, "-wx"), (0o720, READ, "rw-"), (0o730, READ, "rwx"), (0o700, PASS, "--x"),
])  # fmt: skip
def test_an_entry_keeps_each_bit_that_a_group_gave(node, mode, needed, entry):
    node.acl, node.mode = acl.of_mode(mode), 0o40000 | mode
    change = decide(node, needed, MEMBER, AS_ROOT)
    assert acl.text(dict(change.acl.users)[MEMBER.uid]) == entry
    assert change.old == acl.describe(acl.of_mode(mode))
    assert change.new == acl.describe(change.acl)


def test_widen_cannot_get_past_a_mask(node):
    node.acl = acl.Acl(7, (), 0, (), 0, 0)
    with pytest.raises(Refusal, match="install the package acl"):
        decide(node, PASS, MEMBER, Means(0, WIDEN, False))


@pytest.mark.parametrize(("names", "said"), [
    (["a.npz"], "1 file: {}/a.npz"), (["a.npz", "b.npz"], "2 files, below {}"), (["a.npz", "b.npz", "c.npz"], "3 files, below {}"),
    (["one"], "1 directory: {}/one"), (["one", "two"], "2 directories, below {}"),
    (["a.npz", "one"], "1 file: {}/a.npz 1 directory: {}/one"),
])  # fmt: skip
def test_what_was_opened_to_others_is_counted_and_placed(node, place, names, said):
    changes = []
    for name in names:
        if "." in name:
            make(place / "closed", name)
        else:
            make(place / "closed" / name)
        changes.append(rules.Change(_node_of(node, name), node.acl, False, "everyone"))
    changes.append(rules.Change(node, node.acl, True, ""))
    begin = "opened to everyone, not to the training user alone, by mode bits: "
    assert " ".join(one.replace(begin, "") for one in rules.opened(changes)) == said.replace(
        "{}", str(place / "closed")
    )


def _node_of(parent, name):
    with reopened(parent) as directory:
        descriptor = open_child(directory, name)
        try:
            return Node(parent, name, descriptor, False, PathResolver().groups)
        finally:
            os.close(descriptor)


def test_the_owner_is_given_its_own_bits_and_no_entry(node):
    owner = TRAINER.__class__("owner", 4242, 4243, (4243,), "/")
    node.acl, node.mode = acl.of_mode(0o070), 0o40070
    change = decide(node, READ, owner, AS_ROOT)
    assert (rules.mode_of(change), change.extended, change.opened_to) == (0o470, False, "")
