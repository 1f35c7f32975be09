# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.pt), C(.pth): torch's archive of a pickle and, beside it, the tensors' data."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import damage, dtypes, interface, torch_pickle, zip_members
from . import zip_central_directory as central

KIND = interface.Kind("torch", "a torch archive", (".pt", ".pth", ".zip"), True)

PICKLE = "/data.pkl"
_MAX_PICKLE = 4 << 20
_MAX_NOTE = 64
_VERSION = re.compile(rb"0*(?:[1-9]|10)\s*\Z")
# Written anew each time, or beside the content: no part of what is the same.
_NOTES = (b"version", b"byteorder", b".data/serialization_id", b".format_version", b".storage_alignment")


def read_torch(
    reader: central.Reader, members: Sequence[central.Member], starts: Sequence[int], full: bool
) -> Tuple[Dict[str, interface.ArrayHeader], Optional[interface.ArrayHeader]]:
    """The tensors at the top of the archive's pickle, by name, or the one that is all of it.

    The archive has a member that ends in PICKLE.
    """
    prefix, parts = _parts(members)
    if any(name == "constants.pkl" or name.startswith("code/") for name in parts):
        raise damage.Foreign("is a program (TorchScript), which only torch can load")
    for member, start in zip(members, starts):
        zip_members.check_method(member)
        if member.called_folder and member.size:
            raise damage.Damaged(f"calls a member a folder, of which torch reads nothing ({dtypes.shorten(member.name)})")
        if full:
            zip_members.compare(reader, member, start)
    where = {member.name: (member, start) for member, start in zip(members, starts)}

    def small(name: str, most: int) -> bytes:
        member, start = where[prefix + name]
        if member.size > most:
            raise damage.Foreign(f"has {member.size} bytes in {dtypes.shorten(member.name)}, more than are read here")
        return b"".join(zip_members.read_all(reader, member, start))

    if "version" not in parts or not _VERSION.match(small("version", _MAX_NOTE)):
        raise damage.Damaged("has no version that torch knows")
    if "byteorder" in parts and small("byteorder", _MAX_NOTE) not in (b"little", b"big"):
        raise damage.Damaged("has an unknown order of bytes")
    if ".storage_alignment" in parts and not small(".storage_alignment", _MAX_NOTE).isdigit():
        raise damage.Damaged("has an alignment that is not a number")
    walked = torch_pickle.walk(small("data.pkl", _MAX_PICKLE))
    for storage in walked.storages.values():
        _check_storage(parts, storage)
    if isinstance(walked.top, torch_pickle.Tensor):
        return {}, _header(walked.top)
    arrays = {str(key): _header(value) for key, value in _top(walked.top) if isinstance(value, torch_pickle.Tensor)}
    if not arrays:
        raise damage.Foreign("is a torch archive without tensors at its top")
    return arrays, None


def _parts(members: Sequence[central.Member]) -> Tuple[str, Dict[str, central.Member]]:
    """The folder that all members lie in, and the members by their names in it."""
    prefix = members[0].name.partition("/")[0] + "/"
    if not all(member.name.startswith(prefix) for member in members):
        raise damage.Damaged("has members outside its folder")
    parts = {member.name[len(prefix) :]: member for member in members}
    if PICKLE[1:] not in parts:
        raise damage.Damaged("lacks its pickle")
    return prefix, parts


def _check_storage(parts: Dict[str, central.Member], storage: torch_pickle.Storage) -> None:
    member = parts.get("data/" + storage.key)
    if member is None:
        raise damage.Damaged(f"lacks the data of a tensor ({dtypes.shorten(storage.key)})")
    if member.size != storage.length * storage.dtype.itemsize:
        raise damage.Damaged(f"has {member.size} bytes in {dtypes.shorten(member.name)} where its pickle announces another number")


def _top(value: Any) -> List[Tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if type(value) in (list, tuple):
        return list(enumerate(value))
    return []


def _header(tensor: torch_pickle.Tensor) -> interface.ArrayHeader:
    length = tensor.dtype.itemsize
    for dimension in tensor.shape:
        length *= dimension
    return interface.ArrayHeader(tensor.dtype, tensor.shape, 0, length, True)


def torch_parts(members: Sequence[central.Member]) -> List[Tuple[bytes, central.Member]]:
    """The members that make an archive what it is, without the folder: that is named after the file as it was written."""
    named = [(member.raw_name.partition(b"/")[2], member) for member in members]
    return [(name, member) for name, member in named if name not in _NOTES]
