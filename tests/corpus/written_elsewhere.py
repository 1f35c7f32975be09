# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes files by polars, nanoarrow, fastparquet and zarr into a folder, with every option that changes the layout. Run by packages.py."""

from __future__ import annotations

import itertools
import sys
import warnings
from pathlib import Path

import fastparquet
import nanoarrow
import nanoarrow.ipc
import numpy
import pandas
import polars
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

FOLDER = Path(sys.argv[1])
FLOATS = numpy.random.default_rng(1).standard_normal((40, 8)).astype("f4")


def by_polars() -> None:
    frame = polars.DataFrame(
        {"features": FLOATS.tolist(), "emotion": ["sad", "angry"] * 20, "label": range(40), "half": [None, 0.5] * 20},
        schema_overrides={"features": polars.Array(polars.Float32, 8), "emotion": polars.Categorical},
    )
    for codec, statistics, rows, page in itertools.product(
        ("uncompressed", "snappy", "gzip", "brotli", "lz4", "zstd"), (False, "full"), (None, 10), (None, 64)
    ):
        frame.write_parquet(FOLDER / f"polars-{codec}-{statistics}-{rows}-{page}.parquet", compression=codec, statistics=statistics,
                            row_group_size=rows, data_page_size=page)  # fmt: skip
    for codec, level, batch, empty in itertools.product(
        ("uncompressed", "lz4", "zstd"),
        (polars.CompatLevel.oldest(), polars.CompatLevel.newest()),
        (None, 7),
        (False, True),
    ):
        name = f"polars-{codec}-{level._version}-{batch}-{empty}"
        source = frame.clear() if empty else frame
        source.write_ipc(FOLDER / f"{name}.arrow", compression=codec, compat_level=level, record_batch_size=batch)
        source.write_ipc_stream(FOLDER / f"{name}-stream.arrow", compression=codec, compat_level=level)


def by_nanoarrow() -> None:
    """Its messages have their table at the end."""
    for columns in (1, 9000):
        frame = polars.DataFrame({f"column_{number}": [0.5, 1.0] for number in range(columns)})
        with nanoarrow.ipc.StreamWriter.from_path(str(FOLDER / f"nanoarrow-{columns}.arrow")) as writer:
            writer.write_stream(nanoarrow.c_array_stream(frame))


def by_fastparquet() -> None:
    frame = pandas.DataFrame({"x": FLOATS[:, 0], "emotion": pandas.Categorical(["sad", "angry"] * 20), "label": range(40),
                              "text": ["a", None] * 20, "when": pandas.to_datetime([0] * 40)})  # fmt: skip
    for codec, rows, nulls, stats, times in itertools.product(
        ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4_RAW"),
        (50_000_000, 10),
        (True, "infer"),
        (True, False),
        ("int64", "int96"),
    ):
        fastparquet.write(str(FOLDER / f"fastparquet-{codec}-{rows}-{nulls}-{stats}-{times}.parquet"), frame, compression=codec,
                          row_group_offsets=rows, has_nulls=nulls, stats=stats, times=times, write_index=stats)  # fmt: skip


def by_zarr() -> None:
    codecs = {"none": None, "zstd": ZstdCodec(), "gzip": GzipCodec(), "blosc": BloscCodec()}
    for (name, codec), shards, method, nested in itertools.product(
        codecs.items(), (None, (20, 8)), (0, 8), (False, True)
    ):
        path = FOLDER / f"zarr-{name}-{shards is None}-{method}-{nested}.zip"
        with zarr.storage.ZipStore(path, mode="w", compression=method) as store:
            group = zarr.create_group(store)
            group.attrs["note"] = "made here"
            where = group.create_group("inner") if nested else group
            array = where.create_array(
                "x", shape=FLOATS.shape, chunks=(10, 8), dtype="f4", compressors=codec, shards=shards
            )
            array[:] = FLOATS
    for method in (0, 8):
        with zarr.storage.ZipStore(FOLDER / f"zarr-2-{method}.zip", mode="w", compression=method) as store:
            zarr.create_array(store, shape=FLOATS.shape, chunks=(10, 8), dtype="f4", zarr_format=2)[:] = FLOATS


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    by_polars()
    by_nanoarrow()
    by_fastparquet()
    by_zarr()
