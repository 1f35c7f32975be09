# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn declared paths into directories of this host, or into the reason why one cannot be read."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import re
import stat
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .._system import accounts, as_needed, paths

ABSENT, EMPTY, PRESENT, UNREADABLE = "absent", "empty", "present", "unreadable"

_MAGIC = re.compile(r"[*?\[]")


class Place(NamedTuple):
    """A directory as declared and expanded, looked up once.

    C(state) is C(absent), C(present) (its content not yet scanned) or C(unreadable); C(reason) says
    why; C(key) is (st_dev, st_ino) of the directory behind all links; C(in_the_way): something that
    is not a directory has the name, or that of a directory above it.
    """

    path: str
    state: str
    reason: str = ""
    key: Optional[paths.InodeKey] = None
    is_link: bool = False
    in_the_way: bool = False


def find_places(declared: Sequence[str], account: Optional[accounts.Account] = None) -> List[Place]:
    """Return the legacy directories behind the declared paths, in their order, globs expanded; account: see C(look_up)."""
    found: Dict[str, Place] = {}
    for place in (place for path in declared for place in _expand(path)):
        again = as_needed.as_needed(account, _number_unreadable, _expand, place.path) if is_unreadable(place) else [place]
        found.update((one.path, one) for one in again)
    return list(found.values())


def _expand(path: str) -> List[Place]:
    return _expand_globs(path) if _MAGIC.search(path) else [look_up(path)]


def is_unreadable(place: Place) -> bool:
    return place.state == UNREADABLE


def _number_unreadable(places: Sequence[Place]) -> int:
    return sum(map(is_unreadable, places))


def look_up(path: str, account: Optional[accounts.Account] = None) -> Place:
    """Return the state of one directory path, without opening it. account: the training user, who looks if root is refused.

    A path that cannot be passed and one that ends in a dangling link are unreadable, never absent: a volume
    that is not mounted must not be taken for "no features".
    """
    if account is not None:
        return as_needed.as_needed(account, is_unreadable, look_up, path)
    try:
        info = os.stat(path)
    except OSError as error:
        return _not_there(path, error)
    if not stat.S_ISDIR(info.st_mode):
        return Place(path, UNREADABLE, f"{paths.display(path)} is not a directory", in_the_way=True)
    return Place(path, PRESENT, "", (info.st_dev, info.st_ino), os.path.islink(path))


def _not_there(path: str, error: OSError) -> Place:
    if error.errno == errno.ENOENT:
        link = dangling_component(path)
        if link is None:
            return Place(path, ABSENT)
        return Place(path, UNREADABLE, f"{paths.display(link)} is a dangling link to {paths.display(os.readlink(link))}")
    if error.errno == errno.ENOTDIR:
        return Place(path, UNREADABLE, f"a part of {paths.display(path)} is a file, not a directory", in_the_way=True)
    if error.errno == errno.ELOOP:
        return Place(path, UNREADABLE, f"{paths.display(path)} is a loop of links")
    return Place(path, UNREADABLE, f"{paths.display(path)} cannot be reached ({error.strerror})")


def dangling_component(path: str) -> Optional[str]:
    """The first component of an absolute path that is a dangling link, if one is."""
    current = ""
    for part in path.strip("/").split("/"):
        current += "/" + part
        try:
            os.stat(current)
        except OSError:
            return current if os.path.islink(current) else None
    return None


def _expand_globs(pattern: str) -> List[Place]:
    if os.path.lexists(pattern):
        return [look_up(pattern)]
    found = [""]
    closed: List[Place] = []
    parts = pattern.strip("/").split("/")
    for part in parts:
        if not _MAGIC.search(part):
            found = [base + "/" + part for base in found]
            continue
        matched: List[str] = []
        for base in found:
            try:
                names = os.listdir(base or "/")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                reason = f"{paths.display(base or '/')} cannot be listed ({error.strerror})"
                rest = parts[base.count("/") :]
                closed.append(Place("/".join([base] + rest), UNREADABLE, reason))
                continue
            matched += [
                base + "/" + name
                for name in sorted(names)
                if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
            ]
        found = matched
    places = [look_up(path) for path in found]
    # A file next to the directories that a glob matches is not an obstacle.
    places = [place for place in places if place.state != ABSENT and not place.in_the_way]
    return places + closed or [Place(pattern, ABSENT)]


def ancestry(path: str) -> List[Tuple[paths.InodeKey, str]]:
    """(st_dev, st_ino) of a directory, or of its nearest existing ancestor, and of all above it, links resolved, each with the path below.

    The first one is equal for all paths to one place.
    """
    real = current = os.path.realpath(path)
    found: List[Tuple[paths.InodeKey, str]] = []
    while True:
        with contextlib.suppress(OSError):  # missing, or out of reach: its parents still count
            found.append((paths.key_of(os.stat(current)), real[len(current) :].strip("/")))
        if current == "/":
            return found
        current = os.path.dirname(current)
