# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parquet by its frame: a magic at both ends, and a footer of announced length.

The footer itself and the pages are not parsed; pages' checksums are not compared, as readers do not compare them by default.
"""

from __future__ import annotations

import struct

from . import damage, interface
from .reader import Reader

KIND = interface.Kind("parquet", "a Parquet file", (".parquet", ".pq"), False)

MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_END = struct.Struct("<L4s")


def _begins(reader: Reader) -> bool:
    # Readers go by the end; the start tells what a truncated file was to be.
    return reader.head[:4] in (MAGIC, _ENCRYPTED) or (reader.size >= 12 and reader.tail[-4:] in (MAGIC, _ENCRYPTED))


def _read(reader: Reader, criteria: interface.Criteria) -> interface.Content:
    if reader.size < 4 + _END.size:
        raise damage.Damaged("is truncated")
    length, magic = _END.unpack(reader.read(reader.size - _END.size, _END.size))
    if magic not in (MAGIC, _ENCRYPTED):
        raise damage.Damaged("is truncated (its end is missing)")
    if not 0 < length <= reader.size - _END.size - 4:
        raise damage.Damaged(f"has a footer of {length} bytes, which does not fit into it")
    if magic == _ENCRYPTED:
        raise damage.NotUnderstood("is an encrypted Parquet file")
    if reader.head[:4] != MAGIC:
        raise damage.NotUnderstood("ends as a Parquet file and does not begin as one")
    return interface.frame_only(KIND, reader, criteria)


FORMAT = interface.Format((KIND,), _begins, _read)
