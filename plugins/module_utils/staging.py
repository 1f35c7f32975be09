# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The staging directory: where an upload gathers until it is whole, and what the source held.

Beside it lies its manifest: names, sizes and identities of the features that the upload is to bring. So a
host can tell by itself whether an upload is complete, long after the controller that sent it has gone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import json
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .errors import FeatureError
from .paths import ABSENT, EMPTY, PRESENT, UNREADABLE, InodeKey, display
from .sets import FeatureSet
from .signatures import FEATURE, Verdict, content_digest, judge

# Where rsync keeps the beginning of a file whose transfer broke off, in each staged directory.
PARTIAL_DIR = ".rsync-partial"
# Where a fetch keeps its list, its log and its exit code, at the top of the staging directory.
FETCH_DIR = ".fetch"

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLLOW_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
OPEN_DIRECTORY = FOLLOW_DIRECTORY | os.O_NOFOLLOW

# rsync's temporary name of the file NAME is .NAME.XXXXXX, shortened in front of the X where it is too long.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[A-Za-z0-9]{6}\Z", re.DOTALL)

# How a manifest is called until it is written: always the same, so that the next run finds what a killed one left.
_NEW = ".new"

_FORMAT = 1


class Wanted(NamedTuple):
    """One feature of the source: its size in bytes, and C(i) + identity or C(c) + content digest, in hex."""

    size: int
    token: str


Manifest = Dict[str, Wanted]  # by path below the staging directory, "/" between


@dataclass
class Incoming:
    """What lies in a set's staging directory.

    C(state): C(absent), C(empty), C(present) or C(unreadable). C(features): how many of the manifest's features lie
    there whole. C(complete): nothing is missing, so that publishing can finish (also what a killed publication
    has already moved to the target counts as there).
    """

    state: str
    features: int
    complete: bool


def staging_path(target: str) -> str:
    """C(.<name>.incoming) beside the target; inside it where the target is a mount point, since files cannot be
    renamed across one. A target that is a link stands for the directory that it leads to."""
    return _beside(target, "incoming")


def manifest_path(target: str) -> str:
    """The manifest beside the staging directory: what is published by renaming that holds features alone."""
    return _beside(target, "incoming.manifest")


def _beside(target: str, suffix: str) -> str:
    real = os.path.realpath(target) if os.path.islink(target) else target.rstrip("/") or "/"
    parent = real if os.path.ismount(real) else os.path.dirname(real)
    return os.path.join(parent, f".{os.path.basename(real)}.{suffix}")


def key_of(info: os.stat_result) -> InodeKey:
    """(st_dev, st_ino)."""
    return (info.st_dev, info.st_ino)


def token_of(fd: int, name: str, verdict: Verdict) -> str:
    """What a feature is recognised by after its journey: the identity where the format has one, else the bytes."""
    if verdict.identity is not None:
        return "i" + verdict.identity.hex()
    return "c" + content_digest(fd, name).hex()


def pack_manifest(manifest: Manifest) -> str:
    """A manifest as an argument of a module: bytes of JSON, deflated, base64. Names keep bytes that are no UTF-8."""
    rows = [[_portable(name), wanted.size, wanted.token] for name, wanted in sorted(manifest.items())]
    text = json.dumps({"format": _FORMAT, "features": rows}, separators=(",", ":"))
    return str(base64.b64encode(zlib.compress(text.encode("ascii"), 1)), "ascii")


def unpack_manifest(packed: str) -> Manifest:
    """The manifest behind such an argument or file; ValueError where it is none."""
    try:
        data = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)).decode("ascii"))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError("unknown format")
    manifest: Manifest = {}
    for name, size, token in data["features"]:
        if not is_plain_path(name):
            raise ValueError(f"{name!r} is no path below a directory")
        manifest[_native(name)] = Wanted(int(size), str(token))
    return manifest


def pack_choice(manifest: Manifest, names: Iterable[str]) -> str:
    """Some of a manifest's names as one bit each: an answer whose size hardly grows with the number of files."""
    chosen = set(names)
    return format(int("".join("1" if name in chosen else "0" for name in ["", *sorted(manifest)]), 2), "x")


def unpack_choice(manifest: Manifest, packed: str) -> List[str]:
    """The names behind pack_choice."""
    names = sorted(manifest)
    bits = format(int(packed, 16), "b").zfill(len(names))
    return [name for name, bit in zip(names, bits) if bit == "1"]


def is_plain_path(name: Any) -> bool:
    """Whether a name stays below the directory that it is relative to."""
    return isinstance(name, str) and "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


# File names are bytes. In JSON they stand as UTF-8 with surrogate escapes, whatever encoding either side's Python uses.
def _portable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _native(name: str) -> str:
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def read_manifest(target: str) -> Optional[Manifest]:
    """The manifest that lies beside a target's staging directory; None where there is none that can be trusted."""
    try:
        fd = os.open(manifest_path(target), OPEN_FILE)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(file.fileno())
        # One that somebody else planted is no manifest of ours.
        if not stat.S_ISREG(info.st_mode) or info.st_uid not in (0, os.geteuid()):
            return None
        try:
            return unpack_manifest(file.read().decode("ascii"))
        except (ValueError, TypeError, KeyError):
            return None


