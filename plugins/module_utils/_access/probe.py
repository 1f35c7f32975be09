# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the training user cannot open, and which path component stands in the way.

Answered by opening everything, in one child process that is the training user.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._system import accounts, at, become, parallel, paths

_BUNDLE = 64  # names that are opened together: nearly all can be
_MAX_LINKS = 40
_MAX_REASONS = 50
_OPEN_TO_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # vanished since the scan: nothing to read any more
_DENIED = (errno.EACCES, errno.EPERM)

# (absolute path of a directory, feature files by their paths below it, whether the trainer lists it)
ToRead = Tuple[str, Sequence[str], bool]


class LinkSource(NamedTuple):
    """What a link to a feature may lead to in a declared legacy directory.

    C(names): the features there, by their paths below it. C(linked): the inode keys of files that links among the set's features lead
    to: in a declared directory these are features too, whatever their names (a store of contents).
    """

    directory: str
    names: Sequence[str]
    linked: FrozenSet[int] = frozenset()


class RefusedDirectory(NamedTuple):
    """What of one directory the user could not open: C(names) are the files (all, if the directory itself
    is closed), C(reasons) the number of each name's reason in C(ProbeResult.reasons)."""

    path: str
    must_list: bool
    closed: bool
    names: List[str]
    reasons: List[int]


class Reason(NamedTuple):
    """C(denied): a matter of permission, so that a grant may help; C(file): the file itself blocks, no directory."""

    text: str
    denied: bool
    file: bool


class ProbeResult(NamedTuple):
    """What the child found: the reasons, and what was refused for them."""

    reasons: List[Reason]
    refused: List[RefusedDirectory]


def ask(account: accounts.Account, sets: Mapping[str, Sequence[ToRead]]) -> Dict[str, ProbeResult]:
    """Return what the account is refused, set by set. FeatureError without the right to become the account."""
    return begin_to_ask(account, sets)()


def begin_to_ask(account: accounts.Account, sets: Mapping[str, Sequence[ToRead]]) -> Callable[[], Dict[str, ProbeResult]]:
    """Start the same concurrently with this process; call what this returns, once, for the result."""
    return become.begin_as(account, _try_all, account.name, sets)


# --- in the child: here we are the training user ---------------------------------------------------------


def _try_all(user: str, sets: Mapping[str, Sequence[ToRead]]) -> Dict[str, ProbeResult]:
    return {name: _try(user, directories) for name, directories in sets.items()}


def _try(user: str, directories: Sequence[ToRead]) -> ProbeResult:
    explain = _Explainer(user)
    refused = []
    for path, names, must_list in directories:
        found = _try_directory(explain, path, names, must_list)
        if found is not None:
            refused.append(found)
    return ProbeResult(explain.reasons, refused)


def _try_directory(explain: _Explainer, path: str, names: Sequence[str], must_list: bool) -> Optional[RefusedDirectory]:
    """Open each file relative to its directory, as the trainer would: through links."""
    try:
        directory = os.open(path, paths.FOLLOW_DIRECTORY if must_list else _OPEN_TO_PASS)
    except OSError as error:
        if error.errno in _GONE:
            return None
        if not (names or must_list):
            return None
        reason = explain.number(path, error, "list")
        return RefusedDirectory(path, must_list, True, list(names), [reason] * (len(names) or 1))
    failed: List[str] = []
    reasons: List[int] = []
    try:
        if must_list:
            with os.scandir(directory) as entries:
                next(entries, None)
        for name, refusal in _refusals(directory, names):
            if refusal.errno not in _GONE:
                failed.append(name)
                reasons.append(explain.number(os.path.join(path, name), refusal, "read"))
    except OSError as error:  # the listing: a file system that answers open() but not readdir()
        return RefusedDirectory(path, must_list, True, list(names), [explain.number(path, error, "list")] * (len(names) or 1))
    finally:
        os.close(directory)
    return RefusedDirectory(path, must_list, False, failed, reasons) if failed else None


