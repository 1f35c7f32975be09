# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real files from packages, and written ones: what a format's own library reads is never damaged; what it refuses is no feature.

In three modes: quick, full, and with holes in the file. Each file also cut at ten places.
"""

from __future__ import annotations

import collections
import os
import random
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    Classification,
    classify_file,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._spec.arrays import parse_arrays

from tests.corpus.written import WRITERS

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "requirements/corpus.txt"
PACKAGES = REPOSITORY / ".build/corpus"
LARGEST = 4 << 20
ANY = parse_arrays({})


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


def kind_of(head: bytes) -> str:
    """The suffix of a real file's kind by its beginning, or nothing."""
    for magic, suffix in ((b"\x93NUMPY", ".npy"), (b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"FEA1", ".feather")):
        if head.startswith(magic):
            return suffix
    if b"\x89HDF\r\n\x1a\n" in (head[at : at + 8] for at in (0, 512, 1024, 2048)):
        return ".h5"
    return ".tar" if head[257:262] == b"ustar" else ""


def real_files() -> Iterator[tuple[str, bytes]]:
    """Files of known kinds in the packages of requirements/corpus.txt."""
    stamp = PACKAGES / "stamp"
    if not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        subprocess.run([REPOSITORY / ".venv/bin/uv", "pip", "install", "--quiet", "--no-deps", "--python",
                        sys.executable, "--target", PACKAGES, "-r", REQUIREMENTS], check=True)  # fmt: skip
        stamp.write_bytes(REQUIREMENTS.read_bytes())
    for folder, _folders, names in sorted(os.walk(PACKAGES)):
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in (".py", ".so", ".pyc", ".txt") or path.is_symlink() or not 0 < path.stat().st_size <= LARGEST:
                continue
            with path.open("rb") as file:
                suffix = kind_of(file.read(2056))
            suffix = suffix or (path.suffix if path.suffix in (".npz", ".safetensors", ".zip") else "")
            if suffix:
                yield f"{path.relative_to(PACKAGES)}{suffix}", path.read_bytes()


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
        subprocess.run(["cp", "--sparse=always", path, sparse], check=True)
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


def places(content: bytes, number: int, seed: int) -> list[int]:
    """Where a file is cut: near both ends, and anywhere."""
    chooser, size = random.Random(seed), len(content)
    fixed = [size - 1, size // 2, size - min(size - 1, 40), min(size - 1, 600)]
    return [place for place in [*fixed, *(chooser.randrange(size) for _turn in range(6))][:number] if place > 0]


def run(files: Iterator[tuple[str, bytes]], folder: Path, cuts: int, what: str, least: int, tally: list[str]) -> None:
    comparison = Comparison(folder)
    number = 0
    for number, (name, content) in enumerate(files, 1):
        comparison.compare(name, content)
        for place in places(content, cuts, number):
            comparison.compare(f"cut at {place}: {name}", content[:place], cut=True)
    counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(comparison.count.items()))
    tally.append(f"{what}: {number} files, each cut at {cuts} places, in 3 modes ({counts}), {len(comparison.faults)} faults")
    assert not comparison.faults, "\n".join(comparison.faults[:40])
    assert number >= least


@pytest.fixture
def cuts(corpus_size: int) -> int:
    return 10 if corpus_size >= 20000 else 3


def test_real_files(tmp_path: Path, cuts: int, tally: list[str]) -> None:
    run(real_files(), tmp_path, cuts, "real files", 220, tally)


def test_written_files(tmp_path: Path, cuts: int, tally: list[str]) -> None:
    run((one for writer in WRITERS for one in writer(tmp_path)), tmp_path, cuts, "written files", 750, tally)
