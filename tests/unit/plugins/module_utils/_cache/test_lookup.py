# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which facts are returned from the cache, and to whom. That none are that are no longer true: tests/property/test_cached_inspection.py."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._cache import basis, files, store
from ansible_collections.trainprep.features.plugins.module_utils._cache.lookup import lookup
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import find_facts, request_of
from ansible_collections.trainprep.features.plugins.module_utils._system import mounts
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import features


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The parameters of an inspection of a host that is ready; the cache is below C(kept)."""
    legacy, target, kept = tmp_path / "old", tmp_path / "new", tmp_path / "kept"
    for directory in (legacy, target, kept):
        directory.mkdir(mode=0o700)
    names = ("a.npz", "b.npz")
    features(legacy, *names)
    for name in names:
        (target / name).symlink_to(legacy / name)
    monkeypatch.setattr(files, "place", lambda: str(kept / "trainprep.features"))
    monkeypatch.setattr(store, "AGE", 0.02)
    # Whatever the tests' own directory is on.
    monkeypatch.setattr(mounts, "file_system_type", lambda *_args: "ext4")
    time.sleep(0.05)
    defaults = {name: option.get("default") for name, option in PLAN_ARGUMENTS.items()}
    return {**defaults, "sets": [{"name": "w", "target": str(target), "legacy": [str(legacy)]}], "user": "", "remember": True}


def file_of(asked):
    kept = Path(asked["sets"][0]["target"]).parent / "kept" / "trainprep.features"
    return next(iter(kept.glob("look-*.json")), None)


def cached(asked):
    return lookup(asked, find_account(""))


def inspect(asked, check_mode=False):
    result = {}
    find_facts(asked, request_of(asked, check_mode), result)
    return result["ansible_facts"]


def test_the_second_inspection_is_a_cache_hit_with_the_same_facts(asked):
    assert cached(asked) is None
    first = inspect(asked)
    assert first["features_ready"] and cached(asked) == first


@pytest.mark.parametrize("other", [{"prune": "stray"}, {"variable_prefix": "prepare_features_"}, {"search_roots": ["/nowhere"]}])
def test_another_request_is_a_miss(asked, other):
    inspect(asked)
    assert cached({**asked, **other}) is None and cached(asked)


@pytest.mark.parametrize("key", ["expected", "reads", "verify"])
def test_another_set_is_a_miss(asked, key):
    inspect(asked)
    value = {"expected": 1, "reads": ["a*"], "verify": "full"}[key]
    assert cached({**asked, "sets": [{**asked["sets"][0], key: value}]}) is None


def test_after_a_reboot_it_is_a_miss(asked, monkeypatch, tmp_path):
    """After a power cut, a file may have lost data that was written before its time of change was."""
    inspect(asked)
    (tmp_path / "boot").write_text("8d2c2d8e-0000-4000-8000-000000000000\n")
    monkeypatch.setattr(basis, "_BOOT", str(tmp_path / "boot"))
    assert cached(asked) is None
    inspect(asked)
    assert cached(asked)
    monkeypatch.setattr(basis, "_BOOT", str(tmp_path / "none"))
    assert cached(asked) is None


def test_nothing_is_stored_in_check_mode_or_unless_it_is_wanted(asked):
    inspect(asked, check_mode=True)
    inspect({**asked, "remember": False})
    assert file_of(asked) is None
    inspect(asked)
    assert file_of(asked) and cached({**asked, "remember": False}) is None


def test_nothing_is_stored_while_an_upload_gathers(asked):
    staging = Path(asked["sets"][0]["target"]).with_name(".new.incoming")
    staging.mkdir()
    assert inspect(asked)["feature_sets"]["w"]["incoming"]["state"] == "empty"
    staging.rmdir()
    assert cached(asked) is None
    assert inspect(asked)["feature_sets"]["w"]["incoming"]["state"] == "absent" and cached(asked)


def test_a_directory_that_is_exchanged_before_the_entry_is_stored_is_not_the_one_that_was_scanned(asked, monkeypatch):
    """Without a younger time of change, as if something is mounted over it."""
    target = Path(asked["sets"][0]["target"])
    real = basis.basis_of

    def exchange(*given):
        target.rename(target.with_name("aside"))
        shutil.copytree(target.with_name("aside"), target, symlinks=True)
        return real(*given)

    monkeypatch.setattr(store, "AGE", -60.0)
    monkeypatch.setattr(basis, "basis_of", exchange)
    inspect(asked)
    assert file_of(asked) is None


def test_a_bug_of_a_lookup_is_no_miss(asked, monkeypatch):
    inspect(asked)
    monkeypatch.setattr(basis, "target_now", lambda _account: None)
    with pytest.raises(TypeError):
        cached(asked)


@pytest.mark.parametrize("old", ["features_ready", "each", "/new", "sha256"])
def test_an_entry_that_was_changed_is_a_miss_and_is_replaced(asked, old):
    first = inspect(asked)
    content = file_of(asked).read_text()
    assert old in content
    file_of(asked).write_text(content.replace(old, old.upper(), 1))
    assert cached(asked) is None
    assert inspect(asked) == first and cached(asked) == first


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"[" * 200000, b"\xff"])
def test_any_other_content_is_a_miss_and_removed(asked, content):
    first = inspect(asked)
    file_of(asked).write_bytes(content)
    assert cached(asked) is None and file_of(asked) is None
    assert inspect(asked) == first
