# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written by the formats' own libraries, with every option of theirs that changes the layout."""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import safetensors.numpy
from pyarrow.parquet import encryption

from tests.corpus.written_tar import Files, gnu_tar, tar

FLOATS = numpy.random.default_rng(1).standard_normal((40, 8)).astype("f4")


def hdf5(folder: Path) -> Files:
    path = folder / "written.h5"
    libvers = ["earliest", "latest", ("v108", "v108"), ("v110", "v110"), ("earliest", "v112"), ("v112", "latest")]
    strategies = [{}, *({"fs_strategy": one, "fs_persist": keep} for one in ("fsm", "page", "aggregate", "none") for keep in (False, True))]
    for libver, block, strategy in itertools.product(libvers, (0, 512, 4096), strategies):
        options = {"libver": libver, "track_order": block == 512, **strategy}
        try:
            with h5py.File(path, "w", userblock_size=block, **options) as file:
                file.create_dataset("x", data=FLOATS, chunks=(10, 8), compression="gzip", fletcher32=True, shuffle=True)
                file["zeros"] = numpy.zeros(3000)
                file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
                file["soft"] = h5py.SoftLink("/x")
                for number in range(12 if block else 0):
                    file.create_group(f"group_{number}").attrs["note"] = "x" * 900 * number
                for number in range(10 if strategy else 0):
                    file.attrs[f"note_{number}"] = FLOATS
        except (ValueError, OSError):
            continue  # options that do not go together
        yield f"{libver}-{block}-{strategy}.h5", path.read_bytes()
    prefix = b"#!/bin/sh\n".ljust(1024, b"\n")
    with h5py.File(path, "w") as file:
        file["x"] = FLOATS
    yield "prefixed.h5", prefix + path.read_bytes()


