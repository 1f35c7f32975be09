# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One budget of memory for all directories of a host: beyond it they are unscanned parts, never empty ones."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan import directories, model
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import PRESENT, look_up
from ansible_collections.trainprep.features.plugins.module_utils._steps import facts
from ansible_collections.trainprep.features.plugins.module_utils._system import become
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    NOBODY,
    a_set,
    feature,
    features,
    see,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_scan import (
    NPZ,
    QUESTION,
    found,
    scan,
)

NAMES = [f"{number:03}.npz" for number in range(100)]


@pytest.mark.parametrize("memory", [0, 1000, 50_000, 200_000])
def test_names_are_kept_as_far_as_there_is_memory(tmp_path, memory):
    features(tmp_path, *NAMES)
    result = scan(tmp_path, memory=memory)
    assert len(result.entries) == min(100, memory // (model.NAME_BYTES + 4 * 7))
    assert result.gap_count == (len(result.entries) < 100)
    assert all(
        f"{tmp_path}/ is not listed in full: the declared directories hold more names" in gap for gap in result.gaps
    )
    assert result.state == PRESENT


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (lambda place: feature(place / "x/1.npz"), lambda place: feature(place / ("x" * 200) / "1.npz")),
        (lambda place: os.symlink("y", place / "x.npz"), lambda place: os.symlink("y" * 200, place / "x.npz")),
    ],
)
def test_long_paths_and_links_take_more(tmp_path, short, long):
    for name, make in (("one", short), ("two", long)):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    assert scan(tmp_path / "two").memory >= scan(tmp_path / "one").memory + 199


def test_all_directories_of_a_host_share_it(tmp_path, monkeypatch):
    """The status is unknown then, and says what to do: nothing is uploaded next to features that were not seen."""
    for number in range(4):
        features(tmp_path / f"old{number}", *NAMES[:30])
    one = a_set(tmp_path / "t", *(tmp_path / f"old{number}" for number in range(4)))
    other = a_set(tmp_path / "u", tmp_path / "old4")
    feature(tmp_path / "old4/x.npz")
    state = see(one, other)
    used = sum(place.scan.memory for place in state.sets[0].legacy)
    assert [len(found(place.scan)) for place in state.sets[0].legacy] == [30] * 4 and state.sets[1].status == 2
    monkeypatch.setattr(model, "MEMORY", used // 2)
    state = see(one, other)
    assert [len(found(place.scan)) for place in state.sets[0].legacy] == [30, 30, 0, 0]
    assert sum(place.scan.memory for place in state.sets[0].legacy) <= used // 2 + 5 * (model.NAME_BYTES + 100)
    assert state.sets[1].status is None and state.status is None
    problems = facts.facts(state)["feature_sets"]["u"]["problems"]
    assert any("move other files out of them" in problem for problem in problems), problems


def test_folders_that_are_searched_behind_share_it(tmp_path, monkeypatch):
    features(tmp_path / "old/.hidden", *NAMES[:30])
    one = a_set(tmp_path / "t", tmp_path / "old", hidden=False)
    assert see(one).sets[0].discovery.directories == [(f"{tmp_path}/old/.hidden", 30)]
    monkeypatch.setattr(model, "MEMORY", 10_000)
    ((place, count),) = see(one).sets[0].discovery.directories
    assert place.endswith("old/.hidden") and count < 11


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a training user to ask")
def test_no_second_scan_as_the_training_user_is_made_for_lack_of_memory(tmp_path, monkeypatch):
    features(tmp_path, *NAMES[:30])
    monkeypatch.setattr(become, "run_as", lambda *_arguments: pytest.fail("asked the training user"))
    options = directories.ScanOptions(memory=20_000)
    result = directories.scan_directory(look_up(str(tmp_path)), NPZ, QUESTION, {}, options, NOBODY)
    assert len(result.entries) == 20_000 // (model.NAME_BYTES + 4 * 7) and result.gap_count == 1


def test_very_deep_folders_are_an_unscanned_part(tmp_path):
    feature(tmp_path / "x.npz")
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(600):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    feature(tmp_path / "/".join("d" * directories.DEPTH) / "y.npz")
    result = scan(tmp_path)
    assert {path.rpartition("/")[2] for path in found(result)} == {"x.npz", "y.npz"}
    assert result.gaps == [
        f"{tmp_path}/d holds folders more than {directories.DEPTH} levels deep, which are not entered: move them up"
    ]
