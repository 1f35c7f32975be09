# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The staging directory: where an upload gathers until it is whole, and what the source held.

Next to it is its manifest: names, sizes and identities of the features that the upload is to bring. So a
host can tell by itself whether an upload is complete, long after the controller that sent it has gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .. import errors
from .._formats import classify
from .._spec import sets
from .._system import accounts, as_needed, at, become, files, owners, paths
from . import places
from .manifest import Manifest, Wanted, manifest_path, read_manifest, staging_path, token_of

# Where rsync keeps the beginning of a file whose transfer broke off, in each staged directory.
PARTIAL_DIR = ".rsync-partial"
# Where a fetch keeps its list, its log and its exit code, at the top of the staging directory.
FETCH_DIR = ".fetch"

# rsync's temporary name of the file NAME is .NAME.XXXXXX, shortened in front of the X if it is too long.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[A-Za-z0-9]{6}\Z", re.DOTALL)


@dataclass
class Incoming:
    """What is in a set's staging directory.

    C(state): C(absent), C(empty), C(present) or C(unreadable). C(features): how many of the manifest's features lie
    there whole. C(complete): nothing is missing, so that publishing can finish (also what a killed publication
    has already moved to the target counts as there).
    """

    state: str
    features: int
    complete: bool


def verify_file(feature_set: sets.FeatureSet, directory: int, name: str, wanted: Wanted) -> Optional[str]:
    """Return the first part of C(inspect_file)."""
    return inspect_file(feature_set, directory, name, wanted)[0]


def inspect_file(
    feature_set: sets.FeatureSet, directory: int, name: str, wanted: Wanted
) -> Tuple[Optional[str], Optional[os.stat_result]]:
    """Return None if the file C(name) below an open directory is the wanted feature, else how it differs; and its status.

    The empty text means that there is no such file.
    """

    def difference(fd: int, info: os.stat_result, _name: str) -> Tuple[Optional[str], os.stat_result]:
        if info.st_size != wanted.size:
            return f"has {info.st_size} bytes, the source has {wanted.size}", info
        classification = classify.classify_file(fd, info, name.rpartition("/")[2], feature_set.criteria)
        if classification.kind != classify.FEATURE:
            return f"is not a feature: {classification.reason}", info
        if token_of(classification, lambda: classify.file_digest(fd)) != wanted.token:
            return "has another content than the source had when it was classified", info
        return None, info

    try:
        found = files.with_file(difference, name, directory, paths.OPEN_FILE, (feature_set.name, name))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return "", None
        return f"cannot be read ({error.strerror})", None
    return ("is not a regular file", None) if found is None else found


class Staged(NamedTuple):
    """What is below a staging directory, by path: files (and whatever else is not a folder), folders, and the
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
    fd = at.folder_opened(directory, folder)
    try:
        with os.scandir(fd) as listing:
            return [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
    finally:
        os.close(fd)


def is_temporary(path: str, names: Iterable[str]) -> bool:
    """True if a staged path is what a killed rsync left of one of C(names) (paths)."""
    folder, _slash, base = path.rpartition("/")
    found = _TEMPORARY.match(base)
    if not found:
        return False
    stem = (folder + "/" if folder else "") + found.group("name")
    return any(name.startswith(stem) for name in names) if len(os.fsencode(base)) > 200 else stem in names


def temporary_name(name: str) -> str:
    """A name of that kind for the base name of a feature, no longer than file systems take."""
    while len(os.fsencode(name)) > 240:
        name = name[:-1]
    return f".{name}.dangle"


def inspect_staging(feature_set: sets.FeatureSet, account: accounts.Account) -> Incoming:
    """Return what is in the staging directory of a resolved set; two lstat calls if there is none.

    Inspects as the account that owns the place, whose manifest is there; as the training user if root is refused.
    """
    target = feature_set.target
    if os.geteuid() == 0 and (os.path.lexists(staging_path(target)) or os.path.lexists(manifest_path(target))):
        with contextlib.suppress(errors.FeatureError, PermissionError):
            found: Incoming = _as_keeper(target, account, _inspect, feature_set)
            return found
    return as_needed.as_needed(account, lambda found: found.state == places.UNREADABLE, _inspect, feature_set)


def staged_manifest(target: str, account: Optional[accounts.Account]) -> Manifest:
    """Return what gathers for a target; empty if nothing is known. Read by the account whose it is, since root trusts no other's."""
    if os.geteuid() == 0 and account is not None and os.path.lexists(manifest_path(target)):
        with contextlib.suppress(errors.FeatureError, PermissionError):
            found: Optional[Manifest] = _as_keeper(target, account, read_manifest, target)
            return found or {}
    return read_manifest(target) or {}


def _as_keeper(target: str, account: accounts.Account, function: Callable[..., Any], *args: Any) -> Any:
    """Run a function as the account that owns the place of a target's staging directory."""
    place, above = os.path.dirname(staging_path(target)), os.path.dirname(target)
    return become.run_as(owners.owner_of(place, account, above), function, *args)


def _inspect(feature_set: sets.FeatureSet) -> Incoming:
    target = feature_set.target
    path = staging_path(target)
    try:
        return _look_inside(feature_set, target, path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR) or os.path.lexists(path):
            return Incoming(places.UNREADABLE, 0, False)
    # Killed between publishing and clearing up: only the manifest is left, and all of it has arrived.
    manifest = read_manifest(target) if os.path.lexists(manifest_path(target)) else None
    return Incoming(places.ABSENT, 0, manifest is not None and _arrived(feature_set, target, list(manifest.items())))


def _look_inside(feature_set: sets.FeatureSet, target: str, path: str) -> Incoming:
    fd = os.open(path, paths.OPEN_DIRECTORY)
    try:
        with os.scandir(fd) as listing:
            state = places.PRESENT if any(True for _item in listing) else places.EMPTY
        manifest = read_manifest(target)
        if manifest is None:
            return Incoming(state, 0, False)
        missing = [item for item in manifest.items() if verify_file(feature_set, fd, *item) is not None]
    finally:
        os.close(fd)
    whole = not missing or _arrived(feature_set, target, missing)
    return Incoming(state, len(manifest) - len(missing), whole)


def _arrived(feature_set: sets.FeatureSet, target: str, features: List[Tuple[str, Wanted]]) -> bool:
    try:
        fd = os.open(target, paths.FOLLOW_DIRECTORY)
    except OSError:
        return False
    try:
        return all(verify_file(feature_set, fd, name, wanted) is None for name, wanted in features)
    finally:
        os.close(fd)
