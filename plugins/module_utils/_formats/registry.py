# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All known formats, recognised by content, and other kinds of files that a report can name. A new format is a file next to this one,
and a line here."""

from __future__ import annotations

from typing import Dict, Optional, Tuple, Union

from . import arrow, hdf5, interface, npy, npz, parquet, safetensors, tar
from .reader import Reader

FORMATS: Tuple[interface.Format, ...] = (
    npz.FORMAT,
    npy.FORMAT,
    safetensors.FORMAT,
    parquet.FORMAT,
    arrow.FORMAT,
    tar.FORMAT,
    hdf5.FORMAT,
)

KINDS: Tuple[interface.Kind, ...] = tuple(kind for one in FORMATS for kind in one.kinds)

# The kinds that the end of a name promises, by that end in lower case.
PROMISES: Dict[str, Tuple[interface.Kind, ...]] = {}
for _kind in KINDS:
    for _suffix in _kind.suffixes:
        PROMISES[_suffix] = (*PROMISES.get(_suffix, ()), _kind)

# What completes "the file ..." for other kinds, by their first bytes.
_OTHERS: Tuple[Tuple[Union[bytes, Tuple[bytes, ...]], str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "is a Git LFS pointer, not the file itself: fetch it with 'git lfs pull'"),
    (b"/annex/objects/", "is a git-annex pointer, not the file itself: fetch it with 'git annex get'"),
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "is in torch's old form, which only a pickle can load"),
    ((b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95"), "is a pickle, which is never loaded"),
    ((b"<!DOCTYPE", b"<html"), "is a web page, as a download leaves it that was answered with an error"),
    (b"<?xml", "is an XML text, as a download leaves it that was answered with an error"),
    (b"\x1f\x8b", "is packed by gzip: unpack it"),
    (b"BZh", "is packed by bzip2: unpack it"),
    (b"\xfd7zXZ\0", "is packed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "is packed by Zstandard: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is packed by 7-Zip: unpack it"),
)


def recognise(reader: Reader) -> Optional[interface.Format]:
    """Return the format that a file begins as."""
    for one in FORMATS:
        if one.begins(reader):
            return one
    return None


def promised(name: str) -> Tuple[interface.Kind, ...]:
    """Return the kinds that a file's name promises."""
    return PROMISES.get("." + name.rpartition(".")[2].lower(), ()) if "." in name else ()


def name_unknown(head: bytes) -> Optional[str]:
    """Return what completes "the file ..." for another kind that is known by its beginning."""
    return next((label for beginning, label in _OTHERS if head.startswith(beginning)), None)
