# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to recognise features, on the 8,690 files of a real host, against the least that anybody has to do."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
from measure import Row, find_collection, in_turns, processor, save

from tests.support.layout import crema_d_names, ravdess_names, write_features

find_collection()

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import FEATURE, classify
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import (
    ScanOptions,
    _Listing,
    _OpenDirectory,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import DirectoryScan
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import look_up
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.plugins.module_utils._system.parallel import map_parallel

ASKED = parse_arrays({"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}})
SLOW_OPEN = 0.001
SLOW_FILES = 1000


def bare(paths: list[str]) -> None:
    """What no classification can do without: open, fstat, two reads, close."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        size = os.fstat(fd).st_size
        os.pread(fd, 2048, size - 2048)
        os.pread(fd, 512, 0)
        os.close(fd)


def judge_path(path: str) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return classify(fd, os.fstat(fd).st_size, path, ASKED).kind
    finally:
        os.close(fd)


def quick(paths: list[str]) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        classification = classify(fd, os.fstat(fd).st_size, path, ASKED)
        os.close(fd)
        assert classification.kind == FEATURE


def numpys_names(paths: list[str]) -> None:
    for path in paths:
        with numpy.load(path) as archive:
            archive.files  # noqa: B018


def slowly(path: str) -> str:
    """A classification where each open takes a network round trip."""
    time.sleep(SLOW_OPEN)
    return judge_path(path)


def one_by_one(paths: list[str]) -> None:
    for path in paths:
        slowly(path)


def overlapped(paths: list[str]) -> None:
    assert sum(kind == FEATURE for _path, kind in map_parallel(paths, slowly)) == len(paths)


def find(directory: Path) -> None:
    done = subprocess.run(["find", str(directory), "-name", "*.npz"], stdout=subprocess.PIPE, check=True)
    assert done.stdout.count(b"\n") == 8690


def listing(directory: Path) -> None:
    """The scan of a directory up to the point where files would be opened."""
    scan = DirectoryScan(look_up(str(directory)))
    top = _OpenDirectory(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
    walk = _Listing(scan, name_filter(["*.npz"]), {}, ScanOptions())
    assert sum(1 for _pending in walk.pending(top)) == 8690


def rows(directory: Path) -> Iterator[Row]:
    write_features(directory, crema_d_names(7442) + ravdess_names(1248))
    paths = sorted(str(path) for path in directory.iterdir())
    assert len(paths) == 8690
    yield compare("quick classification against open, fstat, pread, pread, close", "<=", 2.5, paths, quick, bare, processor)
    yield compare("numpy.load(f).files against a quick classification", ">=", 2.5, paths, numpys_names, quick, processor)
    yield compare(
        f"classifications one by one against overlapping ones, {SLOW_FILES} files, 1 ms an open", ">=", 8, paths[:SLOW_FILES],
        one_by_one, overlapped, in_turns, 3,
    )  # fmt: skip
    yield compare("scan without classifications against find -name '*.npz'", "<=", 1.5, directory, listing, find, in_turns, 15)


def compare(
    name: str,
    better: str,
    bound: float,
    what: Any,
    one: Callable[[Any], None],
    other: Callable[[Any], None],
    measured: Callable[..., list[float]],
    times: int = 9,
) -> Row:
    first, second = measured(times, lambda: one(what), lambda: other(what))
    return Row(name, first / second, better, bound, f"{1000 * first:.0f} ms against {1000 * second:.0f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="trainprep-bench-") as scratch:
        save("signatures", list(rows(Path(scratch))))
