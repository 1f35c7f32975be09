# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cache entry, and its form on the disk: JSON, and its digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import unchanged


class BadEntry(Exception):
    """The content of a file is not what was written."""


class Opened(NamedTuple):
    """What the training user opens of a set's target: C(features) files that C(reads) matches, all but C(exceptions)."""

    target: str
    reads: Sequence[str]
    tree: bool
    features: int
    exceptions: FrozenSet[str]


class CacheEntry(NamedTuple):
    """Facts and what they depend on.

    C(basis): see C(basis.basis_of); C(mounts): paths that are mount points; C(absent): paths where nothing is; C(targets), C(legacy):
    paths and digests of where they lead; C(folders): every directory that was scanned.
    """

    facts: Dict[str, Any]
    basis: Dict[str, Any]
    mounts: List[str]
    absent: List[str]
    targets: List[Tuple[str, str]]
    legacy: List[Tuple[str, str]]
    sets: List[Opened]
    folders: List[unchanged.Folder]


def pack(entry: CacheEntry) -> bytes:
    """Return the content of a file."""
    fields = {**entry._asdict(), "sets": [[*one[:-1], sorted(one.exceptions)] for one in entry.sets]}
    text = json.dumps(fields, separators=(",", ":"))
    return json.dumps({"sha256": _digest(text), "entry": text}).encode("ascii")


def unpack(raw: bytes, basis: Mapping[str, Any]) -> Optional[CacheEntry]:
    """Return the entry in a file's content, None for one of another basis. Raises C(BadEntry).

    The basis has the version of the code. So what is returned has the form that C(pack) gave it, and is not checked again.
    """
    try:
        content = json.loads(raw.decode("ascii"))
        text = content["entry"]
        if _digest(text) != content["sha256"]:
            raise ValueError("the digest differs")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise BadEntry(str(error)) from None
    fields = json.loads(text)
    if fields["basis"] != basis:
        return None
    fields["sets"] = [Opened._make([*rest, frozenset(exceptions)]) for *rest, exceptions in fields["sets"]]
    fields["folders"] = [unchanged.Folder(path, tuple(key), *rest) for path, key, *rest in fields["folders"]]
    return CacheEntry(**fields)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