def write_manifest(target: str, manifest: Manifest) -> bool:
    """Writes the manifest so that it is there whole or not at all; False where it already says the same."""
    path = manifest_path(target)
    packed = pack_manifest(manifest)
    if read_manifest(target) == manifest:
        return False
    temporary = path + _NEW
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # what a killed run left: the lock on the staging directory is ours
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(packed.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def remove_manifest(target: str) -> bool:
    """Whether there was one to remove."""
    removed = False
    for path in (manifest_path(target) + _NEW, manifest_path(target)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            removed = True
    return removed


def what_is_wrong(feature_set: FeatureSet, directory: int, name: str, wanted: Wanted) -> Optional[str]:
    """None where the file C(name) below an open directory is the wanted feature, else how it differs.

    The empty text means that there is no such file.
    """
    try:
        fd = os.open(name, OPEN_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return ""
        return f"cannot be opened ({error.strerror})"
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return "is no regular file"
        if info.st_size != wanted.size:
            return f"has {info.st_size} bytes where the source has {wanted.size}"
        verdict = judge(fd, info.st_size, name.rpartition("/")[2], *feature_set.question)
        if verdict.kind != FEATURE:
            return f"is no feature: {verdict.reason}"
        if token_of(fd, name, verdict) != wanted.token:
            return "has another content than the source had when it was judged"
        return None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    finally:
        os.close(fd)


def open_staging(path: str, account_uid: int) -> int:
    """A descriptor of an existing staging directory that we, root or the training user have made.

    The training user owns one that a publication was about to rename when it was killed. OSError, FeatureError.
    """
    fd = os.open(path, OPEN_DIRECTORY)
    owner = os.fstat(fd).st_uid
    if owner not in (0, os.geteuid(), account_uid):
        os.close(fd)
        raise FeatureError(
            f"{display(path)} belongs to user id {owner}, who could change an upload while it gathers:"
            " remove that directory, or run as its owner"
        )
    return fd


class Staged(NamedTuple):
    """What lies below a staging directory, by path: files (and whatever else is no folder), folders, and the
    beginnings of files that rsync keeps, each with the path of the file that it is to become."""

    files: List[str]
    folders: List[str]
    partial: Dict[str, str]


def list_staged(directory: int) -> Staged:
    """Lists an open staging directory with its sub-folders, following no link."""
    staged = Staged([], [], {})
    pending = [""]
    while pending:
        folder = pending.pop()
        prefix = folder + "/" if folder else ""
        for name, is_folder in _list_folder(directory, folder):
            if not is_folder:
                staged.files.append(prefix + name)
            elif prefix + name == FETCH_DIR:
                continue
            elif name != PARTIAL_DIR:
                staged.folders.append(prefix + name)
                pending.append(prefix + name)
            else:
                for kept, _is_folder in _list_folder(directory, prefix + name):
                    staged.partial[prefix + name + "/" + kept] = prefix + kept
    return staged


def _list_folder(directory: int, folder: str) -> List[Tuple[str, bool]]:
    fd = os.open(folder or ".", OPEN_DIRECTORY, dir_fd=directory)
    try:
        with os.scandir(fd) as listing:
            return [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
    finally:
        os.close(fd)


def remove_fetch_work(fd: int) -> None:
    """Removes what a fetch kept for itself in an open staging directory."""
    try:
        work = os.open(FETCH_DIR, OPEN_DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        return
    try:
        for name in os.listdir(work):
            os.unlink(name, dir_fd=work)
    finally:
        os.close(work)
    os.rmdir(FETCH_DIR, dir_fd=fd)


def is_temporary(path: str, names: Iterable[str]) -> bool:
    """Whether a staged path is what a killed rsync left of one of C(names) (paths)."""
    folder, _slash, base = path.rpartition("/")
    found = _TEMPORARY.match(base)
    if not found:
        return False
    stem = (folder + "/" if folder else "") + found.group("name")
    return any(name.startswith(stem) for name in names) if len(base) > 200 else stem in names


def look_at_staging(feature_set: FeatureSet, target: Optional[str] = None) -> Incoming:
    """What lies in the set's staging directory. C(target): the set's, expanded.

    Where nothing was left behind this is two lstat calls.
    """
    target = target or feature_set.target
    path = staging_path(target)
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        # Killed between publishing and clearing up: only the manifest is left, and all of it has arrived.
        manifest = read_manifest(target) if os.path.lexists(manifest_path(target)) else None
        return Incoming(ABSENT, 0, manifest is not None and _arrived(feature_set, target, list(manifest.items())))
    except OSError:
        return Incoming(UNREADABLE, 0, False)
    if not stat.S_ISDIR(info.st_mode):
        return Incoming(UNREADABLE, 0, False)
    try:
        return _look_inside(feature_set, target, path)
    except OSError:
        return Incoming(UNREADABLE, 0, False)


def _look_inside(feature_set: FeatureSet, target: str, path: str) -> Incoming:
    fd = os.open(path, OPEN_DIRECTORY)
    try:
        with os.scandir(fd) as listing:
            state = PRESENT if any(True for _item in listing) else EMPTY
        manifest = read_manifest(target)
        if manifest is None:
            return Incoming(state, 0, False)
        missing = [item for item in manifest.items() if what_is_wrong(feature_set, fd, *item) is not None]
    finally:
        os.close(fd)
    whole = not missing or _arrived(feature_set, target, missing)
    return Incoming(state, len(manifest) - len(missing), whole)


def _arrived(feature_set: FeatureSet, target: str, features: List[Tuple[str, Wanted]]) -> bool:
    try:
        fd = os.open(target, FOLLOW_DIRECTORY)
    except OSError:
        return False
    try:
        return all(what_is_wrong(feature_set, fd, name, wanted) is None for name, wanted in features)
    finally:
        os.close(fd)
