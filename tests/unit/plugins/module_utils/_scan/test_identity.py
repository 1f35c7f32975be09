# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are the same feature: on real files; the files that are read are recorded."""

from __future__ import annotations

import os
import random

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import scan_directory
from ansible_collections.trainprep.features.plugins.module_utils._scan.identity import (
    SAMPLE,
    WHOLE,
    Contents,
    resolve_identities,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import look_up
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    WAV2VEC,
    copy,
    crc_twins,
    feature,
    link,
    npy,
    unprivileged,
)

ASKED = Criteria(parse_arrays(WAV2VEC))
OPAQUE = Criteria(parse_arrays({}), opaque=True)


class Recorded(Contents):
    """Notes which files are read, and may fail."""

    def __init__(self, error=None):
        super().__init__()
        self.read, self.sampled, self.error = [], [], error

    def digests(self, how, located):
        (self.sampled if how == SAMPLE else self.read).extend(entry.path for _directory, entry in located)
        return [self.error] * len(located) if self.error else super().digests(how, located)


class Identities:
    """The identities of all features below a directory, resolved; and which files had their bytes read."""

    def __init__(self, directory, error=None, criteria=ASKED, also=()):
        scans = [scan_directory(look_up(str(directory)), name_filter(["*"]), one, {}) for one in (criteria, *also)]
        found = [(scan.path, entry) for scan in scans for entry in scan.entries if entry.is_feature]
        contents = Recorded(error)
        self.lost = [entry.path for _directory, entry in resolve_identities(found, contents)]
        self.read, self.sampled = contents.read, contents.sampled
        self.by_path = {}
        for _directory, entry in found:
            # Two scans of a file have to agree.
            assert self.by_path.setdefault(entry.path, entry.classification.identity) == entry.classification.identity

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


def test_files_without_checksums_are_compared_by_size_and_bytes_under_any_name(tmp_path):
    npy(tmp_path / "a.npy", 1.0)
    npy(tmp_path / "x/b.npy", 1.0)
    npy(tmp_path / "c.npy", 2.0)
    npy(tmp_path / "d.npy", 3.0)
    identities = Identities(tmp_path)
    assert identities.groups() == [["a.npy", "x/b.npy"], ["c.npy"], ["d.npy"]]


def test_a_file_of_its_own_size_is_not_read(tmp_path):
    for name, size in (("a.bin", 10), ("b.bin", 11), ("c.bin", 200_000), ("d.bin", 200_001)):
        (tmp_path / name).write_bytes(b"x" * size)
    identities = Identities(tmp_path, criteria=OPAQUE)
    assert identities.groups() == [["a.bin"], ["b.bin"], ["c.bin"], ["d.bin"]]
    assert identities.read == identities.sampled == []


def test_of_large_files_of_one_size_only_those_with_equal_samples_are_read(tmp_path):
    content = random.Random(1).getrandbits(8 << 20).to_bytes(1 << 20, "little")
    for name, changed in (("a", None), ("b", None), ("c", 500), ("d", len(content) - 1), ("e", len(content) // 2 - 1)):
        data = bytearray(content)
        if changed is not None:
            data[changed] ^= 1
        (tmp_path / f"{name}.bin").write_bytes(data)
    identities = Identities(tmp_path, criteria=OPAQUE)
    assert identities.groups() == [["a.bin", "b.bin"], ["c.bin"], ["d.bin"], ["e.bin"]]
    assert sorted(identities.sampled) == ["a.bin", "b.bin", "c.bin", "d.bin", "e.bin"]
    assert sorted(identities.read) == ["a.bin", "b.bin", "c.bin"], "c differs in no sample"


@pytest.mark.parametrize("number", [2, 8, 9])
@pytest.mark.parametrize("size", [5_000, 700_000])
def test_many_files_of_one_size_are_split_wherever_they_differ(tmp_path, number, size):
    """In small and large groups, at the beginning or near the end."""
    expected = []
    for index in range(number):
        content = bytearray(size)
        if index % 3:
            content[7 if index % 3 == 1 else size - 7 - size // 4] = 1
        (tmp_path / f"{index}.bin").write_bytes(content)
    for rest in range(3):
        names = [f"{index}.bin" for index in range(rest, number, 3)]
        expected += [names] if names else []
    assert Identities(tmp_path, criteria=OPAQUE).groups() == sorted(expected)


def test_a_hard_link_of_a_single_array_is_the_same_also_if_its_other_name_clashes(tmp_path):
    os.link(npy(tmp_path / "a.npy", 1.0), tmp_path / "b.npy")
    npy(tmp_path / "x/a.npy", 2.0)
    assert Identities(tmp_path).groups() == [["a.npy", "b.npy"], ["x/a.npy"]]


def test_an_archive_in_one_set_and_any_file_in_another_are_the_same_by_their_bytes(tmp_path):
    copy(feature(tmp_path / "a.npz"), tmp_path / "b.npz")
    feature(tmp_path / "c.npz")
    both = Identities(tmp_path, also=[OPAQUE])
    assert both.groups() == [["a.npz", "b.npz"], ["c.npz"]]
    assert Identities(tmp_path, criteria=OPAQUE).groups() == [["a.npz", "b.npz"], ["c.npz"]]


@pytest.mark.parametrize(("one", "two"), [("a.npz", "b.npz"), ("x/a.npy", "y/b.npy")])
def test_a_file_that_vanished_is_a_feature_of_its_own(tmp_path, one, two):
    twins(tmp_path / one, tmp_path / two)
    identities = Identities(tmp_path, (2, "No such file or directory"))
    assert identities.groups() == [[one], [two]] and identities.lost == []


@pytest.mark.parametrize(("one", "two"), [("a.npz", "b.npz"), ("x/a.npy", "y/b.npy")])
def test_a_file_that_cannot_be_compared_is_no_feature_any_more(tmp_path, one, two):
    twins(tmp_path / one, tmp_path / two)
    identities = Identities(tmp_path, (5, "Input/output error"))
    assert sorted(identities.lost) == [one, two]


def test_each_file_is_read_once_and_as_the_account_if_refused(tmp_path):
    with unprivileged(tmp_path) as account:
        npy(tmp_path / "a.npy", 1.0)
        scan = scan_directory(look_up(str(tmp_path)), name_filter(["*"]), OPAQUE, {})
        located = [(scan.path, scan.entries[0])]
        contents = Contents(account)
        (first,) = contents.digests(WHOLE, located)
        os.unlink(tmp_path / "a.npy")
        assert contents.digests(WHOLE, located) == [first] and len(first) == 32
        assert Contents(account).digests(WHOLE, located)[0][0] == 2


def twins(one, two):
    copy(npy(one, 1.0) if one.suffix == ".npy" else feature(one), two)
