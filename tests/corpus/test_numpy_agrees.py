# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""numpy is the classify: what is called a feature here, numpy loads, whatever was done to the archive."""

from __future__ import annotations

import collections
import os
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats import npz
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    Classification,
    classify,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.zip_layout import SMALL, Layouts
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

from tests.corpus import archives

ASKED = parse_arrays({"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}})
ANY = parse_arrays({})


def numpy_loads(path: Path, names: Sequence[str] = ()) -> dict[str, Any] | None:
    """These arrays of the archive, or all, or None where numpy does not load them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with numpy.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in names or archive.files}
    except MemoryError:
        return None
    except Exception:
        return None


def is_asked(arrays: dict[str, Any] | None) -> bool:
    found = None if arrays is None else arrays.get("wav2vec_features")
    return isinstance(found, numpy.ndarray) and found.dtype == numpy.float32 and found.ndim == 2 and found.shape[1] == 768


class Comparison:
    """Compares classification by classification, and keeps count."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = directory / "x.npz"
        self.monkeypatch = monkeypatch
        self.kinds: collections.Counter[str] = collections.Counter()
        self.strict: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []

    def look(self, asked: Any, full: bool) -> Classification:
        fd = os.open(self.path, os.O_RDONLY)
        try:
            return classify(fd, os.fstat(fd).st_size, self.path.name, asked, full)
        finally:
            os.close(fd)

    def compare(self, what: str, raw: bytes, restored: bytes) -> None:
        """restored: the archive with the data of large arrays as they were, which is all a quick look goes by."""
        self.path.write_bytes(raw)
        loaded, asked = numpy_loads(self.path), numpy_loads(self.path, ["wav2vec_features"])
        quick, full, anything = self.look(ASKED, False), self.look(ASKED, True), self.look(ANY, True)
        known = npz.layouts
        self.monkeypatch.setattr(npz, "layouts", Layouts())
        unaided = self.look(ASKED, False)
        self.monkeypatch.setattr(npz, "layouts", known)
        self.kinds[f"{what}: {full.kind}"] += 1
        if full.kind == FEATURE and not is_asked(asked):
            self.fault(what, raw, "accepted in full, and numpy does not load it", full)
        if anything.kind == FEATURE and not loaded:
            self.fault(what, raw, "accepted in full as any archive, and numpy does not load it", anything)
        if quick.kind == FEATURE and not is_asked(asked):
            self.path.write_bytes(restored)
            if restored == raw or not is_asked(numpy_loads(self.path, ["wav2vec_features"])):
                self.fault(what, raw, "accepted in quick, and numpy does not load it", quick)
        if quick != unaided:
            self.fault(what, raw, f"a known layout changes the classification from {unaided}", quick)
        if full.kind == FEATURE and quick != full:
            self.fault(what, raw, f"full and quick disagree: {full}", quick)
        if is_asked(asked) and DAMAGED in (full.kind, quick.kind):
            self.fault(what, raw, "called damaged, and numpy loads it", full)
        self.strict[f"{what}: {full.reason.partition('(')[0]}"] += is_asked(asked) and full.kind != FEATURE

    def fault(self, what: str, raw: bytes, sentence: str, classification: Classification) -> None:
        self.faults.append(f"{what}: {sentence}: {classification}")
        keep = os.environ.get("CORPUS_KEEP")
        if keep:
            Path(keep, f"{what}-{len(self.faults)}.npz").write_bytes(raw)

    def report(self, tally: list[str], name: str) -> None:
        tried = sum(self.kinds.values())
        accepted = sum(number for kind, number in self.kinds.items() if kind.endswith(FEATURE))
        tally.append(
            f"{name}: {tried} archives tried, {accepted} of them features, {sum(self.strict.values())} refused that numpy"
            f" would load, {len(self.faults)} faults"
        )
        if os.environ.get("CORPUS_SHOW"):
            tally += [f"  {kind} {number}" for kind, number in sorted(self.kinds.items())]
            tally += [f"  strict: {reason} {number}" for reason, number in self.strict.most_common()]
        assert not self.faults, "\n".join(self.faults[:20])


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    return Comparison(tmp_path, monkeypatch)


def test_mutated_archives(comparison: Comparison, corpus_size: int, tally: list[str]) -> None:
    for seed in range(corpus_size):
        chooser = random.Random(seed)
        archive = archives.variant(chooser)
        # The layout is learned from the intact archive, so that the changed one meets it.
        original = archive.build()
        comparison.path.write_bytes(original)
        intact = comparison.look(ASKED, False)
        assert intact.kind == FEATURE, (seed, intact)
        assert is_asked(numpy_loads(comparison.path)), seed
        what, changed = archives.mutate(chooser, archive)
        restorable = what in ("flip", "lie")
        restored = archive.with_data_restored(original, changed, SMALL) if restorable else changed
        comparison.compare(what, changed, restored)
    comparison.report(tally, "mutated")
    # A corpus in which nothing is accepted, or nothing refused, would show nothing.
    for what in ("flip", "lie", "header"):
        assert comparison.kinds[f"{what}: {FEATURE}"], what
        assert comparison.kinds[f"{what}: {DAMAGED}"], what