def table(rows: int) -> pyarrow.Table:
    columns = {
        "features": pyarrow.array([[1.0, 2.0]] * rows, pyarrow.list_(pyarrow.float32())),
        "emotion": pyarrow.array(["sad", "angry"] * (rows // 2)).dictionary_encode(),
        "label": pyarrow.array(range(rows), pyarrow.int64()),
        "zeros": pyarrow.array([0.0] * rows),
        "when": pyarrow.array([0] * rows, pyarrow.timestamp("us", tz="UTC")),
        "price": pyarrow.array([None] * rows, pyarrow.decimal128(10, 2)),
        "half": pyarrow.array(numpy.zeros(rows, "f2")),
        "pair": pyarrow.array([{"a": 1, "b": "x"}] * rows),
        "map": pyarrow.array([[("k", 1)]] * rows, pyarrow.map_(pyarrow.string(), pyarrow.int32())),
    }
    return pyarrow.table(columns, metadata={"made": "here"})


def parquet(folder: Path) -> Files:
    for codec, dictionary, page, version, more in itertools.product(
        ("none", "snappy", "gzip", "zstd", "lz4"), (True, False), ("1.0", "2.0"), ("1.0", "2.6"),
        ({}, {"write_page_checksum": True, "write_page_index": True},
         {"store_schema": False, "write_statistics": False, "row_group_size": 10}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table(60), buffer, compression=codec, use_dictionary=dictionary, data_page_version=page,
                                    version=version, **more)  # fmt: skip
        yield f"{codec}-{dictionary}-{page}-{version}-{len(more)}.parquet", buffer.getvalue()


def arrow(folder: Path) -> Files:
    for codec, legacy, version, rows, stream in itertools.product(
        (None, "lz4", "zstd"), (False, True), (pyarrow.ipc.MetadataVersion.V4, pyarrow.ipc.MetadataVersion.V5), (0, 60), (False, True)
    ):
        options = pyarrow.ipc.IpcWriteOptions(compression=codec, use_legacy_format=legacy, metadata_version=version)
        buffer = io.BytesIO()
        source = table(rows)
        try:
            make = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
            with make(buffer, source.schema, options=options) as writer:
                writer.write_table(source, max_chunksize=25)
        except (pyarrow.ArrowInvalid, ValueError):
            continue
        raw = buffer.getvalue()
        yield f"{codec}-{legacy}-{version}-{rows}-{stream}.arrow", raw
        if stream:
            yield f"{codec}-{legacy}-{version}-{rows}-unended.arrow", raw[: -4 if legacy else -8]
    for codec in ("uncompressed", "lz4", "zstd"):
        buffer = io.BytesIO()
        pyarrow.feather.write_feather(table(20), buffer, compression=codec)
        yield f"{codec}.feather", buffer.getvalue()
    try:
        buffer = io.BytesIO()
        pyarrow.feather.write_feather(pyarrow.table({"x": [1.0, 2.0]}), buffer, version=1)
        yield "1.feather", buffer.getvalue()
    except (TypeError, ValueError):
        pass  # later versions do not write it


DTYPES = ["<f4", ">f4", "f2", "f8", "i1", "<u8", ">i4", "?", "c8", "S5", "U3", "M8[ns]", [("a", "f4"), ("b", "i2", (3,))]]


def npy(folder: Path) -> Files:
    for number, (dtype, shape, order) in enumerate(itertools.product(DTYPES, ((), (0, 3), (5, 2), (2, 3, 4)), "CF")):
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.zeros(shape, dtype, order))
        yield f"{number}.npy", buffer.getvalue()
    buffer = io.BytesIO()
    numpy.save(buffer, FLOATS)
    numpy.save(buffer, FLOATS)
    yield "two.npy", buffer.getvalue()
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        numpy.lib.format.write_array(buffer, FLOATS, version)
        yield f"version-{version[0]}.npy", buffer.getvalue()


def npz(folder: Path) -> Files:
    for number, dtype in enumerate(DTYPES):
        for save in (numpy.savez, numpy.savez_compressed):
            buffer = io.BytesIO()
            save(buffer, x=numpy.zeros((60, 4), dtype), wav=FLOATS, label=numpy.eye(6)[0])
            yield f"{save.__name__}-{number}.npz", buffer.getvalue()
    array = io.BytesIO()
    numpy.save(array, FLOATS)
    content = array.getvalue()
    for method, zip64, extra, comment, number in itertools.product(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), (False, True), (b"", bytes(3), b"\x35\xd9\4\0\0\0\4\0"), (b"", b"made here"), (1, 3)
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as zipped:
            zipped.comment = comment
            for name in ("wav", "label", "x")[:number]:
                info = zipfile.ZipInfo(f"{name}.npy")
                info.compress_type, info.extra = method, extra
                with zipped.open(info, "w", force_zip64=zip64) as stream:
                    stream.write(content)
        raw = buffer.getvalue()
        yield f"zip-{method}-{zip64}-{len(extra)}-{len(comment)}-{number}.npz", raw
        yield f"behind-{method}-{zip64}-{len(extra)}-{len(comment)}-{number}.npz", raw + b"more bytes"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(buffer, "a", method) as zipped:  # leaves a gap or overwrites the directory, and doubles a name
                zipped.writestr("wav.npy", content)
        yield f"twice-{method}-{zip64}-{len(extra)}-{len(comment)}-{number}.npz", buffer.getvalue()

    class Pipe(io.BytesIO):
        """Cannot be searched, so that sizes follow the data."""

        def seekable(self) -> bool:
            return False

        def seek(self, *_arguments: int) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as zipped:
        zipped.writestr("wav.npy", content)
    yield "streamed.npz", pipe.getvalue()


def safetensor(folder: Path) -> Files:
    for number, dtype in enumerate(("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8")):
        for metadata in (None, {"speaker": "one"}):
            raw = safetensors.numpy.save({"x": numpy.zeros((3, 4), dtype), "y": FLOATS}, metadata)
            yield f"{number}-{metadata is None}.safetensors", raw
    widths = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "F8_E4M3": 8, "F8_E5M2": 8, "BF16": 16, "C64": 64}
    for dtype, bits in widths.items():
        for before, more in (("", {}), ("  \n", {}), ("", {"note": [1.5, None]})):
            header = before + json.dumps({"x": {"dtype": dtype, "shape": [8, 2], "data_offsets": [0, 2 * bits], **more}})
            yield f"{dtype}-{len(before)}-{len(more)}.safetensors", struct.pack("<Q", len(header)) + header.encode() + bytes(2 * bits)


def hdf5_drivers(folder: Path) -> Files:
    """Files with parts elsewhere: of several files that belong together, the metadata alone can be opened, and not all."""
    path = folder / "driven.h5"
    for driver, options in (("core", {"backing_store": True}), ("stdio", {}), ("split", {}), ("family", {"memb_size": 1024})):
        with h5py.File(folder / "driven-%d.h5" if driver == "family" else path, "w", driver=driver, **options) as file:
            file["x"] = FLOATS
        for one in sorted(folder.glob("driven*")):
            yield f"{driver}-{one.name.replace('.h5', '')}.h5", one.read_bytes()
            one.unlink()
    for number, swmr in enumerate((False, True)):
        with h5py.File(path, "w", libver="latest") as file:
            data = file.create_dataset("x", (40, 8), "f4", maxshape=(None, 8), chunks=(10, 8))
            if swmr:
                file.swmr_mode = True
            data[:] = FLOATS
            file.flush()
            yield f"open-{number}.h5", path.read_bytes()
        yield f"closed-{number}.h5", path.read_bytes()
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", (40, 8), "f4", external=[(str(folder / "raw.bin"), 0, h5py.h5f.UNLIMITED)])
        layout = h5py.VirtualLayout((40, 8), "f4")
        layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (40, 8))
        file.create_virtual_dataset("virtual", layout)
        file["compact"] = numpy.zeros(4)
        file["reference"] = file["raw"].ref
        file["text"] = ["a", "bc"]
    yield "external.h5", path.read_bytes()
    path.unlink()


