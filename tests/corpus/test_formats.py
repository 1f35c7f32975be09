# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed files: what the format's own library reads is never damaged. test_real_files.py has the other direction."""

from __future__ import annotations

import tarfile
from pathlib import Path

import h5py
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors

from tests.corpus import samples
from tests.corpus.judge import Judged, try_all


def safetensors_opens(path: Path) -> None:
    with safetensors.safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 (no dictionary)
            file.get_slice(name).get_shape()


def h5py_opens(path: Path) -> None:
    with h5py.File(path, "r") as file:
        list(file)


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


FORMATS = (
    Judged("x.safetensors", samples.safetensors_file, safetensors_opens, True, True),
    Judged("x.h5", samples.hdf5_file, h5py_opens),
    Judged("x.parquet", samples.parquet_file, pyarrow_opens_parquet),
    Judged("x.arrow", samples.arrow_file, pyarrow_opens_arrow),
    Judged("x.tar", samples.tar_file, tarfile_reads, full_is_library=True),
)


@pytest.mark.parametrize("judged", FORMATS, ids=[one.name for one in FORMATS])
def test_mutated_files(judged: Judged, tmp_path: Path, corpus_size: int, tally: list[str]) -> None:
    line, faults = try_all(judged, tmp_path, range(corpus_size // 4))
    tally.append(line)
    assert not faults, "\n".join(faults[:20])
