# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What numpy loads is never damaged, whoever wrote it; and files as torch writes them. files/README.md says who made them."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy
import numpy.lib.tests.test_format
import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    NOT_UNDERSTOOD,
    OTHER,
    Classification,
    classify_file,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

FILES = Path(__file__).parent / "files"
ASKED = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}


def look(path: Path, arrays: dict[str, Any], full: bool) -> Classification:
    with open(path, "rb") as file:
        criteria = Criteria(parse_arrays(arrays), full)
        return classify_file(file.fileno(), os.fstat(file.fileno()), path.name, criteria)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", sorted(path.name for path in (FILES / "writers").iterdir()))
def test_archives_by_other_programs(name: str, full: bool) -> None:
    path = FILES / "writers" / name
    with numpy.load(path, allow_pickle=False) as archive:
        assert archive["wav2vec_features"].shape == (2, 768)
    assert look(path, ASKED, full)[:2] == (FEATURE, "")
    # A folder or a manifest next to the arrays is part of what the archive is; all others hold the same.
    if name not in ("info-zip-folder.npz", "jar-stored.npz", "info-zip-stream.npz"):
        assert look(path, ASKED, full).identity == look(FILES / "writers/info-zip.npz", ASKED, False).identity


NUMPYS = [*numpy.lib.tests.test_format.basic_arrays, *numpy.lib.tests.test_format.record_arrays]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("number", range(len(NUMPYS)))
def test_numpys_own_test_arrays(tmp_path: Path, number: int, full: bool) -> None:
    array = NUMPYS[number]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numpy.savez(tmp_path / "x.npz", x=array)
        numpy.save(tmp_path / "x.npy", array)
    for name in ("x.npz", "x.npy"):
        found = look(tmp_path / name, {"x": {}}, full)
        assert found[:2] == (FEATURE, "") if not array.dtype.hasobject else found.kind == OTHER, found


TORCHES = {
    "tensor": (FEATURE, {"any": {"dtype": "float32", "shape": [None, 6]}}),
    "list": (FEATURE, {"0": {"shape": [2, 6]}, "1": {"shape": [6, 2]}}),
    "dictionary": (FEATURE, {
        "wav2vec_features": {"dtype": "float32", "shape": [2, 6]}, "label": {"dtype": "int64", "shape": [2]},
        "half": {"dtype": "float16", "shape": [1, 6]}, "view": {"dtype": "float32", "shape": [2, 3]},
        "brain": {"dtype": "bfloat16"}, "weight": {"dtype": "float32", "shape": [6]}}),
    "weights": (FEATURE, {"weight": {"shape": [2, 3]}, "bias": {"shape": [2]}}),
    "module": (OTHER, {}),
    "program": (OTHER, {}),
    "old-form": (OTHER, {}),
}  # fmt: skip


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("version", ["112", "27"])
@pytest.mark.parametrize("name", TORCHES)
def test_files_by_torch(name: str, version: str, full: bool) -> None:
    kind, arrays = TORCHES[name]
    found = look(FILES / "torch" / f"{name}-{version}.pt", arrays, full)
    assert found.kind == kind, found
    if kind == FEATURE:
        assert look(FILES / "torch" / f"{name}-{version}.pt", {"nothing": {}}, full).kind == (OTHER if name != "tensor" else FEATURE)


@pytest.mark.parametrize("full", [False, True])
def test_files_by_a_torch_of_today(full: bool) -> None:
    tensors = {"a": {"dtype": "float32", "shape": [2, 6]}, "view": {"shape": [2, 2]}, "p": {"shape": [2, 6]}, "c": {"dtype": "bfloat16"}}
    assert look(FILES / "torch" / "dictionary-211.pt", tensors, full).kind == FEATURE
    assert look(FILES / "torch" / "cuda-211.pt", {"any": {"dtype": "float32", "shape": [2, 6]}}, full).kind == FEATURE


def test_changed_files_by_torch(tmp_path: Path, corpus_size: int, tally: list[str]) -> None:
    """Without torch as the judge: no exception, and in full nothing that was changed is accepted but for notes and dates."""
    path, accepted = tmp_path / "x.pt", 0
    names = [f"{name}-{version}.pt" for name in ("dictionary", "list", "tensor") for version in ("112", "27")]
    originals = [(FILES / "torch" / name).read_bytes() for name in names]
    for seed in range(corpus_size):
        chooser = random.Random(seed)
        changed = bytearray(chooser.choice(originals))
        for _turn in range(chooser.choice([1, 1, 3])):
            changed[chooser.randrange(len(changed))] ^= 1 << chooser.randrange(8)
        if chooser.random() < 0.2:
            del changed[chooser.randrange(len(changed)) :]
        path.write_bytes(changed)
        quick, full = look(path, {}, False), look(path, {}, True)
        assert full.kind in (FEATURE, OTHER, DAMAGED, NOT_UNDERSTOOD)
        assert full.kind != FEATURE or quick == full, (seed, quick, full)
        accepted += full.kind == FEATURE
    tally.append(f"x.pt: {corpus_size} files tried, {accepted} accepted in full")
    assert accepted < corpus_size / 2
