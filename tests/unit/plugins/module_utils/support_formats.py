# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of the further formats, written by hand, so that no library is needed and each byte can be made wrong."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile


def safetensors(header=None, data=None):
    """The file with this header; of one array of six floats where none is given."""
    if header is None:
        header = {"wav2vec_features": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    raw = header if isinstance(header, bytes) else json.dumps(header).encode("ascii")
    end = 24 if isinstance(header, bytes) else max([0, *(one["data_offsets"][1] for one in header.values())])
    return struct.pack("<Q", len(raw)) + raw + (bytes(end) if data is None else data)


def _text(value):
    raw = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value):
    return b"J" + struct.pack("<i", value)


def _tuple(*items):
    return b"(" + b"".join(items) + b"t"


def tensor(shape=(2, 3), key="0", count=None, kind="FloatStorage", stride=None):
    """The part of a pickle that rebuilds a tensor."""
    count = count if count is not None else shape[0] * shape[1]
    stride = stride if stride is not None else (shape[1], 1)
    storage = _tuple(_text("storage"), f"ctorch\n{kind}\n".encode(), _text(key), _text("cpu"), _number(count)) + b"Q"
    numbers = [_tuple(*map(_number, one)) for one in (shape, stride)]
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + _tuple(
        storage, _number(0), *numbers, b"\x89", b"ccollections\nOrderedDict\n)R"
    ) + b"R"  # fmt: skip


def torch_pickle(**values):
    """A pickle of a dictionary; each value is a part of a pickle."""
    return b"\x80\x02}(" + b"".join(_text(name) + value for name, value in values.items()) + b"u."


FEATURES = torch_pickle(wav2vec_features=tensor(), emotion=_text("sad"))


def torch(raw=FEATURES, parts=None, folder="archive", folders=()):
    """An archive of torch's around a pickle. parts: its other members, by default the data of one tensor and the version.

    folders: members that are called folders by their attributes.
    """
    parts = {"data/0": bytes(24), "version": b"3\n"} if parts is None else parts
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in {"data.pkl": raw, **parts}.items():
            info = zipfile.ZipInfo(f"{folder}/{name}")
            info.external_attr = 0x10 if name in folders else 0
            zipped.writestr(info, content)
    return buffer.getvalue()


class Trap:
    """What calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def trap(function, *arguments, protocol=2):
    """An archive whose pickle calls this function where it is loaded."""
    return torch(pickle.dumps({"x": Trap(function, *arguments)}, protocol=protocol))


def tar(form=tarfile.PAX_FORMAT, files=("a.npy", "folder/" * 20 + "b.npy")):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in files:
            info = tarfile.TarInfo(name)
            info.size = 700
            archive.addfile(info, io.BytesIO(bytes(700)))
    return buffer.getvalue()


def hdf5(size=2048, end=None, user_block=0):
    """A superblock of version 0 and nothing that a quick look goes on to."""
    nowhere = b"\xff" * 8
    raw = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    raw += struct.pack("<Q", user_block) + nowhere + struct.pack("<Q", size if end is None else end) + nowhere
    raw += struct.pack("<QQII16x", 0, 96, 0, 0)
    return (bytes(user_block) + raw).ljust(size, b"\0")


def parquet(footer=b"\x15\x02", magic=b"PAR1"):
    return magic + bytes(40) + footer + struct.pack("<L", len(footer)) + magic


def arrow(footer=bytes(16)):
    return b"ARROW1\0\0" + bytes(40) + footer + struct.pack("<L", len(footer)) + b"ARROW1"


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
