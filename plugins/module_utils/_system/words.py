# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of messages: counts, samples, and advice about errors of the system."""

from __future__ import annotations

import errno
from typing import List, TypeVar

from .. import errors

T = TypeVar("T")

# How many of many are shown.
SAMPLES = 10


def keep(samples: List[T], one: T) -> None:
    """Append one unless there are enough."""
    if len(samples) < SAMPLES:
        samples.append(one)


def count(number: int, noun: str, plural: str = "") -> str:
    """1 link, 2 links; 2 directories, if the plural is given."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def verb(number: int, word: str, singular: str = "") -> str:
    """A verb after a count: 1 link dangles, 2 links dangle; 1 name matches, given that form."""
    if number != 1:
        return "are" if word == "be" else word
    return singular or {"be": "is", "do": "does", "have": "has"}.get(word, word + "s")


def phrase(number: int, noun: str, word: str, where: str = "") -> str:
    """Return a count with its verb: 2 links in /data dangle."""
    return f"{count(number, noun)}{where and f' in {where}'} {verb(number, word)}"


def advice(error: OSError) -> str:
    """Return what to do if the system refuses a change, for the end of a message."""
    whose = "the role's" if errors.variable_prefix() else "the task's"
    refused = f"let {whose} user write there: root with {errors.named('become')}, else the connecting one"
    found = {
        errno.EACCES: refused,
        errno.EPERM: refused,
        errno.EROFS: "its file system is mounted read-only; mount it for writing",
        errno.ENOSPC: "its file system is full; make room there and run again",
        errno.EDQUOT: "a quota is used up; make room there and run again",
        errno.ENOTDIR: "a part of the path is a file; move that away",
        errno.EEXIST: "a part of the path is a file; move that away",
    }
    return found.get(error.errno or 0, "look at it on the host, then run again")
