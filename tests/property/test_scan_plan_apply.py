# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random hosts against a simple oracle: after a run every feature is in the target once, no real file was touched, a second run
changes nothing, and what a run says of itself is what the disk shows; with uploads, other hosts, C(absent) and a set that fails."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support import transfers
from tests.support.pairs import too_deep
from tests.support.random_host import LEGACY, ME, TARGETS, RandomHost, content_of, raw

CONTENTS = st.sampled_from(["red", "green", "blue", "grey"])
NAMES = st.sampled_from(["a.npz", "b.npz", "cremad_1.npz", "cremad_2.npz"])
FOLDERS = st.sampled_from(["", "s1/", "s1/deep/", "s2/"])
ANY_CONTENTS = st.one_of(CONTENTS, st.sampled_from(["other", "damaged"]))
LEGACY_DIRECTORIES = st.sampled_from(LEGACY)
TARGET_DIRECTORIES = st.sampled_from(TARGETS)
SOURCES = st.lists(st.tuples(NAMES, CONTENTS), min_size=1, max_size=4, unique_by=(lambda one: one[0], lambda one: one[1])).map(dict)


def is_staged(path: str) -> bool:
    return ".incoming" in path


class Hosts(RandomHost, RuleBasedStateMachine):
    """Lays out a host, lets the collection work, and compares."""

    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="trainprep-"))
        (self.root / "data").mkdir()
        (self.root / "old").mkdir()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    # What makes a host

    @initialize(
        alias=st.booleans(),
        files=st.lists(st.tuples(LEGACY_DIRECTORIES, FOLDERS, NAMES, ANY_CONTENTS), min_size=1, max_size=8),
        scripts=st.sets(TARGET_DIRECTORIES),
    )
    def begin(self, alias: bool, files: list[tuple[str, str, str, str]], scripts: set[str]) -> None:
        if alias:
            (self.root / "old/one").mkdir()
            (self.root / "old/alias").symlink_to("one")
        for directory, folder, name, content in files:
            self.put(self.root / directory / (folder + name), raw(content))
        self.old_script(scripts)

    @rule(directory=LEGACY_DIRECTORIES, folder=FOLDERS, name=NAMES, content=CONTENTS)
    def feature(self, directory: str, folder: str, name: str, content: str) -> None:
        self.put(self.root / directory / (folder + name), raw(content))

    @rule(name=NAMES, contents=st.permutations(["red", "green", "blue", "grey"]))
    def rivals(self, name: str, contents: list[str]) -> None:
        """Several directories hold different features under one name."""
        for directory, content in zip(LEGACY, contents, strict=False):
            self.put(self.root / directory / name, raw(content))

    @rule(directory=LEGACY_DIRECTORIES, name=NAMES, content=st.sampled_from(["other", "damaged"]))
    def no_feature(self, directory: str, name: str, content: str) -> None:
        self.put(self.root / directory / name, raw(content))

    @rule(directory=TARGET_DIRECTORIES, name=NAMES, content=ANY_CONTENTS)
    def in_target(self, directory: str, name: str, content: str) -> None:
        self.put(self.root / directory / name, raw(content))

    @rule(
        directory=TARGET_DIRECTORIES,
        name=NAMES,
        legacy=LEGACY_DIRECTORIES,
        folder=FOLDERS,
        wanted=NAMES,
        absolute=st.booleans(),
    )
    def link_into_legacy(
        self, directory: str, name: str, legacy: str, folder: str, wanted: str, absolute: bool
    ) -> None:
        """As an old script left it: to a file or to nothing, under its name or another one, absolute or not."""
        start = str(self.root) if absolute else "../.."
        self.link(self.root / directory / name, f"{start}/{legacy}/{folder}{wanted}")

    @rule(directories=st.sets(TARGET_DIRECTORIES, min_size=1))
    def old_script(self, directories: set[str]) -> None:
        """What the shell scripts did: all that has the right ending, into each target."""
        for path in sorted((self.root / "old").rglob("*.npz")):
            for directory in directories:
                self.link(self.root / directory / path.name, str(path))

    @rule(directory=TARGET_DIRECTORIES, name=NAMES, content=st.one_of(CONTENTS, st.just("other"), st.none()))
    def link_elsewhere(self, directory: str, name: str, content: str | None) -> None:
        away = self.root / "away" / f"{content}.npz"
        if content:
            self.put(away, raw(content))
        self.link(self.root / directory / name, str(away))

    @rule(source=NAMES, directory=LEGACY_DIRECTORIES, name=NAMES)
    def hard_link(self, source: str, directory: str, name: str) -> None:
        one, other = self.root / "old/one" / source, self.root / directory / name
        if one.is_file() and not os.path.lexists(other) and not (self.root / directory).is_symlink():
            other.parent.mkdir(parents=True, exist_ok=True)
            os.link(one, other)

    @rule(directory=LEGACY_DIRECTORIES, name=NAMES)
    def loop(self, directory: str, name: str) -> None:
        folder = self.root / directory / "s1"
        if folder.is_dir() and not os.path.lexists(folder / "up"):
            (folder / "up").symlink_to("..")

    @rule(directory=LEGACY_DIRECTORIES, folder=FOLDERS, name=NAMES)
    def remove(self, directory: str, folder: str, name: str) -> None:
        path = self.root / directory / (folder + name)
        if os.path.lexists(path):
            path.unlink()

    # What others send

    @rule(directory=TARGET_DIRECTORIES, files=SOURCES, most=st.sampled_from([None, None, 1]))
    def upload(self, directory: str, files: dict[str, str], most: int | None) -> None:
        """An upload gathers, in full or in part."""
        self.gather(directory, files, lambda sets, name, source: transfers.send(sets, ME, name, source, most))

    @rule(directory=TARGET_DIRECTORIES, files=SOURCES)
    def receive(self, directory: str, files: dict[str, str]) -> None:
        """What another host links into its target is handed to this one."""

        def from_other(sets: list[Any], name: str, source: Path) -> None:
            target = source.parent / "target"
            target.mkdir()
            for path in source.iterdir():
                (target / path.name).symlink_to(path)
            (one,) = [one for one in sets if one.name == name]
            transfers.hand_over(replace(one, target=str(target), legacy=(str(source),)), sets, ME)

        self.gather(directory, files, from_other)

    def gather(self, directory: str, files: dict[str, str], transfer: Any) -> None:
        before = self.snapshot()
        belong = {name: content for name, content in files.items() if name.startswith("cremad_") == (directory == TARGETS[1])}
        with tempfile.TemporaryDirectory() as scratch:
            for name, content in belong.items():
                self.put(Path(scratch, "source", name), raw(content))
            if not belong:
                return
            try:
                transfer(parse_sets(self.sets()), os.path.basename(directory), Path(scratch, "source"))
                self.outcomes["gathered"] += 1
            except FeatureError:
                self.outcomes["not sent"] += 1
        after = self.snapshot()
        kept = {path: value for path, value in after.items() if not is_staged(path)}
        assert kept == {path: value for path, value in before.items() if not is_staged(path)}, "an upload gathers in its own place"

    # What is shown of it

    @rule(state=st.sampled_from(["present", "present", "absent"]), fails=st.booleans(), on_conflict=st.sampled_from(["fail", "first"]))
    def whole_run(self, state: str, fails: bool, on_conflict: str) -> None:
        """Everything that the host does by itself, as the role asks for it."""
        before, counts, staged = self.snapshot(), self.in_targets(), self.staged()
        predicted, _refused = self.driven(state, fails, on_conflict, check=True)
        assert self.snapshot() == before, "check mode changes nothing"
        result, refused = self.driven(state, fails, on_conflict)
        after = self.snapshot()
        self.outcomes[f"{state} run: {'stopped' if refused else 'changed' if result['changed'] else 'nothing to do'}"] += 1
        assert result.get("changed", False) == (after != before), "changed is the difference of the tree"
        if not refused and not fails:
            assert predicted["changed"] == result["changed"], "check mode predicts the run"
        if refused and result.get("changed"):
            self.outcomes["stopped after changes"] += 1
        if state == "absent":
            assert set(after) <= set(before), "absent never adds"
            assert all(before[path][0] is not None for path in set(before) - set(after)), "only links go"
            assert all(before[path] == value for path, value in after.items())
        else:
            self.only_links_and_what_was_sent_changed(before, after, staged)
            self.each_feature_once(counts + Counter(staged.values()), strict=False)
        again, _refused = self.driven(state, fails, on_conflict)
        assert self.snapshot() == after and not again.get("changed"), "a second run changes nothing"

    def only_links_and_what_was_sent_changed(self, before: dict[str, Any], after: dict[str, Any], staged: dict[str, str]) -> None:
        """Files stay, or go from a staging directory into its target, where they are the same inodes."""
        for path, (text, info) in before.items():
            if text is None and path not in TARGETS and not is_staged(path):
                assert after.get(path) == (text, info), f"{path} was touched"
        came = {info[0] for path, (_text, info) in before.items() if is_staged(path)}
        for path, (text, info) in after.items():
            if path not in before and text is None and path not in (*TARGETS, "data/deep"):
                assert info[0] in came, f"{path} came from nowhere"
        for path, content in staged.items():
            assert path in after or self.in_targets()[content], f"{path} was lost"

    def staged(self) -> dict[str, str]:
        """What gathers, by path."""
        found = {str(path.relative_to(self.root)): content_of(path) for path in (self.root / "data").glob(".*.incoming/*.npz")}
        return {path: content for path, content in found.items() if content}

    @rule(on_conflict=st.sampled_from(["fail", "first"]), prune=st.sampled_from(["none", "dangling", "stray"]))
    def run(self, on_conflict: str, prune: str) -> None:
        before = self.snapshot()
        counts = self.in_targets()
        predicted = self.attempt(on_conflict, prune, check=True)
        assert self.snapshot() == before, "check mode changes nothing"
        result = self.attempt(on_conflict, prune)
        after = self.snapshot()
        self.outcomes["refused" if result is None else "changed" if result["changed"] else "nothing to do"] += 1
        if result is None:
            assert predicted is None
            assert after == before, "what is refused changes nothing"
            return
        assert predicted is not None
        assert predicted == result, "check mode predicts the run"
        self.only_links_in_targets_changed(before, after)
        again = self.attempt(on_conflict, prune)
        # With its stray links cleared, a set may have nothing left but links into a volume that is gone.
        assert again is not None or self.dangles_into_legacy()
        assert again is None or not again["changed"], "a second plan is empty"
        assert self.snapshot() == after
        # Links that are stray may hold a name, or a feature twice, unless they are cleared.
        self.each_feature_once(counts, strict=prune == "stray")
        if prune == "stray":
            self.nothing_is_lacking()

    @rule()
    def run_as_after_the_scripts(self) -> None:
        self.run("first", "stray")

    @rule(name=NAMES, contents=st.permutations(["red", "green", "blue", "grey"]))
    def run_with_rivals(self, name: str, contents: list[str]) -> None:
        """Most runs with a conflict are refused; by chance alone a hundred hosts may have none."""
        self.rivals(name, contents)
        self.run("fail", "none")

    @rule()
    def remove_links(self) -> None:
        before = self.snapshot()
        if self.attempt("first", "none", state="absent") is not None:
            after = self.snapshot()
            assert all(text is not None for path, (text, _info) in before.items() if path not in after), "only links go"
            assert all(before[path] == value for path, value in after.items())

    @invariant()
    def targets_are_no_links(self) -> None:
        assert not any((self.root / target).is_symlink() for target in TARGETS)

    def only_links_in_targets_changed(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        for path, value in before.items():
            inside = path.startswith(tuple(target + "/" for target in TARGETS))
            if not (inside and value[0] is not None):
                assert after.get(path) == value or (path in TARGETS and path in after), f"{path} was touched"
        for path, (text, _info) in after.items():
            if path not in before:
                assert path in TARGETS or text is not None, f"{path} is new and no link"

    def each_feature_once(self, counts: Counter[str], strict: bool) -> None:
        for content, number in self.in_targets().items():
            assert number <= max(1, counts[content]), f"{content} stands {number} times"
            if strict and number > 1:
                assert self.fixed(content) == number, f"{content} stands {number} times, in links that could go"

    def nothing_is_lacking(self) -> None:
        """Each wanted name's first feature is in a target, unless what is none and must stay has the name."""
        present = self.in_targets()
        for target, names in self.wishes().items():
            for name, content in names.items():
                holder = self.root / target / name
                if not present[content]:
                    assert os.path.lexists(holder), f"{content} is lacking, though {target}/{name} is free"
                    assert content_of(holder) != content


def test_random_hosts(runs: int, tmp_path: Path) -> None:
    Hosts.outcomes.clear()
    Hosts.deep = tmp_path / "deep"
    too_deep(Hosts.deep)
    run_state_machine_as_test(
        Hosts,
        settings=settings(
            max_examples=runs, stateful_step_count=30, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip
    print(f"runs of the collection: {dict(Hosts.outcomes)}")
    # Hosts on which nothing happens, or all is refused, would show nothing.
    seen = ("refused", "changed", "nothing to do", "gathered", "stopped after changes", "present run: changed", "absent run: changed")
    assert min(Hosts.outcomes[kind] for kind in seen) > 0