class Keys(encryption.KmsClient):
    """Wraps keys by turning them round."""

    def __init__(self, _configuration: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, _name: str) -> bytes:
        return base64.b64encode(key[::-1])

    def unwrap_key(self, key: bytes, _name: str) -> bytes:
        return base64.b64decode(key)[::-1]


def encrypted_parquet(folder: Path) -> Files:
    """With the footer encrypted, and with a footer that everybody can read."""
    factory, connection = encryption.CryptoFactory(Keys), encryption.KmsConnectionConfig()
    for plaintext, rows in itertools.product((False, True), (10, 60)):
        how = encryption.EncryptionConfiguration("footer", column_keys={"one": ["label"]}, plaintext_footer=plaintext)
        buffer = io.BytesIO()
        properties = factory.file_encryption_properties(connection, how)
        source = table(rows).select(["label", "zeros"])
        with pyarrow.parquet.ParquetWriter(buffer, source.schema, encryption_properties=properties) as writer:
            writer.write_table(source)
        yield f"encrypted-{plaintext}-{rows}.parquet", buffer.getvalue()


def arrow_dictionaries(folder: Path) -> Files:
    """Dictionaries that grow, are replaced, or are shared; messages with metadata of their own; a schema and nothing else."""
    schema = pyarrow.schema([("word", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())), ("x", pyarrow.list_(pyarrow.float32(), 2))])
    for deltas, unify, stream, batches in itertools.product((False, True), (False, True), (False, True), (0, 1, 3)):
        options = pyarrow.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas, unify_dictionaries=unify)
        buffer = io.BytesIO()
        try:
            with (pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file)(buffer, schema, options=options) as writer:
                for number in range(batches):
                    words = [f"word {one}" for one in range(number + 1)]
                    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, number], pyarrow.int8()), words)
                    pairs = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array([0.5] * 4, pyarrow.float32()), 2)
                    writer.write_batch(pyarrow.record_batch([column, pairs], schema=schema), {"number": str(number)})
        except (pyarrow.ArrowInvalid, TypeError):
            continue  # a file holds one dictionary, unless it grows
        yield f"dictionary-{deltas}-{unify}-{stream}-{batches}.arrow", buffer.getvalue()


def npy_types(folder: Path) -> Files:
    types = ["<c16", ">U4", "<M8", ">m8[25s]", "V7", "f16", "S0", [("a", ">f4"), ("", "V3"), ("b", "S2")],
             [("a", [("x", "u1"), ("y", "f8")], (2,))], [(("a title", "name"), "f4")],
             {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [3, 16], "itemsize": 40}, "O"]  # fmt: skip
    for number, (dtype, order) in enumerate(itertools.product(types, "CF")):
        for align in (False, True):
            kind = numpy.dtype(dtype, align=align)
            buffer = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                numpy.save(buffer, numpy.zeros((3, 2), kind, order))
            yield f"type-{number}-{align}.npy", buffer.getvalue()
    for number in (100, 900):
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.zeros(2, [(f"field_{one}", "f4") for one in range(number)]))
        yield f"{number}-fields.npy", buffer.getvalue()


def npz_members(folder: Path) -> Files:
    """An archive behind other bytes, one with more members than fit the usual directory, and members that are no arrays."""
    buffer = io.BytesIO()
    numpy.savez(buffer, wav=FLOATS)
    yield "prefixed.npz", b"#!/bin/sh\nexit\n" + buffer.getvalue()
    prefixed = io.BytesIO(b"#!/bin/sh\nexit\n")
    prefixed.seek(0, 2)
    numpy.savez(prefixed, wav=FLOATS)
    yield "written-behind.npz", prefixed.getvalue()
    array = io.BytesIO()
    numpy.save(array, numpy.zeros(1))
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w", zipfile.ZIP_DEFLATED) as zipped:
        for number in range(2000):
            zipped.writestr(zipfile.ZipInfo(f"arr_{number}.npy"), array.getvalue())
    yield "many.npz", many.getvalue()
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w", method) as zipped:
            zipped.writestr("wav.npy", array.getvalue())
            zipped.writestr("README.txt", "text")
            zipped.writestr("folder/", "")
        yield f"method-{method}.npz", other.getvalue()


WRITERS = (hdf5, hdf5_drivers, parquet, encrypted_parquet, arrow, arrow_dictionaries, npy, npy_types, npz, npz_members, safetensor,
           tar, gnu_tar)  # fmt: skip
