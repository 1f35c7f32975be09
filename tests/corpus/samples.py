# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the further formats as their own libraries write them."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import safetensors.numpy

from tests.corpus.judge import Spans


def _floats(chooser: random.Random, *shape: int) -> numpy.ndarray:
    return numpy.random.default_rng(chooser.getrandbits(32)).standard_normal(shape).astype("f4")


def safetensors_file(chooser: random.Random) -> tuple[bytes, Spans]:
    arrays = {"wav2vec_features": _floats(chooser, chooser.randint(0, 3), 8), "label": numpy.eye(6)[chooser.randrange(6)]}
    for number in range(chooser.randrange(3)):
        arrays[f"more_{number}"] = numpy.arange(chooser.randrange(5)).astype(chooser.choice(["i8", "u1", "f2", "?"]))
    raw = safetensors.numpy.save(arrays, {"speaker": "one"} if chooser.random() < 0.5 else None)
    return raw, [(0, 8 + struct.unpack_from("<Q", raw)[0])]


def hdf5_file(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    options = {"libver": chooser.choice(["earliest", "latest", ("v108", "v108"), ("v110", "v110")])}
    if chooser.random() < 0.2:
        options["userblock_size"] = 512
    # Copies of one file: a user block cannot be written into memory.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.h5")
        with h5py.File(path, "w", track_order=chooser.random() < 0.3, **options) as file:
            file["wav2vec_features"] = _floats(chooser, 3, 8)
            for number in range(chooser.choice([0, 1, 3, 12])):
                file.create_group(f"group_{number}")["label"] = numpy.eye(6)
            for number in range(chooser.choice([0, 1, 10])):
                file.attrs[f"note_{number}"] = "x" * number
        buffer.write(path.read_bytes())
    raw = buffer.getvalue()
    start = raw.index(b"\x89HDF")
    return raw, [(start, start + 100), (start, min(len(raw), start + 1000))]


def _table(chooser: random.Random) -> pyarrow.Table:
    rows = chooser.randint(0, 5)
    columns = {
        "features": pyarrow.array([[1.0, 2.0]] * rows, pyarrow.list_(pyarrow.float32())),
        "emotion": pyarrow.array(["sad"] * rows, pyarrow.string()).dictionary_encode(),
        "label": pyarrow.array(range(rows), pyarrow.int64()),
        "when": pyarrow.array([0] * rows, pyarrow.timestamp("us", tz="UTC")),
        "clock": pyarrow.array([0] * rows, pyarrow.time64("us")),
        "day": pyarrow.array([0] * rows, pyarrow.date32()),
        "price": pyarrow.array([None] * rows, pyarrow.decimal128(10, 2)),
        "raw": pyarrow.array([b"abcd"] * rows, pyarrow.binary(4)),
        "pair": pyarrow.array([{"a": 1, "b": "x"}] * rows, pyarrow.struct([("a", pyarrow.int16()), ("b", pyarrow.string())])),
        "map": pyarrow.array([[("k", 1)]] * rows, pyarrow.map_(pyarrow.string(), pyarrow.int32())),
        "true": pyarrow.array([True] * rows, pyarrow.bool_()),
    }
    names = chooser.sample(sorted(columns), chooser.randint(1, len(columns)))
    return pyarrow.table({name: columns[name] for name in names}, metadata={"made": "here"} if chooser.random() < 0.5 else None)


def parquet_file(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    table = _table(chooser)
    if chooser.random() < 0.5:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"pandas": b"{}"})
    pyarrow.parquet.write_table(
        table, buffer, compression=chooser.choice(["snappy", "zstd", "none"]), store_schema=chooser.random() < 0.7,
        version=chooser.choice(["1.0", "2.4", "2.6"]), row_group_size=chooser.choice([2, 100]),
    )  # fmt: skip
    raw = buffer.getvalue()
    return raw, [(len(raw) - 8 - struct.unpack_from("<L", raw, len(raw) - 8)[0], len(raw))]


def arrow_file(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    table = _table(chooser)
    if chooser.random() < 0.5:
        pyarrow.feather.write_feather(table, buffer, compression=chooser.choice(["lz4", "zstd", "uncompressed"]))
    else:
        with pyarrow.ipc.new_file(buffer, table.schema) as writer:
            writer.write_table(table, max_chunksize=chooser.choice([1, 100]))
    raw = buffer.getvalue()
    return raw, [(len(raw) - 10 - struct.unpack_from("<L", raw, len(raw) - 10)[0], len(raw))]


def tar_file(chooser: random.Random) -> tuple[bytes, Spans]:
    buffer = io.BytesIO()
    form = chooser.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    spans: Spans = []
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for number in range(chooser.randint(1, 4)):
            name = chooser.choice([f"{number}.npy", "folder/" * 12 + f"{'x' * 60}_{number}.npy", f"é{number}.txt"])
            info = tarfile.TarInfo(name)
            info.type = chooser.choice([tarfile.REGTYPE] * 5 + [tarfile.DIRTYPE, tarfile.SYMTYPE])
            info.size = chooser.choice([0, 100, 512, 700]) if info.type == tarfile.REGTYPE else 0
            info.linkname = "0.npy" if info.type == tarfile.SYMTYPE else ""
            info.mtime = chooser.choice([0, 1.5])
            start = buffer.tell()
            archive.addfile(info, io.BytesIO(bytes(info.size)))
            spans.append((start, buffer.tell() - -(-info.size // 512) * 512))
    return buffer.getvalue(), spans
