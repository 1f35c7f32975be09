# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are one feature, told on real files; what is read is counted."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import scan_directory
from ansible_collections.trainprep.features.plugins.module_utils._scan.identity import (
    digest_on_disk,
    resolve_identities,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import look_up
from ansible_collections.trainprep.features.plugins.module_utils._spec.arrays import parse_arrays
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    WAV2VEC,
    copy,
    crc_twins,
    feature,
    link,
    npy,
)


class Identities:
    """The identities of all features below a directory, resolved; and which files had their bytes read."""

    def __init__(self, directory, digest=digest_on_disk):
        self.read = []
        criteria = Criteria(parse_arrays(WAV2VEC))
        scan = scan_directory(look_up(str(directory)), name_filter(["*.npz", "*.npy"]), criteria, {})

        def counted(located):
            self.read.append(located[1].path)
            return digest(located)

        found = [(scan.path, entry) for entry in scan.entries if entry.is_feature]
        resolve_identities(found, counted)
        self.by_path = {entry.path: entry.classification.identity for _directory, entry in found}

    def groups(self):
        """The paths that are one feature, sorted."""
        groups = {}
        for path, identity in self.by_path.items():
            assert isinstance(identity, bytes) and len(identity) == 16
            groups.setdefault(identity, []).append(path)
        return sorted(sorted(paths) for paths in groups.values())


def test_different_features_are_told_apart_without_reading_them(tmp_path):
    for name in ("a.npz", "b.npz", "x/c.npz"):
        feature(tmp_path / name)
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npz"], ["b.npz"], ["x/c.npz"]]
    assert identities.read == []


def test_a_copy_under_the_same_name_is_the_same_without_reading_it(tmp_path):
    copy(feature(tmp_path / "a.npz"), tmp_path / "x/a.npz")
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npz", "x/a.npz"]]
    assert identities.read == []


def test_a_copy_under_another_name_is_the_same_once_its_bytes_say_so(tmp_path):
    copy(feature(tmp_path / "a.npz"), tmp_path / "b.npz")
    feature(tmp_path / "c.npz")
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npz", "b.npz"], ["c.npz"]]
    assert sorted(identities.read) == ["a.npz", "b.npz"]


def test_equal_checksums_under_two_names_are_not_enough(tmp_path):
    crc_twins(tmp_path / "a.npz", tmp_path / "b.npz")
    copy(tmp_path / "a.npz", tmp_path / "x/a.npz")
    assert Identities(tmp_path).groups() == [["a.npz", "x/a.npz"], ["b.npz"]]


def test_the_twins_differ_in_nothing_that_the_directory_tells(tmp_path):
    """So that it is the bytes which tell them apart above."""
    crc_twins(tmp_path / "x/a.npz", tmp_path / "y/a.npz")
    assert (tmp_path / "x/a.npz").read_bytes() != (tmp_path / "y/a.npz").read_bytes()
    assert Identities(tmp_path).groups() == [["x/a.npz", "y/a.npz"]]


def test_a_hard_link_is_the_same_without_reading_it(tmp_path):
    os.link(feature(tmp_path / "a.npz"), tmp_path / "b.npz")
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npz", "b.npz"]]
    assert identities.read == []


def test_a_link_is_the_same_without_reading_it(tmp_path):
    feature(tmp_path / "a.npz")
    link(tmp_path / "b.npz", "a.npz")
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npz", "b.npz"]]
    assert identities.read == []


def test_single_arrays_are_read_only_where_names_clash(tmp_path):
    npy(tmp_path / "a.npy", 1.0)
    npy(tmp_path / "b.npy", 1.0)
    npy(tmp_path / "x/c.npy", 2.0)
    npy(tmp_path / "y/c.npy", 2.0)
    npy(tmp_path / "z/c.npy", 3.0)
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npy"], ["b.npy"], ["x/c.npy", "y/c.npy"], ["z/c.npy"]]
    assert sorted(identities.read) == ["x/c.npy", "y/c.npy", "z/c.npy"]


def test_a_hard_link_of_a_single_array_is_the_same_also_where_its_other_name_clashes(tmp_path):
    os.link(npy(tmp_path / "a.npy", 1.0), tmp_path / "b.npy")
    npy(tmp_path / "x/a.npy", 2.0)
    assert Identities(tmp_path).groups() == [["a.npy", "b.npy"], ["x/a.npy"]]


@pytest.mark.parametrize(("one", "two"), [("a.npz", "b.npz"), ("x/a.npy", "y/a.npy")])
def test_what_cannot_be_read_any_more_is_a_feature_of_its_own(tmp_path, one, two):
    copy(npy(tmp_path / one, 1.0) if one.endswith("npy") else feature(tmp_path / one), tmp_path / two)

    def gone(_located):
        raise FileNotFoundError(2, "No such file or directory")

    assert Identities(tmp_path, gone).groups() == [[one], [two]]
