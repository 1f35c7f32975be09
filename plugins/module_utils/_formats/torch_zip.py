# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.pt), C(.pth): torch's archive of a pickle and, beside it, the tensors' data."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .damage import Damaged, Foreign
from .dtypes import shorten
from .interface import ArrayHeader, Kind
from .torch_pickle import Storage, Tensor, walk
from .zip_central_directory import Member, Reader
from .zip_members import check_method, compare, read_all

KIND = Kind("torch", "a torch archive", (".pt", ".pth", ".zip"), True)

PICKLE = "/data.pkl"
_MAX_PICKLE = 4 << 20
_MAX_NOTE = 64
_VERSION = re.compile(rb"0*(?:[1-9]|10)\s*\Z")
# Written anew each time, or beside the content: no part of what is the same.
_NOTES = (b"version", b"byteorder", b".data/serialization_id", b".format_version", b".storage_alignment")


def read_torch(
    reader: Reader, members: Sequence[Member], starts: Sequence[int], full: bool
) -> Tuple[Dict[str, ArrayHeader], Optional[ArrayHeader]]:
    """The tensors at the top of the archive's pickle, by name, or the one that is all of it.

    The archive has a member that ends in PICKLE.
    """
    prefix, parts = _parts(members)
    if any(name == "constants.pkl" or name.startswith("code/") for name in parts):
        raise Foreign("is a program (TorchScript), which only torch can load")
    for member, start in zip(members, starts):
        check_method(member)
        if member.called_folder and member.size:
            raise Damaged(f"calls a member a folder, of which torch reads nothing ({shorten(member.name)})")
        if full:
            compare(reader, member, start)
    where = {member.name: (member, start) for member, start in zip(members, starts)}

    def small(name: str, most: int) -> bytes:
        member, start = where[prefix + name]
        if member.size > most:
            raise Foreign(f"has {member.size} bytes in {shorten(member.name)}, more than are read here")
        return b"".join(read_all(reader, member, start))

    if "version" not in parts or not _VERSION.match(small("version", _MAX_NOTE)):
        raise Damaged("has no version that torch knows")
    if "byteorder" in parts and small("byteorder", _MAX_NOTE) not in (b"little", b"big"):
        raise Damaged("has an unknown order of bytes")
    if ".storage_alignment" in parts and not small(".storage_alignment", _MAX_NOTE).isdigit():
        raise Damaged("has an alignment that is not a number")
    walked = walk(small("data.pkl", _MAX_PICKLE))
    for storage in walked.storages.values():
        _check_storage(parts, storage)
    if isinstance(walked.top, Tensor):
        return {}, _header(walked.top)
    arrays = {str(key): _header(value) for key, value in _top(walked.top) if isinstance(value, Tensor)}
    if not arrays:
        raise Foreign("is a torch archive without tensors at its top")
    return arrays, None


def _parts(members: Sequence[Member]) -> Tuple[str, Dict[str, Member]]:
    """The folder that all members lie in, and the members by their names in it."""
    prefix = members[0].name.partition("/")[0] + "/"
    if not all(member.name.startswith(prefix) for member in members):
        raise Damaged("has members outside its folder")
    parts = {member.name[len(prefix) :]: member for member in members}
    if PICKLE[1:] not in parts:
        raise Damaged("lacks its pickle")
    return prefix, parts


def _check_storage(parts: Dict[str, Member], storage: Storage) -> None:
    member = parts.get("data/" + storage.key)
    if member is None:
        raise Damaged(f"lacks the data of a tensor ({shorten(storage.key)})")
    if member.size != storage.length * storage.dtype.itemsize:
        raise Damaged(f"has {member.size} bytes in {shorten(member.name)} where its pickle announces another number")


def _top(value: Any) -> List[Tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if type(value) in (list, tuple):
        return list(enumerate(value))
    return []


def _header(tensor: Tensor) -> ArrayHeader:
    length = tensor.dtype.itemsize
    for dimension in tensor.shape:
        length *= dimension
    return ArrayHeader(tensor.dtype, tensor.shape, 0, length, True)


def torch_parts(members: Sequence[Member]) -> List[Tuple[bytes, Member]]:
    """The members that make an archive what it is, without the folder: that is named after the file as it was written."""
    named = [(member.raw_name.partition(b"/")[2], member) for member in members]
    return [(name, member) for name, member in named if name not in _NOTES]
