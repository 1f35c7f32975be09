# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is changed at random between inspections: with the last one cached, the answer is what it is without.

The clock's grain, from which the two minutes of the real thing protect, is waited for here, so that minutes become hundredths of
seconds. Needs root, as the looks on real hosts do, and a file system whose ctime is trusted.
"""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._cache import basis, files, lookup, store
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._steps import prepare
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account, find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.acl import XATTR, of_mode, pack, with_user
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support.random_host import raw

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
DEFAULTS = {name: option.get("default") for name, option in PLAN_ARGUMENTS.items()}
GRAIN = 0.012
CLOCK_REALTIME_COARSE = 5  # of Linux, in linux/time.h: Python has no name for it
LEGACY = st.sampled_from(["old", "old/deep", "other"])
NAMES = st.sampled_from(["a.npz", "b.npz", "cremad_1.npz", "cremad_2.npz"])
DIRECTORIES = st.sampled_from(["old", "old/deep", "other", "data/ravdess", "data/cremad", "data", "."])


class Witnessed(RuleBasedStateMachine):
    """Changes a host, looks twice, compares."""

    outcomes: ClassVar[Counter[str]] = Counter()
    root: Path

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="trainprep-cache-"))
        self.root.chmod(0o755)
        self.mounts: list[Path] = []
        self.user = find_account("nobody")
        self.code = "one"
        for directory in ("old/deep", "other", "data/ravdess", "data/cremad", "cache", "found"):
            (self.root / directory).mkdir(parents=True)
        (self.root / "cache").chmod(0o700)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(files, "place", lambda: str(self.root / "cache/trainprep.features"))
        self.patch.setattr(store, "AGE", GRAIN)
        self.patch.setattr(basis, "code_version", lambda: self.code)

    def teardown(self) -> None:
        self.patch.undo()
        for path in reversed(self.mounts):
            subprocess.run(["umount", path], check=True)
        shutil.rmtree(self.root)

    # A prepared host, looked at once

    @initialize(names=st.lists(st.tuples(LEGACY, NAMES), min_size=2, max_size=6, unique_by=lambda item: item[1]))
    def begin(self, names: list[tuple[str, str]]) -> None:
        for directory, name in names:
            path = self.root / directory / name
            path.write_bytes(raw(f"{directory}/{name}"))
            target = "data/cremad" if name.startswith("cremad") else "data/ravdess"
            (self.root / target / name).symlink_to(path)
        self.compare()

    # What can happen to one

    @rule(directory=DIRECTORIES, name=NAMES, back=st.booleans())
    def written_in_place(self, directory: str, name: str, back: bool) -> None:
        path = self.root / directory / name
        if path.is_file():
            info = path.stat()
            with path.open("r+b") as file:
                file.seek(info.st_size // 2)
                file.write(b"\1\2\3")
            if back:
                os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        self.compare()

    @rule(directory=DIRECTORIES, name=NAMES)
    def written_through_a_map(self, directory: str, name: str) -> None:
        path = self.root / directory / name
        if path.is_file() and path.stat().st_size:
            with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
                mapped[-30:] = bytes(30)
        self.compare()

    @rule(directory=DIRECTORIES, name=st.one_of(NAMES, st.just("")), mode=st.sampled_from([0o000, 0o600, 0o644, 0o700, 0o755]))
    def mode(self, directory: str, name: str, mode: int) -> None:
        if (self.root / directory / name).exists():
            os.chmod(self.root / directory / name, mode)
        self.compare()

    @rule(directory=DIRECTORIES, name=st.one_of(NAMES, st.just("")), uid=st.sampled_from([0, 1, 65534]))
    def owner(self, directory: str, name: str, uid: int) -> None:
        if (self.root / directory / name).exists():
            os.chown(self.root / directory / name, uid, uid)
        self.compare()

    @rule(directory=DIRECTORIES, name=st.one_of(NAMES, st.just("")), rights=st.sampled_from([0, 4, 5]))
    def acl(self, directory: str, name: str, rights: int) -> None:
        path = self.root / directory / name
        if path.exists():
            os.setxattr(path, XATTR, pack(with_user(of_mode(path.stat().st_mode & 0o777), self.user.uid, rights)))
        self.compare()

    @rule(directory=LEGACY, name=NAMES, content=st.sampled_from(["red", "green", "other"]))
    def new_file(self, directory: str, name: str, content: str) -> None:
        path = self.root / directory / name
        if path.parent.is_dir() and not os.path.lexists(path):
            path.write_bytes(raw(content))
        self.compare()

    @rule(into=st.sampled_from(["data/ravdess", "data/cremad"]), name=NAMES, directory=LEGACY, wanted=NAMES)
    def retargeted(self, into: str, name: str, directory: str, wanted: str) -> None:
        path = self.root / into / name
        if path.parent.is_dir():
            path.unlink(missing_ok=True)
            path.symlink_to(self.root / directory / wanted)
        self.compare()

    @rule(directory=LEGACY, name=NAMES, other=LEGACY, again=NAMES)
    def hard_linked(self, directory: str, name: str, other: str, again: str) -> None:
        one, two = self.root / directory / name, self.root / other / again
        # Nothing is linked or renamed from one mount to another.
        if not self.mounts and one.is_file() and two.parent.is_dir() and not os.path.lexists(two):
            os.link(one, two)
        self.compare()

    @rule(directory=LEGACY, name=NAMES, other=LEGACY, again=NAMES)
    def exchanged(self, directory: str, name: str, other: str, again: str) -> None:
        one, two, aside = self.root / directory / name, self.root / other / again, self.root / "aside"
        if not self.mounts and one.is_file() and two.is_file() and one != two:
            one.rename(aside)
            two.rename(one)
            aside.rename(two)
        self.compare()

    @rule()
    def swapped_directories(self) -> None:
        if not self.mounts:
            (self.root / "old").rename(self.root / "aside")
            (self.root / "other").rename(self.root / "old")
            (self.root / "aside").rename(self.root / "other")
            for path in (self.root / "old/deep", self.root / "other"):
                path.mkdir(exist_ok=True)
        self.compare()

    @rule(directory=LEGACY)
    def replaced_by_a_copy(self, directory: str) -> None:
        path = self.root / directory
        if not self.mounts and path.is_dir() and not path.is_symlink():
            shutil.copytree(path, self.root / "copy", symlinks=True)
            shutil.rmtree(path)
            (self.root / "copy").rename(path)
        self.compare()

    @rule(over=DIRECTORIES, name=st.one_of(NAMES, st.just("")), below=DIRECTORIES, again=NAMES)
    def mounted_over(self, over: str, name: str, below: str, again: str) -> None:
        target, source = self.root / over / name, self.root / below / (again if name else "")
        if over not in (".", "data") and below not in (".", "data") and len(self.mounts) < 3:
            if target.exists() and source.exists() and not target.is_symlink() and not source.is_symlink():
                subprocess.run(["mount", "--bind", source, target], check=True)
                self.mounts.append(target)
        self.compare()

    @rule(groups=st.sampled_from([(65534,), (1, 65534), (65534, 65533)]))
    def membership(self, groups: tuple[int, ...]) -> None:
        self.user = self.user._replace(groups=groups)
        self.compare()

    @rule(into=st.sampled_from(["ravdess", "cremad"]), suffix=st.sampled_from(["incoming", "incoming.manifest"]))
    def staging_left_behind(self, into: str, suffix: str) -> None:
        path = self.root / f"data/.{into}.{suffix}"
        if os.path.lexists(path):
            path.rmdir()
        else:
            path.mkdir()
        self.compare()

    @rule(name=st.one_of(NAMES, st.just("")))
    def a_directory_that_a_glob_means(self, name: str) -> None:
        path = self.root / "others"
        if path.exists():
            shutil.rmtree(path)
        else:
            path.mkdir()
            if name:
                (path / name).write_bytes(raw("others"))
        self.compare()

    @rule(name=NAMES, into=st.sampled_from(["data/ravdess", "data/cremad"]))
    def a_folder_in_a_target(self, name: str, into: str) -> None:
        path = self.root / into / "deep"
        if path.exists():
            shutil.rmtree(path)
        elif (self.root / "old/deep" / name).exists():
            path.mkdir()
            (path / name).symlink_to(self.root / "old/deep" / name)
        self.compare()

    @rule(name=NAMES)
    def found_elsewhere(self, name: str) -> None:
        (self.root / "found" / name).write_bytes(raw("found"))
        self.compare()

    @rule(code=st.sampled_from(["one", "two"]))
    def another_version(self, code: str) -> None:
        self.code = code
        self.compare()

    @rule(content=st.sampled_from([b"", b"{", b"[]", b"null", b'{"basis": {}, "folders": [], "exceptions": {}, "facts": {}}']))
    def odd_entry(self, content: bytes) -> None:
        for path in (self.root / "cache").rglob("*.json"):
            path.write_bytes(content)
        self.compare()

    @rule()
    def nothing(self) -> None:
        self.compare()

    def compare(self) -> None:
        changed = time.time()
        time.sleep(1.5 * GRAIN)
        # The clock of files stands still as long as the processor that drives it does.
        while time.clock_gettime(CLOCK_REALTIME_COARSE) <= changed:
            time.sleep(GRAIN / 10)
        cached, without = self.look(True), self.look(False)
        assert cached == without
        kind = "ready" if without.get("features_ready") and not without["feature_steps"] else "else"
        Witnessed.outcomes[kind] += 1

    def look(self, use: bool) -> dict[str, Any]:
        legacy = [str(self.root / directory) for directory in ("old", "oth*")]
        sets = [
            {"name": "ravdess", "target": str(self.root / "data/ravdess"), "legacy": legacy, "exclude": ["cremad_*"], "required": "any"},
            {"name": "cremad", "target": str(self.root / "data/cremad"), "legacy": legacy, "patterns": ["cremad_*.npz"], "reads": ["*.npz"],
             "required": "any",
             "layout": "tree"},
        ]  # fmt: skip
        wanted = [{**one, "arrays": ARRAYS} for one in sets]
        try:
            return count({"sets": wanted, "search_roots": [str(self.root / "found")], "remember": use}, self.user)
        except FeatureError as error:
            return {"refused": str(error)}


def count(params: dict[str, Any], user: Account) -> dict[str, Any]:
    """The facts, noting how often the cache gave them."""
    cached = lookup.lookup(params, user)
    if cached is not None:
        Witnessed.outcomes["recalled"] += 1
        return cached
    result: dict[str, Any] = {}
    request = prepare.request_of({**DEFAULTS, **params, "user": user.name}, False)
    prepare.find_facts(params, request._replace(account=user), result)
    return dict(result["ansible_facts"])


def test_the_answer_from_the_cache_is_the_answer_without(runs: int) -> None:
    Witnessed.outcomes.clear()
    run_state_machine_as_test(
        Witnessed,
        settings=settings(
            max_examples=max(10, runs // 5), stateful_step_count=30, phases=[Phase.generate], deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip
    print(f"looks: {dict(Witnessed.outcomes)}")
    # Where nothing is recalled, or all is, nothing was compared.
    assert min(Witnessed.outcomes[kind] for kind in ("recalled", "ready", "else")) > 0
    assert Witnessed.outcomes["recalled"] < Witnessed.outcomes["ready"]
