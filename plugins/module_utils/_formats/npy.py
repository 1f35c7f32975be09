# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.npy): one array behind its header. It carries no checksum."""

from __future__ import annotations

from . import damage, interface, npy_header, npz
from . import zip_central_directory as central

KIND = interface.Kind("npy", "a .npy array", (".npy",), True)


def _begins(reader: central.Reader) -> bool:
    return reader.head.startswith(npy_header.MAGIC)


def _read(reader: central.Reader, criteria: interface.Criteria) -> interface.Content:
    header = npz.read_header(reader.head, lambda length: reader.read(0, length), reader.size)
    if header.start + header.length != reader.size and not header.dtype.objects:
        raise damage.Damaged(f"has {reader.size - header.start} bytes of data where its header announces {header.length}")
    return interface.Content(KIND, {}, header)


FORMAT = interface.Format((KIND,), _begins, _read)