def _refusals(directory: int, names: Sequence[str]) -> Iterator[Tuple[str, OSError]]:
    """The names that cannot be opened relative to an open directory, each with why."""

    def open_each(bundle: Sequence[str]) -> List[Tuple[int, OSError]]:
        refused = []
        for index, name in enumerate(bundle):
            try:
                os.close(at.opened_through_links(directory, name, paths.FOLLOW_FILE))
            except OSError as error:
                refused.append((index, error))
        return refused

    bundles = [names[start : start + _BUNDLE] for start in range(0, len(names), _BUNDLE)]
    slow, share = parallel.SLOW * _BUNDLE, parallel.SHARE // _BUNDLE
    for bundle, refused in parallel.map_parallel(bundles, open_each, slow=slow, share=share, sample=1):
        for index, error in refused:
            yield bundle[index], error


class _Explainer:
    """Finds the first component that blocks, along the path that the kernel takes, and numbers the reasons."""

    def __init__(self, user: str) -> None:
        self.reasons: List[Reason] = []
        self._user = user
        self._numbers: Dict[object, int] = {}
        self._directories: Dict[str, Tuple[str, str]] = {"/": ("/", ""), "": ("/", "")}

    def number(self, path: str, error: OSError, wanted: str) -> int:
        """The number of the reason why C(path) cannot be opened; C(wanted) is what is wanted of it: list or read."""
        denied = error.errno in _DENIED
        if denied:
            try:
                text, file = self._leaf(path, wanted, 0)
            except OSError:  # a link that was one a moment ago
                text, file = f"{paths.display(path)}: changed while it was inspected", wanted == "read"
        else:
            text, file = f"{paths.display(path)}: {error.strerror}", wanted == "read"
        reason = Reason(text, denied, file)
        # Only a few samples are reported: files beyond those share one number.
        key: object = (denied, file) if file and len(self.reasons) >= _MAX_REASONS else reason
        if key not in self._numbers:
            self._numbers[key] = len(self.reasons)
            self.reasons.append(reason)
        return self._numbers[key]

    def _leaf(self, path: str, wanted: str, links: int) -> Tuple[str, bool]:
        """(the reason, whether it is the file itself) for the last component of a path."""
        place, info, blocked = self._look(path, links)
        if info is None:
            return blocked, False
        if stat.S_ISLNK(info.st_mode) and links < _MAX_LINKS:
            return self._leaf(os.path.join(os.path.dirname(place), os.readlink(place)), wanted, links + 1)
        return f"{self._describe(place, info)}: user {self._user} may not {wanted}", wanted == "read"

    def _resolve(self, path: str, links: int) -> Tuple[str, str]:
        """(the real path of a directory, "") or ("", what blocks the way to it); each directory once."""
        if path not in self._directories:
            above, name = os.path.split(path)
            if name in ("", ".", ".."):
                directory, blocked = self._resolve(above, links)
                self._directories[path] = (os.path.dirname(directory) if name == ".." else directory), blocked
            else:
                place, info, blocked = self._look(path, links)
                linked = info is not None and stat.S_ISLNK(info.st_mode) and links < _MAX_LINKS
                target = os.path.join(os.path.dirname(place), os.readlink(place)) if linked else ""
                self._directories[path] = self._resolve(target, links + 1) if linked else (place, blocked)
        return self._directories[path]

    def _look(self, path: str, links: int) -> Tuple[str, Optional[os.stat_result], str]:
        """The real place of a name and its status, or what blocks the way to it."""
        above, name = os.path.split(path)
        directory, blocked = self._resolve(above, links)
        if blocked:
            return "", None, blocked
        place = os.path.join(directory, name)
        try:
            return place, os.lstat(place), ""
        except OSError as error:
            if error.errno not in _DENIED:
                return place, None, f"{paths.display(place)}: {error.strerror}"
        try:
            shown = self._describe(directory, os.stat(directory))
        except OSError:
            shown = paths.display(directory)
        return place, None, f"{shown}: user {self._user} lacks search permission"

    @staticmethod
    def _describe(place: str, info: os.stat_result) -> str:
        mode = stat.S_IMODE(info.st_mode)
        return f"{paths.display(place)} ({mode:04o} {accounts.user_name(info.st_uid)}:{accounts.group_name(info.st_gid)})"
