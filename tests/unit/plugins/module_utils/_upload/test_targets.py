# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host holds of a source, on real files."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan import directories
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, staging_path
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    ME,
    a_set,
    feature,
    link,
    npy,
    unprivileged,
)

KEYS = {"patterns": ["*.npy"], "reads": ["*.npy"], "layout": "tree"}


def sets_of(host):
    return parse_sets([a_set(host / name, **KEYS) for name in ("train", "val", "test")])


def wanted(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return {path.name: Wanted(os.fstat(fd).st_size, "c" + file_digest(fd).hex())}
    finally:
        os.close(fd)


def test_copies_in_other_targets_are_found_by_their_bytes(tmp_path):
    source = npy(tmp_path / "source/c.npy", 1)
    npy(tmp_path / "val/s1/a.npy", 1)
    npy(tmp_path / "val/s1/b.npy", 2)
    train = sets_of(tmp_path)[0]
    held = Targets(sets_of(tmp_path), ME).held(train, wanted(source))
    assert held.elsewhere[wanted(source)["c.npy"].token] == f"{tmp_path}/val/s1/a.npy"
    assert held.tokens == {}


def test_copies_in_hidden_folders_do_not_count_and_those_behind_links_do(tmp_path):
    source = npy(tmp_path / "source/c.npy", 1)
    npy(tmp_path / "val/.Trash-1000/a.npy", 1)
    train = sets_of(tmp_path)[0]
    assert Targets(sets_of(tmp_path), ME).held(train, wanted(source)).elsewhere == {}
    link(tmp_path / "test/more", tmp_path / "val/.Trash-1000")
    assert list(Targets(sets_of(tmp_path), ME).held(train, wanted(source)).elsewhere.values()) == [f"{tmp_path}/test/more/a.npy"]


def test_what_gathers_for_an_earlier_set_counts_whoever_owns_the_place(tmp_path):
    source = npy(tmp_path / "source/c.npy", 1)
    train, val, test = sets_of(tmp_path)
    with unprivileged(tmp_path) as account:
        if os.geteuid() == 0:
            os.chown(tmp_path, account.uid, account.gid)
        run_as(account, os.mkdir, staging_path(val.target))
        run_as(account, write_manifest, val.target, wanted(source))
        (token,) = (one.token for one in wanted(source).values())
        assert Targets([train, val, test], account).held(test, wanted(source)).elsewhere == {token: f"{val.target}/c.npy"}
        assert Targets([train, val, test], account).held(train, wanted(source)).elsewhere == {}


def test_each_target_is_scanned_once_however_many_sets_are_sent(tmp_path, monkeypatch):
    scanned, scan = [], directories.scan_directory
    monkeypatch.setattr(directories, "scan_directory", lambda place, *rest: scanned.append(place.path) or scan(place, *rest))
    source = npy(tmp_path / "source/c.npy", 1)
    for name in ("train", "val", "test"):
        feature(tmp_path / name / "a.npz")
    targets = Targets(sets_of(tmp_path), ME)
    for one in sets_of(tmp_path) * 2:
        targets.held(one, wanted(source))
    assert sorted(scanned) == sorted(str(tmp_path / name) for name in ("train", "val", "test"))


def test_a_target_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "train").write_text("")
    with pytest.raises(FeatureError, match="nothing can be uploaded there"):
        Targets(sets_of(tmp_path), ME).held(sets_of(tmp_path)[0], {})
