# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links made and removed by a run that is killed before any of its changes, then by the next run."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._apply import links as links_module
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    feature,
    features,
    link,
    links,
    run,
    tree,
)

CHANGES = ("symlink", "rename", "unlink", "mkdir", "rmdir", "fchown", "fchmod", "link")


def killed(number, work, *arguments, **options):
    """Run work in a child that is killed before its change to the disk of that number; true if it was."""
    child = os.fork()
    if child == 0:
        left = [number]

        def deadly(really):
            def call(*arguments, **options):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return really(*arguments, **options)

            return call

        try:
            for name in CHANGES:
                setattr(links_module.os, name, deadly(getattr(os, name)))
            work(*arguments, **options)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def lay_out(root, layout, fresh):
    """A host on which each sort of action is pending."""
    features(root / "old", "a.npz", "x/b.npz", "x/c.npz", "d.npz")
    features(root / "two", "e.npz")
    if not fresh:
        folder = root / "new/t" / ("x" if layout == "tree" else "")
        feature(root / "new/t/mine.npz")
        link(root / "new/t/d.npz", "/nowhere/d.npz")
        link(folder / "c.npz", root / "old/gone.npz")
        link(root / "new/t/stray.npz", root / "old/a.npz")
        link(root / "new/t/dangling.npz", root / "two/gone.npz")
    return a_set(root / "new/t", root / "old", root / "two", layout=layout)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_the_next_run_finishes_what_a_killed_one_began(tmp_path, layout, fresh):
    def outcome(root):
        """What the trainer gets, without what differs between two hosts."""
        return {name: (kind, text.replace(str(root), "") if kind == "link" else "") for name, (kind, text) in tree(root).items()}

    raw = lay_out(tmp_path / "whole", layout, fresh)
    run(raw, prune="stray")
    expected = outcome(tmp_path / "whole")
    assert run(raw, prune="stray")["changed"] is False
    assert len(links(tmp_path / "whole/new/t")) == 5

    number = 0
    while True:
        root = tmp_path / str(number)
        raw = lay_out(root, layout, fresh)
        real = {name: entry for name, entry in tree(root).items() if entry[0] == "file"}
        if not killed(number, run, raw, prune="stray"):
            break
        run(raw, prune="stray")
        assert outcome(root) == expected, f"killed before change {number}"
        assert {name: entry for name, entry in tree(root).items() if entry[0] == "file"} == real
        assert run(raw, prune="stray")["changed"] is False
        number += 1
    assert outcome(root) == expected
    assert number > 8


def test_state_absent_finishes_after_a_kill(tmp_path):
    number = 0
    while True:
        root = tmp_path / str(number)
        features(root / "old", "a.npz", "x/b.npz")
        raw = a_set(root / "t", root / "old", layout="tree")
        run(raw)
        if not killed(number, run, raw, state="absent"):
            break
        run(raw, state="absent")
        assert sorted(tree(root / "t")) == ["x"]
        number += 1
    assert number == 4
