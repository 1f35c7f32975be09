# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can the training user open every feature, and if not, which path component stands in the way?

Answered by opening them, in one child process that is the training user.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .account import Account, group_name, run_as, user_name
from .paths import display

MAX_SAMPLES = 10
_MAX_LINKS = 40
_MAX_REASONS = 50
_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_TO_LIST = os.O_RDONLY | os.O_NONBLOCK | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_TO_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # vanished since the scan: nothing to read any more
_DENIED = (errno.EACCES, errno.EPERM)

# (absolute path of a directory, feature files by their paths below it, whether the trainer lists it)
Directory = Tuple[str, Sequence[str], bool]


@dataclass
class AccessReport:
    """What of a feature set the user cannot open.

    C(unreadable) counts distinct files, and a directory that cannot be listed though no feature is in it yet;
    C(to_grant) those among them that a grant would open. C(samples): at most ten of {path, reason}, distinct
    reasons only; a reason names the first component that blocks.
    """

    user: str
    unreadable: int = 0
    to_grant: int = 0
    samples: List[Dict[str, str]] = field(default_factory=list)


class Refused(NamedTuple):
    """What of one directory the user could not open: C(names) are the files (all, where the directory itself
    is closed), C(reasons) the number of each name's reason in C(Answer.reasons)."""

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


class Answer(NamedTuple):
    """What the child found: the reasons, and what was refused for them."""

    reasons: List[Reason]
    refused: List[Refused]


def prove(account: Account, directories: Sequence[Directory]) -> AccessReport:
    """What of these directories the account cannot open; absent directories are passed over."""
    return prove_all(account, {"": directories})[""]


def prove_all(account: Account, sets: Mapping[str, Sequence[Directory]]) -> Dict[str, AccessReport]:
    """The same for several sets, by one child for all of them. FeatureError without the right to become the user."""
    answers = ask(account, sets)
    return {name: report(account, answer) for name, answer in answers.items()}


def ask(account: Account, sets: Mapping[str, Sequence[Directory]]) -> Dict[str, Answer]:
    """What the account is refused, per set."""
    return dict(run_as(account, _try_all, account.name, sets))


def report(account: Account, answer: Answer) -> AccessReport:
    """The answer in numbers and samples."""
    result = AccessReport(account.name)
    first: Dict[int, str] = {}
    seen: Set[object] = set()
    for refused in answer.refused:
        for name, reason in zip(refused.names or [""], refused.reasons):
            path = os.path.join(refused.path, name) if name else refused.path
            first.setdefault(reason, path)
            key = _key(path)
            if key not in seen:
                seen.add(key)
                result.unreadable += 1
                result.to_grant += answer.reasons[reason].denied
    # One blocked directory explains more than many closed files.
    for number in sorted(first, key=lambda number: (answer.reasons[number].file, number))[:MAX_SAMPLES]:
        result.samples.append({"path": display(first[number]), "reason": answer.reasons[number].text})
    return result


def _key(path: str) -> object:
    """One file is counted once, by whatever links it is reached."""
    try:
        info = os.stat(path)
    except OSError:
        return path
    return (info.st_dev, info.st_ino)


# --- in the child: here we are the training user ---------------------------------------------------------


def _try_all(user: str, sets: Mapping[str, Sequence[Directory]]) -> Dict[str, Answer]:
    return {name: _try(user, directories) for name, directories in sets.items()}


def _try(user: str, directories: Sequence[Directory]) -> Answer:
    explain = _Explainer(user)
    refused = []
    for path, names, must_list in directories:
        found = _try_directory(explain, path, names, must_list)
        if found is not None:
            refused.append(found)
    return Answer(explain.reasons, refused)


def _try_directory(explain: _Explainer, path: str, names: Sequence[str], must_list: bool) -> Optional[Refused]:
    """Open each file relative to its directory, as the trainer would: through links."""
    try:
        directory = os.open(path, _OPEN_TO_LIST if must_list else _OPEN_TO_PASS)
    except OSError as error:
        if error.errno in _GONE:
            return None
        if not (names or must_list):
            return None
        reason = explain.number(path, error, "list")
        return Refused(path, must_list, True, list(names), [reason] * (len(names) or 1))
    failed: List[str] = []
    reasons: List[int] = []
    open_, close = os.open, os.close
    try:
        if must_list:
            with os.scandir(directory) as entries:
                next(entries, None)
        for name in names:
            try:
                close(open_(name, _OPEN_FILE, dir_fd=directory))
            except OSError as error:
                if error.errno not in _GONE:
                    failed.append(name)
                    reasons.append(explain.number(os.path.join(path, name), error, "read"))
    except OSError as error:  # the listing: a file system that answers open() but not readdir()
        return Refused(path, must_list, True, list(names), [explain.number(path, error, "list")] * (len(names) or 1))
    finally:
        close(directory)
    return Refused(path, must_list, False, failed, reasons) if failed else None


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
            text, file = self._leaf(path, wanted, 0)
        else:
            text, file = f"{display(path)}: {error.strerror}", wanted == "read"
        reason = Reason(text, denied, file)
        # Nobody reads more than a few samples: files beyond those share one number.
        key: object = (denied, file) if file and len(self.reasons) >= _MAX_REASONS else reason
        if key not in self._numbers:
            self._numbers[key] = len(self.reasons)
            self.reasons.append(reason)
        return self._numbers[key]

    def _leaf(self, path: str, wanted: str, links: int) -> Tuple[str, bool]:
        """(the reason, whether it is the file itself) for the last component of a path."""
        above, name = os.path.split(path)
        directory, blocked = self._resolve(above, links)
        if blocked:
            return blocked, False
        place, info, blocked = self._look(directory, name)
        if info is None:
            return blocked, False
        if stat.S_ISLNK(info.st_mode) and links < _MAX_LINKS:
            return self._leaf(os.path.join(directory, os.readlink(place)), wanted, links + 1)
        return f"{self._describe(place, info)}: user {self._user} may not {wanted}", wanted == "read"

    def _resolve(self, path: str, links: int) -> Tuple[str, str]:
        """(the real path of a directory, "") or ("", what blocks the way to it)."""
        known = self._directories.get(path)
        if known is None:
            known = self._directories[path] = self._step(path, links)
        return known

    def _step(self, path: str, links: int) -> Tuple[str, str]:
        above, name = os.path.split(path)
        directory, blocked = self._resolve(above, links)
        if blocked or name in ("", "."):
            return directory, blocked
        if name == "..":
            return os.path.dirname(directory), ""
        place, info, blocked = self._look(directory, name)
        if info is not None and stat.S_ISLNK(info.st_mode) and links < _MAX_LINKS:
            return self._resolve(os.path.join(directory, os.readlink(place)), links + 1)
        return place, blocked

    def _look(self, directory: str, name: str) -> Tuple[str, Optional[os.stat_result], str]:
        """Whether a name can be looked up in a directory that could itself be reached."""
        place = os.path.join(directory, name)
        try:
            return place, os.lstat(place), ""
        except OSError as error:
            if error.errno not in _DENIED:
                return place, None, f"{display(place)}: {error.strerror}"
        try:
            above = self._describe(directory, os.stat(directory))
        except OSError:
            above = display(directory)
        return place, None, f"{above}: user {self._user} may not pass"

    @staticmethod
    def _describe(place: str, info: os.stat_result) -> str:
        mode = stat.S_IMODE(info.st_mode)
        return f"{display(place)} ({mode:04o} {user_name(info.st_uid)}:{group_name(info.st_gid)})"
