# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of comparing 10,000 safetensors files of few sizes, in bytes and seconds, against one read of the files that share a size."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import struct
import tempfile
from pathlib import Path

from measure import REPOSITORY, Row, find_collection, save, seconds

find_collection()

from ansible_collections.trainprep.features.plugins.module_utils._formats import interface
from ansible_collections.trainprep.features.plugins.module_utils._scan import directories, identity, places
from ansible_collections.trainprep.features.plugins.module_utils._spec import names, sets

SHAPES = (30, 60, 90)  # frames


def lay_out(folder: Path, files: int, twins: int) -> None:
    """Each file with data of its own, but for as many as are copies of another under another name."""
    folder.mkdir(parents=True)
    for number in range(files):
        frames = SHAPES[number % len(SHAPES)]
        length = frames * 768 * 4
        header = json.dumps(
            {"wav2vec_features": {"dtype": "F32", "shape": [frames, 768], "data_offsets": [0, length]}}
        ).encode()
        content = number - len(SHAPES) if number >= files - twins and (number // len(SHAPES)) % 2 else number
        data = struct.pack("<Q", content) * (length // 8)
        (folder / f"clip_{number:05}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)


def read_all(paths: list[str]) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        while os.read(fd, 1 << 20):
            pass
        os.close(fd)


def from_disk(paths: list[str], times: int, *functions) -> list[float]:
    """The median seconds of each function in turns, with the files dropped from the page cache before each."""
    taken: list[list[float]] = [[] for _function in functions]
    for _turn in range(times):
        for values, function in zip(taken, functions, strict=True):
            evict(paths)
            values.append(seconds(function))
    return [statistics.median(values) for values in taken]


def evict(paths: list[str]) -> None:
    os.sync()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def compare(scan) -> None:
    """The part of an inspection that is measured, on entries as they were scanned."""
    for entry in scan.entries:
        entry.classification = entry.classification._replace(identity=None)
    located = [(scan.path, entry) for entry in scan.entries]
    identity.resolve_identities(located, identity.Contents())


def bytes_read(function, *arguments) -> int:
    """By this process and the ones that it waits for."""
    before = _read_so_far()
    function(*arguments)
    return _read_so_far() - before


def _read_so_far() -> int:
    return int(
        next(line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")).split()[1]
    )


def rows(folder: Path, files: int, twins: int, what: str) -> list[Row]:
    lay_out(folder, files, twins)
    criteria = interface.Criteria(sets.parse_arrays({}))
    scan = directories.scan_directory(places.look_up(str(folder)), names.name_filter(["*"]), criteria, {})
    paths = [f"{scan.path}/{entry.path}" for entry in scan.entries]
    in_all = bytes_read(read_all, paths)
    read = bytes_read(compare, scan)
    one_read, ours = from_disk(paths, 3, lambda: read_all(paths), lambda: compare(scan))
    different = len({entry.classification.identity for entry in scan.entries})
    assert abs(different - files + twins // 2) < len(SHAPES), different
    shutil.rmtree(folder)
    measure = f"comparing {files:,} safetensors of {len(SHAPES)} sizes, {what}, against one read of them"
    return [
        Row(f"{measure}: bytes", read / in_all, "<=", 1.2, f"{read / 1e6:,.0f} MB of {in_all / 1e6:,.0f} MB"),
        Row(f"{measure}: time, from disk", ours / one_read, "<=", 1.2, f"{ours:.2f} s against {one_read:.2f} s"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--directory", help="where to lay out the files (2 GB)", default=str(REPOSITORY / ".build"))
    options = parser.parse_args()
    Path(options.directory).mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="identity-", dir=options.directory))
    try:
        save("identity", [
            *rows(place / "different", options.files, 0, "all different"),
            *rows(place / "twins", options.files, options.files, "half of them copies"),
        ])  # fmt: skip
    finally:
        shutil.rmtree(place, ignore_errors=True)
