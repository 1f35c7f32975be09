# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that their libraries write or read, and that few programs write so: what a header may say, and how long it may be."""

from __future__ import annotations

import io
import itertools
import json
import struct
from pathlib import Path

import h5py
import numpy
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from tests.corpus.written import FLOATS, Files


def arrow_schemas(folder: Path) -> Files:
    """Schemas of some MiB, as datasets of many columns or with a long description have; and a tensor, which is no table."""
    for name, columns, note in (("columns", 9000, 1), ("note", 2, 3 << 20)):
        source = pyarrow.table({f"column_{number}": [0.5] for number in range(columns)}, metadata={"note": "x" * note})
        for make in (pyarrow.ipc.new_stream, pyarrow.ipc.new_file):
            buffer = io.BytesIO()
            with make(buffer, source.schema) as writer:
                writer.write_table(source)
            yield f"{name}-{make.__name__}.arrow", buffer.getvalue()
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}, metadata={"note": "x" * (3 << 20)}), folder / "x")
    yield "note.parquet", (folder / "x").read_bytes()
    with pyarrow.OSFile(str(folder / "x"), "wb") as file:
        pyarrow.ipc.write_tensor(pyarrow.Tensor.from_numpy(FLOATS), file)
    yield "tensor.arrow", (folder / "x").read_bytes()


def hdf5_widths(folder: Path) -> Files:
    """Addresses and lengths of other widths."""
    for address, length in itertools.product((2, 4, 8, 16), (2, 4, 8)):
        properties = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        properties.set_sizes(address, length)
        with h5py.File(h5py.h5f.create(str(folder / "x").encode(), h5py.h5f.ACC_TRUNC, fcpl=properties)) as file:
            file["x"] = FLOATS[:4]
        yield f"width-{address}-{length}.h5", (folder / "x").read_bytes()


def npy_headers(folder: Path) -> Files:
    """Headers as other programs write them."""
    for number, (descr, shape, end) in enumerate(itertools.product(
        ("'<f4'", '"<f4"', "'f4'", "'float32'", "'f'", "u'<f4'", "('<f4', (8,))", "[('a', '<f4', (8,))]", "('<f4')", "'<f' '4'"),
        ("(40, 8)", "(40,8,)", "(40L, 8L)", "(0x28, 8)", "[40, 8]", "(40)", "(40,)"), ("", "\n", " \n"),
    )):  # fmt: skip
        header = f"{{'shape': {shape}, 'fortran_order': False, 'descr': {descr}}}{end}".encode("ascii")
        yield f"header-{number}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + FLOATS.tobytes()


def safetensors_headers(folder: Path) -> Files:
    """What JSON leaves open, and what the library's parser reads besides."""
    entry = '"dtype":"F32","shape":[2],"data_offsets":[0,8]'
    headers = ['{"x":["F32",[2],[0,8]]}', f'{{"x":{{{entry}}},"x":{{{entry}}}}}', json.dumps({"x": json.loads(f"{{{entry}}}")}, indent=1)]
    values = ("1e999", "NaN", "-0.0", "[" * 150 + "]" * 150, "12345678901234567890123", '"\\ud800"', '{"a":[]}', "02")
    headers += [f'{{"x":{{{entry},"more":{value}}}}}' for value in values]
    headers += [f'{{"__metadata__":{value},"x":{{{entry}}}}}' for value in ("null", "{}", '{"a":1}', '{"a":"\\u0000"}')]
    for number, header in enumerate(headers):
        yield f"header-{number}.safetensors", struct.pack("<Q", len(header)) + header.encode("utf-8") + bytes(8)


def npz_names(folder: Path) -> Files:
    buffer = io.BytesIO()
    numpy.savez(buffer, **{"a/b": FLOATS, "c d": FLOATS, "ä": FLOATS, "": FLOATS})
    yield "names.npz", buffer.getvalue()


WRITERS = (arrow_schemas, hdf5_widths, npy_headers, safetensors_headers, npz_names)
