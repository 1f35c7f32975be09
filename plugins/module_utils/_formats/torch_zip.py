# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(.pt), C(.pth): torch's archive of a pickle and, next to it, the tensors' data."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import damage, dtypes, interface, torch_pickle
from .zip_archive import DEFLATED, STORED, Archive, Member

KIND = interface.Kind("torch", "a torch archive", (".pt", ".pth", ".zip"), True)

PICKLE = "/data.pkl"
_MAX_PICKLE = 1 << 20
_MAX_NOTE = 64
_VERSION = re.compile(rb"0*(?:[1-9]|10)\s*\Z")
# Written again each time, or next to the content: not part of the identity.
_NOTES = (b"version", b"byteorder", b".data/serialization_id", b".format_version", b".storage_alignment")


def read_torch(archive: Archive, full: bool) -> Tuple[Dict[str, interface.ArrayHeader], Optional[interface.ArrayHeader]]:
    """Return the tensors at the top of the archive's pickle, by name, or the one that is all of it.

    archive: with a member that ends in PICKLE.
    """
    parts = _parts(archive.members)
    if any(name == "constants.pkl" or name.startswith("code/") for name in parts):
        raise damage.Foreign("is a program (TorchScript), which only torch can load")
    for member in archive.members:
        if member.method not in (STORED, DEFLATED):
            raise damage.NotUnderstood(f"is packed by method {member.method}, which is not read here ({dtypes.shorten(member.name)})")
        if member.called_folder and member.size:
            raise damage.NotUnderstood(f"calls a member a folder, of which torch reads nothing ({dtypes.shorten(member.name)})")
        if full:
            archive.compare(member, member.size)

    def small(name: str, most: int) -> bytes:
        member = parts[name]
        if member.size > most:
            raise damage.NotUnderstood(f"has {member.size} bytes in {dtypes.shorten(member.name)}, more than are read here")
        return archive.content(member)

    if "version" not in parts or not _VERSION.match(small("version", _MAX_NOTE)):
        raise damage.NotUnderstood("has no version that is known here")
    if "byteorder" in parts and small("byteorder", _MAX_NOTE) not in (b"little", b"big"):
        raise damage.NotUnderstood("has an unknown order of bytes")
    if ".storage_alignment" in parts and not small(".storage_alignment", _MAX_NOTE).isdigit():
        raise damage.NotUnderstood("has an alignment that is not a number")
    archive.reader.claim(parts["data.pkl"].size)
    top, storages = torch_pickle.walk(small("data.pkl", _MAX_PICKLE), archive.reader.step)
    for storage in storages.values():
        _check_storage(parts, storage)
    if isinstance(top, interface.ArrayHeader):
        return {}, top
    arrays = {str(key): value for key, value in _items(top) if isinstance(value, interface.ArrayHeader)}
    if not arrays:
        raise damage.Foreign("is a torch archive without tensors at its top")
    return arrays, None


def _parts(members: Sequence[Member]) -> Dict[str, Member]:
    """Return the members by their names in the folder that all of them are in."""
    prefix = members[0].name.partition("/")[0] + "/"
    if not all(member.name.startswith(prefix) for member in members):
        raise damage.NotUnderstood("has members outside its folder")
    parts = {member.name[len(prefix) :]: member for member in members}
    if PICKLE[1:] not in parts:
        raise damage.NotUnderstood("lacks its pickle")
    return parts


def _check_storage(parts: Dict[str, Member], storage: torch_pickle.Storage) -> None:
    member = parts.get("data/" + storage.key)
    if member is None:
        raise damage.Damaged(f"lacks the data of a tensor ({dtypes.shorten(storage.key)})")
    announced = storage.length * storage.dtype.itemsize
    if member.size != announced:
        answer = damage.Damaged if member.size < announced else damage.NotUnderstood
        raise answer(f"has {member.size} bytes in {dtypes.shorten(member.name)} where its pickle announces {announced}")


def _items(value: Any) -> List[Tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if type(value) in (list, tuple):
        return list(enumerate(value))
    return []


def torch_parts(members: Sequence[Member]) -> List[Tuple[bytes, Member]]:
    """Return the members that make an archive what it is, without the folder, which is named after the file as it was written."""
    named = [(member.raw_name.partition(b"/")[2], member) for member in members]
    return [(name, member) for name, member in named if name not in _NOTES]
