# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is recalled, and for whom. That nothing is recalled that is not true any more: tests/property/test_witness.py."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._steps import recall as recalling
from ansible_collections.trainprep.features.plugins.module_utils._steps import witness
from ansible_collections.trainprep.features.plugins.module_utils._steps.recall import basis_of, recall
from ansible_collections.trainprep.features.plugins.module_utils._steps.remember import inspect_or_recall
from ansible_collections.trainprep.features.plugins.module_utils._system import kept_files, mounts
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import features


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The parameters of a look at a host that is ready, whose witness is left below C(kept)."""
    legacy, target, kept = tmp_path / "old", tmp_path / "new", tmp_path / "kept"
    for directory in (legacy, target, kept):
        directory.mkdir(mode=0o700)
    names = ("a.npz", "b.npz")
    features(legacy, *names)
    for name in names:
        (target / name).symlink_to(legacy / name)
    monkeypatch.setattr(kept_files, "place", lambda: str(kept / "trainprep.features"))
    monkeypatch.setattr(witness, "AGE", 0.02)
    # Whatever the tests' own directory lies on.
    monkeypatch.setattr(mounts, "file_system_type", lambda *_args: "ext4")
    time.sleep(0.05)
    return {"sets": [{"name": "w", "target": str(target), "legacy": [str(legacy)]}], "user": "", "remember": True}


def file_of(asked):
    kept = Path(asked["sets"][0]["target"]).parent / "kept" / "trainprep.features"
    return next(iter(kept.glob("look-*.json")), None)


def look(asked, check_mode=False):
    return inspect_or_recall(asked, find_account(""), check_mode)


def test_the_second_look_is_recalled_and_says_the_same(asked):
    first, second = look(asked), look(asked)
    assert first.host is not None and second.host is None
    assert first.facts == second.facts and second.facts["features_ready"]


@pytest.mark.parametrize("other", [{"prune": "stray"}, {"variable_prefix": "prepare_features_"}, {"search_roots": ["/nowhere"]}])
def test_who_asks_otherwise_is_not_answered_with_it(asked, other):
    look(asked)
    assert look({**asked, **other}).host is not None


@pytest.mark.parametrize("key", ["expected", "reads", "verify"])
def test_nor_who_asks_for_another_set(asked, key):
    look(asked)
    value = {"expected": 1, "reads": ["a*"], "verify": "full"}[key]
    assert look({**asked, "sets": [{**asked["sets"][0], key: value}]}).host is not None


def test_nothing_is_left_in_check_mode_or_where_it_is_not_wanted(asked):
    look(asked, check_mode=True)
    look({**asked, "remember": False})
    assert file_of(asked) is None
    look(asked)
    assert file_of(asked) and recall({**asked, "remember": False}, find_account("")) is None


def test_a_directory_that_is_exchanged_before_the_witness_is_left_is_not_what_was_looked_at(asked, monkeypatch):
    """Without a younger time of change, as where something is mounted over it."""
    target = Path(asked["sets"][0]["target"])

    def exchange(*given):
        target.rename(target.with_name("aside"))
        shutil.copytree(target.with_name("aside"), target, symlinks=True)
        return basis_of(*given)

    monkeypatch.setattr(witness, "AGE", -60.0)
    monkeypatch.setattr(recalling, "basis_of", exchange)
    look(asked)
    assert file_of(asked) is None


ODD = [
    ("facts", None), ("facts", {}), ("facts", {"feature_sets": {"w": 5}}),
    ("folders", None), ("folders", [[]]), ("folders", [["zz", 1, 2, 3, "each", 1, []]]), ("folders", [["2f", 1, 2, 3, "each", 1e400, []]]),
    ("basis", None), ("mounts", 5), ("mounts", ["zz"]), ("absent", [None]), ("targets", [["2f"]]), ("legacy", {"a": 1}),
    ("sets", None), ("sets", {"w": None}), ("sets", {"w": {"target": "2f"}}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), ODD, ids=[f"{key}-{number}" for number, (key, _value) in enumerate(ODD)])
def test_what_is_not_written_as_a_witness_is_is_none(asked, key, value):
    first = look(asked)
    content = json.loads(file_of(asked).read_bytes())
    file_of(asked).write_text(json.dumps({**content, key: value}))
    assert recall(asked, find_account("")) is None
    assert look(asked).facts == first.facts and look(asked).host is None


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"[" * 200000, b"\xff"])
def test_nor_what_is_no_witness_at_all(asked, content):
    first = look(asked)
    file_of(asked).write_bytes(content)
    assert recall(asked, find_account("")) is None and file_of(asked) is None
    assert look(asked).facts == first.facts
