# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cache entry, and its form on the disk: JSON, in which a path is the hexadecimal of its bytes."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, FrozenSet, List, NamedTuple, Sequence, Tuple

from . import unchanged


class Opened(NamedTuple):
    """What the training user opens of a set's target: C(features) files that C(reads) matches, all but C(exceptions)."""

    target: str
    reads: Tuple[str, ...]
    tree: bool
    exceptions: FrozenSet[bytes]
    features: int


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
    content = {
        **entry._asdict(),
        **{name: [_text(path) for path in getattr(entry, name)] for name in ("mounts", "absent")},
        **{name: [[_text(path), digest] for path, digest in getattr(entry, name)] for name in ("targets", "legacy")},
        "sets": [[_text(one.target), one.reads, one.tree, sorted(map(bytes.hex, one.exceptions)), one.features] for one in entry.sets],
        "folders": [[_text(one.path), *one.key, one.ctime, one.entries, one.names, one.digests] for one in entry.folders],
    }
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def unpack(raw: bytes) -> CacheEntry:
    """Return the entry in a file's content; ValueError if it is none."""
    try:
        content = json.loads(raw.decode("ascii"))
        facts = content["facts"]
        if facts["features_ready"] is not True or facts["feature_steps"] or not all(map(dict, facts["feature_sets"].values())):
            raise ValueError("these facts are never cached")
        return CacheEntry(
            facts,
            dict(content["basis"]),
            list(map(_path, content["mounts"])),
            list(map(_path, content["absent"])),
            [(_path(path), str(digest)) for path, digest in content["targets"]],
            [(_path(path), str(digest)) for path, digest in content["legacy"]],
            [_opened(*one) for one in content["sets"]],
            [_folder(*one) for one in content["folders"]],
        )
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"no cache entry: {error}") from None


def _opened(target: str, reads: Sequence[str], tree: bool, exceptions: Sequence[str], features: int) -> Opened:
    return Opened(_path(target), tuple(map(str, reads)), bool(tree), frozenset(map(bytes.fromhex, exceptions)), int(features))


def _folder(path: str, dev: int, ino: int, ctime: int, entries: str, names: int, digests: Sequence[str]) -> unchanged.Folder:
    if entries not in (unchanged.NAMES, unchanged.EACH, unchanged.FOLLOW) or len(digests) != -(-names // unchanged.CHUNK):
        raise ValueError(path)
    return unchanged.Folder(_path(path), (int(dev), int(ino)), int(ctime), entries, int(names), tuple(map(str, digests)))


def _text(path: str) -> str:
    return os.fsencode(path).hex()


def _path(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text))
