# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A quick classification of each further format against the opening of the file by its own library. 500 files of each."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

from measure import Row, find_collection, processor, save

find_collection()

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import FEATURE, classify
from ansible_collections.trainprep.features.plugins.module_utils._spec.arrays import parse_arrays

from tests.corpus.judge import Judged
from tests.corpus.test_formats import FORMATS

FILES = 500
ANY = parse_arrays({})
# Five times where the library reads on. Compiled ones that read as little as we do cannot be outrun so: these are what there is.
BOUNDS = {"x.h5": 4.0, "x.parquet": 5.0, "x.safetensors": 0.5}


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
    return Row(f"{Path(judged.name).suffix}: opening by its own library against a quick classification", library / mine, ">=",
               BOUNDS.get(judged.name, 1.0), f"{1e6 * library / FILES:.0f} µs against {1e6 * mine / FILES:.0f} µs a file")  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trainprep-bench-") as scratch:
        save("formats", [row(judged, Path(scratch)) for judged in FORMATS])
