# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cache entries and their files: JSON and its digest, in a directory that no other user can have written.

As root, that is below a directory that only root can write; otherwise the cache directory of the current user, which root never reads.
A file or directory of another kind, owner or mode counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import stat
from typing import Any, BinaryIO, Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._system import at, paths
from . import unchanged

NAME = "trainprep.features"
MOST_BYTES = 1 << 20
MOST_FILES = 16

_NEW = ".new"


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

    C(basis): see C(basis.basis_of); C(mounts): paths that are mount points; C(absent): paths that do not exist; C(targets), C(legacy):
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


def load(name: str) -> Optional[bytes]:
    """Return the content that C(save) left under this name; None if there is none that can be trusted."""
    with contextlib.suppress(OSError, KeyError), _directory(make=False) as directory, _open(directory, name) as file:
        info = os.fstat(file.fileno())
        if stat.S_ISREG(info.st_mode) and _is_ours(info) and info.st_nlink == 1 and info.st_size <= MOST_BYTES:
            return file.read(MOST_BYTES)
    return None


def _open(directory: int, name: str) -> BinaryIO:
    return os.fdopen(at.open_name(directory, name, paths.OPEN_FILE), "rb")


def save(name: str, content: bytes) -> bool:
    """Save the content under a plain name, whole or not at all; return whether that was possible."""
    if len(content) > MOST_BYTES:
        return False
    with contextlib.suppress(OSError, KeyError), _directory(make=True) as directory:
        with contextlib.suppress(FileNotFoundError):
            at.unlink(directory, name + _NEW)
        with os.fdopen(at.create(directory, name + _NEW), "wb") as file:
            file.write(content)
        at.rename(directory, name + _NEW, directory, name)
        _forget_the_oldest(directory)
        return True
    return False


def forget(name: str) -> None:
    with contextlib.suppress(OSError, KeyError), _directory(make=False) as directory:
        at.unlink(directory, name)


def place() -> str:
    if os.geteuid() == 0:
        return f"/var/cache/{NAME}"
    return f"{pwd.getpwuid(os.geteuid()).pw_dir}/.cache/{NAME}"


@contextlib.contextmanager
def _directory(make: bool) -> Iterator[int]:
    """A descriptor of the directory; OSError if other users could write it or it is reached through a link. make: create it."""
    above, name = os.path.split(place())
    fd = os.open(above, paths.OPEN_DIRECTORY)
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                at.mkdir(fd, name, 0o700)
        below = at.open_name(fd, name, paths.OPEN_DIRECTORY)
        if not (_is_ours(os.fstat(fd)) and _is_ours(os.fstat(below))):
            os.close(below)
            raise PermissionError(f"{above}/{name} can be written by others")
    finally:
        os.close(fd)
    try:
        yield below
    finally:
        os.close(below)


def _is_ours(info: os.stat_result) -> bool:
    return info.st_uid == os.geteuid() and not info.st_mode & 0o022


def _forget_the_oldest(directory: int) -> None:
    names = os.listdir(directory)
    if len(names) > MOST_FILES:
        oldest = sorted(names, key=lambda name: at.lstat(directory, name).st_mtime_ns)
        for name in oldest[: len(names) - MOST_FILES]:
            at.unlink(directory, name)
