# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.npy): one array behind its header. It has no checksum; what follows the array is not read, as numpy does not."""

from __future__ import annotations

from . import damage, interface, npy_header
from .reader import Reader

KIND = interface.Kind("npy", "a .npy array", (".npy",), True)


def _begins(reader: Reader) -> bool:
    return reader.head.startswith(npy_header.MAGIC)


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    header = npy_header.read_header(reader.head, lambda length: reader.read(0, length), reader.size, reader.step)
    if header.start + header.length > reader.size and not header.dtype.objects:
        raise damage.Damaged(f"has {reader.size - header.start} bytes of data where its header announces {header.length}")
    if criteria.full:
        reader.read_everything()
    return interface.Content(KIND, {}, header)


FORMAT = interface.Format((KIND,), _begins, _read)
