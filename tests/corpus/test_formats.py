# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats' own libraries are the judges: what is called a feature here in full, they open, whatever was done to the file.

A quick look may miss what is stated with each format, and no more.
"""

from __future__ import annotations

import collections
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    FEATURE,
    Classification,
    classify,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.arrays import parse_arrays

from tests.corpus import samples

ANY = parse_arrays({})


def safetensors_opens(path: Path) -> None:
    with safetensors.safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 (no dictionary)
            file.get_slice(name).get_shape()


def h5py_opens(path: Path) -> None:
    h5py.File(path, "r").close()


def pyarrow_opens_parquet(path: Path) -> None:
    with pyarrow.parquet.ParquetFile(path) as file:
        file.schema_arrow  # noqa: B018


def pyarrow_opens_arrow(path: Path) -> None:
    with pyarrow.OSFile(str(path)) as source:
        pyarrow.ipc.open_file(source).schema  # noqa: B018


def tarfile_reads(path: Path) -> None:
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                file.read()


class Judged(NamedTuple):
    """A format: its samples, its library, and whether a quick look sees all that a full one does."""

    name: str
    sample: samples.Sample
    opens: Callable[[Path], None]
    quick_is_full: bool = False


# A quick look misses: of HDF5, a root group that is broken; of Parquet and Arrow, a broken footer of the right length; of tar,
# what is wrong behind the first header. Of safetensors nothing: a full look has nothing more to compare.
FORMATS = (
    Judged("x.safetensors", samples.safetensors_file, safetensors_opens, True),
    Judged("x.h5", samples.hdf5_file, h5py_opens),
    Judged("x.parquet", samples.parquet_file, pyarrow_opens_parquet),
    Judged("x.arrow", samples.arrow_file, pyarrow_opens_arrow),
    Judged("x.tar", samples.tar_file, tarfile_reads),
)


def refusal(opens: Callable[[Path], None], path: Path) -> str:
    """Why the library refuses the file; empty where it does not."""
    try:
        opens(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def look(path: Path, full: bool) -> Classification:
    fd = os.open(path, os.O_RDONLY)
    try:
        return classify(fd, os.fstat(fd).st_size, path.name, ANY, full)
    finally:
        os.close(fd)


@pytest.mark.parametrize("judged", FORMATS, ids=[one.name for one in FORMATS])
def test_mutated_files(judged: Judged, tmp_path: Path, corpus_size: int, tally: list[str]) -> None:
    path = tmp_path / judged.name
    kinds: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    missed = strict = 0
    tried = corpus_size // 4
    for seed in range(tried):
        chooser = random.Random(seed)
        raw, spans = judged.sample(chooser)
        if seed % 20 == 0:
            path.write_bytes(raw)
            assert look(path, False).kind == look(path, True).kind == FEATURE, (seed, look(path, True))
        what, changed = samples.mutate(chooser, raw, spans)
        path.write_bytes(changed)
        quick, full, refused = look(path, False), look(path, True), refusal(judged.opens, path)
        kinds[full.kind] += 1
        if full.kind == FEATURE and refused:
            faults.append(f"{seed} {what}: accepted in full, and refused by the library: {refused}")
        if full.kind == FEATURE != quick.kind or (judged.quick_is_full and quick != full):
            faults.append(f"{seed} {what}: full {full}, quick {quick}")
        missed += quick.kind == FEATURE and bool(refused)
        strict += full.kind != FEATURE and not refused
    tally.append(
        f"{judged.name}: {tried} files tried, {kinds[FEATURE]} accepted in full, {missed} refused by the library that a"
        f" quick look accepts, {strict} refused that the library opens, {len(faults)} faults"
    )
    assert not faults, "\n".join(faults[:20])
    # A corpus in which nothing is accepted, or nothing refused, would show nothing.
    assert kinds[FEATURE] and len(kinds) > 1
