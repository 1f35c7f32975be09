# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real files from packages, and written ones: what a format's own library reads is never damaged; what it refuses is no feature.

In three modes: quick, full, and with holes in the file. Each file also cut at ten places.
"""

from __future__ import annotations

import collections
import itertools
import os
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import safetensors
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    Classification,
    classify_file,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

from tests.corpus import written, written_unusual
from tests.corpus.packages import real_files, written_elsewhere

ANY = parse_arrays({})
CUTS = 10


def read_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip():
            raise ValueError("a member is damaged")


def read_npz(path: Path) -> None:
    with numpy.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            archive[name]


def read_npy(path: Path) -> None:
    numpy.load(path, allow_pickle=False)


def read_hdf5(path: Path) -> None:
    with h5py.File(path, "r") as file:
        list(file)


def read_parquet(path: Path) -> None:
    with pyarrow.parquet.ParquetFile(path) as file:
        file.schema_arrow  # noqa: B018


def read_arrow(path: Path) -> None:
    raw = path.read_bytes()
    if raw.startswith(b"FEA1"):
        pyarrow.feather.read_table(path)
    elif raw.startswith(b"ARROW1"):
        pyarrow.ipc.open_file(pyarrow.BufferReader(raw)).read_all()
    else:
        pyarrow.ipc.open_stream(pyarrow.BufferReader(raw)).read_all()


def read_tar(path: Path) -> None:
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                stream.read()


def read_safetensors(path: Path) -> None:
    with safetensors.safe_open(path, framework="np") as file:
        list(file.keys())


READERS: dict[str, Callable[[Path], None]] = {
    ".npz": read_npz, ".npy": read_npy, ".h5": read_hdf5, ".parquet": read_parquet, ".arrow": read_arrow, ".feather": read_arrow,
    ".tar": read_tar, ".safetensors": read_safetensors, ".zip": read_zip,
}  # fmt: skip


class Comparison:
    """Compares file by file, and keeps count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[str] = []
        self.count: collections.Counter[str] = collections.Counter()

    def compare(self, name: str, content: bytes, cut: bool = False) -> None:
        suffix = name[name.rindex(".") :]
        path, sparse = self.folder / f"x{suffix}", self.folder / f"sparse{suffix}"
        path.write_bytes(content)
        reads = self.reads(suffix, path)
        write_with_holes(sparse, content)
        for mode, where, full in (("quick", path, False), ("full", path, True), ("with holes", sparse, False)):
            found = self.look(where, full)
            self.count[f"{found.kind}{'' if reads else ', refused by the library'}"] += 1
            if reads and found.kind == DAMAGED:
                self.faults.append(f"{name}: {mode}: its library reads it: {found.reason}")
            if not reads and found.kind == FEATURE and (mode == "full" or cut):
                self.faults.append(f"{name}: {mode}: its library refuses it, and it is called a feature")

    @staticmethod
    def reads(suffix: str, path: Path) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                READERS[suffix](path)
        except Exception:
            return False
        return True

    @staticmethod
    def look(path: Path, full: bool) -> Classification:
        with path.open("rb") as file:
            return classify_file(file.fileno(), os.fstat(file.fileno()), path.name, Criteria(ANY, full))


def write_with_holes(path: Path, content: bytes) -> None:
    """Write a file as C(cp --sparse=always) does, which would be a process for each of 15,000 files."""
    with path.open("wb") as file:
        for at in range(0, len(content), 4096):
            block = content[at : at + 4096]
            if block.strip(b"\0"):
                file.write(block)
            else:
                file.seek(len(block), os.SEEK_CUR)
        file.truncate(len(content))


def places(content: bytes, seed: int) -> list[int]:
    """Where a file is cut: near both ends, and anywhere."""
    chooser, size = random.Random(seed), len(content)
    fixed = [size - 1, size // 2, size - min(size - 1, 40), min(size - 1, 600)]
    return [place for place in [*fixed, *(chooser.randrange(size) for _turn in range(CUTS - 4))] if place > 0]


def run(files: Iterable[tuple[str, bytes]], folder: Path, what: str, least: int, tally: list[str]) -> None:
    comparison = Comparison(folder)
    kinds: collections.Counter[str] = collections.Counter()
    for number, (name, content) in enumerate(files):
        kinds[name[name.rindex(".") + 1 :]] += 1
        comparison.compare(name, content)
        for place in places(content, number):
            comparison.compare(f"cut at {place}: {name}", content[:place], cut=True)
    total = sum(kinds.values())
    tally.append(f"{what}: {total} files ({listed(kinds)}), each cut at {CUTS} places, in 3 modes ({listed(comparison.count)}),"
                 f" {len(comparison.faults)} faults")  # fmt: skip
    assert not comparison.faults, "\n".join(comparison.faults[:40])
    assert total >= least


def listed(counts: collections.Counter[str]) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))


def test_real_files(tmp_path: Path, tally: list[str]) -> None:
    run(real_files(), tmp_path, "real files", 440, tally)


def test_written_files(tmp_path: Path, tally: list[str]) -> None:
    here = (one for writer in (*written.WRITERS, *written_unusual.WRITERS) for one in writer(tmp_path))
    run(itertools.chain(here, written_elsewhere(tmp_path / "elsewhere")), tmp_path, "written files", 1300, tally)
