# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records that a scan produces: entries, directories, legacy directories, discoveries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .._formats import classify
from .._system import words
from . import places

# Kinds of entries: a file, a link to a file, a dangling link, a folder that was entered, or anything else that has the name.
FILE, LINK, DANGLING, FOLDER, SPECIAL = "file", "link", "dangling", "folder", "special"

# The kind of a classification of a file that could not be read.
UNREAD = "unread"
NOT_UNDERSTOOD, OTHER = classify.NOT_UNDERSTOOD, classify.OTHER

# The shared classification of everything that was not classified.
UNCLASSIFIED = classify.Classification("", "", None)

# Bytes that all names of one inspection may take, however many directories it scans and processes it uses, and what one of them takes
# besides its path, as measured at the end of planning (benchmarks/scan.py): about four million files. The rest is unscanned.
MEMORY = min(4 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
NAME_BYTES = 900
TOO_MANY = (
    "the declared directories hold more names than one inspection keeps in memory: move other files out of them, or declare only the"
    " folders that hold features"
)


class Entry:
    """One name in a scanned directory; millions of them may be in memory at once.

    path: below the directory, "/" between, name the last part of it; key: (st_dev, st_ino) behind links as one number;
    classification: what the file is; link_target: the text of a link; via_link: it is a link, or behind one.
    """

    __slots__ = ("classification", "key", "kind", "link_target", "name", "path", "size", "via_link")

    def __init__(
        self,
        path: str,
        kind: str,
        key: int,
        size: int,
        classification: classify.Classification,
        link_target: Optional[str] = None,
        name: str = "",
    ) -> None:
        self.path = path
        self.name = name or path.rpartition("/")[2]
        self.kind = kind
        self.key = key
        self.size = size
        self.link_target = link_target
        self.via_link = link_target is not None
        self.classification = classification

    @property
    def is_feature(self) -> bool:
        """True if its content has the arrays that were asked for."""
        return self.classification.kind == classify.FEATURE


class DirectoryInfo(NamedTuple):
    """A part of a directory's stat: plain numbers, which another process can send."""

    st_dev: int
    st_ino: int
    st_uid: int
    st_gid: int
    st_mode: int


class DirectoryScan:
    def __init__(self, place: places.Place) -> None:
        self.place = place
        self.path = place.path
        self.state = place.state
        self.entries: List[Entry] = []
        # Unscanned parts, a message each: the directory may hold features that were not found. All of it, if it is unreadable.
        self.gaps: List[str] = [place.reason] if place.reason else []
        self.gap_count = len(self.gaps)
        self.info: Optional[DirectoryInfo] = None
        # Bytes that its names take, and whether there were none left for more.
        self.memory, self.is_full = 0, False
        # Folders that were not entered for what they are, by their paths below this one: their content is unknown.
        self.closed: List[str] = []
        # Links to directories that were entered.
        self.linked_folders: List[str] = []

    def gap(self, sentence: str) -> None:
        """Note an unscanned part; the first ten are kept as text."""
        self.gap_count += 1
        words.keep(self.gaps, sentence)


def not_understood(entries: Sequence[Entry]) -> List[Entry]:
    """Return the files among these entries that are neither features nor known to be none."""
    return [entry for entry in entries if entry.classification.kind == NOT_UNDERSTOOD]


def inode_key(dev: int, ino: int) -> int:
    """(st_dev, st_ino) as one number: half the memory of a tuple, a million times."""
    return (dev << 64) | ino


@dataclass
class Discovery:
    """Directories that no set lists, with the number of the set's features in each; why the search ended early.

    unclear: messages on files in them that are not understood, so that they may be features.
    """

    directories: List[Tuple[str, int]] = field(default_factory=list)
    cut_short: List[str] = field(default_factory=list)
    unclear: List[str] = field(default_factory=list)

    def joined(self, other: Discovery) -> Discovery:
        return Discovery(self.directories + other.directories, self.cut_short + other.cut_short, self.unclear + other.unclear)


@dataclass(frozen=True)
class LegacyScan:
    """One declared legacy directory: its scan, shared with other sets, and the set's part of it.

    hidden_from_trainer: those of the features whose names the trainer does not read.
    """

    place: places.Place
    scan: DirectoryScan
    same_as: Optional[str] = None
    features: Sequence[Entry] = ()
    hidden_from_trainer: Sequence[Entry] = ()
    rejected: Sequence[Entry] = ()
    dangling: Sequence[Entry] = ()

    @property
    def state(self) -> str:
        return self.scan.state

    @property
    def linkable(self) -> Sequence[Entry]:
        """The features that a trainer reads under their names."""
        hidden_from_trainer = set(map(id, self.hidden_from_trainer))
        return [entry for entry in self.features if id(entry) not in hidden_from_trainer] if hidden_from_trainer else self.features

    @property
    def closed(self) -> Sequence[str]:
        """Folders in it that were not entered; reported once for one directory."""
        return self.scan.closed if self.same_as is None else ()

    @property
    def not_understood(self) -> Sequence[Entry]:
        """Files that may be features: no reader here knows what they hold."""
        return not_understood(self.rejected)

    @property
    def fully_scanned(self) -> bool:
        """True if everything there was seen and understood."""
        return not (self.scan.gap_count or self.dangling or self.not_understood)
