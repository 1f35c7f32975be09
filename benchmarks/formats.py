# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A quick classification of each format against the opening of the file by its own library. 500 files of each.

Stored C(.npz) archives, which nearly all features are, have rows of their own in signatures.py; torch's files have no library here.
"""

from __future__ import annotations

import io
import os
import random
import tempfile
from pathlib import Path

import numpy
from measure import Row, find_collection, processor, save

find_collection()

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import FEATURE, classify
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

from tests.corpus.judge import Judged, Spans
from tests.corpus.test_formats import FORMATS

FILES = 500
ANY = parse_arrays({})
# Five times where the library reads on. Compiled ones that read as little as we do cannot be outrun so: these are what there is.
# numpy reads the names of an archive's arrays, and not their headers.
BOUNDS = {"packed.npz": 0.5, "x.h5": 4.0, "x.parquet": 5.0, "x.safetensors": 0.5}


def arrays(chooser: random.Random) -> dict[str, numpy.ndarray]:
    return {"wav2vec_features": numpy.full((chooser.randint(1, 99), 768), chooser.random(), "f4"), "label": numpy.eye(6)[0]}


def packed(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, **arrays(chooser))
    return buffer.getvalue(), []


def single(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    numpy.save(buffer, arrays(chooser)["wav2vec_features"])
    return buffer.getvalue(), []


def numpy_names(path: Path) -> None:
    with numpy.load(path) as archive:
        archive.files  # noqa: B018


NUMPYS = (Judged("packed.npz", packed, numpy_names), Judged("x.npy", single, lambda path: numpy.load(path, mmap_mode="r")))


def ours(paths: list[Path]) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        classification = classify(fd, os.fstat(fd).st_size, path.name, ANY)
        os.close(fd)
        assert classification.kind == FEATURE


def theirs(judged: Judged, paths: list[Path]) -> None:
    for path in paths:
        judged.opens(path)


def row(judged: Judged, folder: Path) -> Row:
    paths = []
    for number in range(FILES):
        path = folder / f"{number}-{judged.name}"
        path.write_bytes(judged.sample(random.Random(number))[0])
        paths.append(path)
    library, mine = processor(5, lambda: theirs(judged, paths), lambda: ours(paths))
    return Row(f"{judged.name.lstrip('x')}: opening by its own library against a quick classification", library / mine, ">=",
               BOUNDS.get(judged.name, 1.0), f"{1e6 * library / FILES:.0f} µs against {1e6 * mine / FILES:.0f} µs a file")  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trainprep-bench-") as scratch:
        save("formats", [row(judged, Path(scratch)) for judged in (*NUMPYS, *FORMATS)])
