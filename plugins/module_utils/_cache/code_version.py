# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of the code: what one version concluded is not used by another."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from typing import Iterator, Tuple

from .. import errors


def code_version() -> str:
    """Return a digest over the collection's sources, in the archive that Ansible sends or in a folder."""
    archive = getattr(errors.__loader__, "archive", None)
    sources = _in_archive(archive) if archive else _in_folder(os.path.dirname(errors.__file__))
    return hashlib.sha256(repr(sorted(sources)).encode("utf-8", "backslashreplace")).hexdigest()


def _in_archive(path: str) -> Iterator[Tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            if "/trainprep/" in item.filename:
                yield item.filename, item.file_size, item.CRC


def _in_folder(top: str) -> Iterator[Tuple[str, int, int]]:
    for folder, _folders, names in os.walk(top):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    yield os.path.relpath(path, top), os.path.getsize(path), zlib.crc32(file.read())
