# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.npy): one array behind its header. It carries no checksum."""

from __future__ import annotations

from .damage import Damaged
from .interface import Content, Criteria, Format, Kind
from .npy_header import MAGIC
from .npz import read_header
from .zip_central_directory import Reader

KIND = Kind("npy", "a .npy array", (".npy",), True)


def _begins(reader: Reader) -> bool:
    return reader.head.startswith(MAGIC)


def _read(reader: Reader, criteria: Criteria) -> Content:
    header = read_header(reader.head, lambda length: reader.read(0, length), reader.size)
    if header.start + header.length != reader.size and not header.dtype.objects:
        raise Damaged(f"has {reader.size - header.start} bytes of data where its header announces {header.length}")
    return Content(KIND, {}, header)


FORMAT = Format((KIND,), _begins, _read)
