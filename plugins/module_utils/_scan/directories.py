# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over a directory: its entries, and the classification of each file."""

from __future__ import annotations

import errno
import math
import operator
import os
import stat
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .._formats import classify, interface
from .._spec.folders import EVERY_FOLDER, FolderRule, is_hidden, is_system_folder
from .._system import accounts, as_needed, at, files, parallel, paths
from . import model, places

# Gone between listing and opening, which happens on a live host and is not an error.
_VANISHED = (errno.ENOENT, errno.ENOTDIR)


class _OpenDirectory:
    """An open directory that closes itself once the last file waiting in it is classified: classifications lag behind the listing."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


# A file that waits for its classification: its directory, its base name there, the entry to complete.
Pending = Tuple[_OpenDirectory, str, model.Entry]
# Classifications by the suffix of a name, which promises a kind, then by inode key.
Known = Dict[str, Dict[int, classify.Classification]]


# From this number of names on, a directory is processed in the order of names, as plans are: memory that does not fit into the
# processor's caches is then used in the order in which it was allocated.
MANY = 1 << 16
_name = operator.attrgetter("name")
# Folders in folders: each level keeps a directory open, and paths of more levels are too long to be opened by their text.
DEPTH = 128


@dataclass(frozen=True)
class ScanOptions:
    """How far a scan goes, and what it keeps.

    recursive: enter folders that C(folders) admits, and links to directories, each directory once. as_glob: a directory that is reached
    by several ways is entered again, as Python's glob does, and a link to a directory above all of it is an unscanned part.
    keep_names: keep names that were not accepted too, unclassified, since they are taken. avoid: directories that are never
    entered. memory: what the names may take, in bytes.
    """

    recursive: bool = True
    as_glob: bool = False
    keep_names: bool = False
    avoid: Tuple[paths.InodeKey, ...] = ()
    folders: FolderRule = EVERY_FOLDER
    memory: int = model.MEMORY


def scan_directory(
    place: places.Place, accept: Callable[[str], Any], criteria: interface.Criteria, known: Known, options: ScanOptions = ScanOptions(),
    account: Optional[accounts.Account] = None,
) -> model.DirectoryScan:  # fmt: skip
    """List a directory once and classify each file whose base name is accepted.

    known: read and extended, so that no file is classified twice for the same criteria and suffix.
    account: the training user, who scans if root is refused, and not if memory was what lacked.
    """
    return as_needed.as_needed(account, _lacks, _scan, place, accept, criteria, known, options)


def _lacks(scan: model.DirectoryScan) -> float:
    return 0 if scan.is_full else math.inf if scan.state == places.UNREADABLE else scan.gap_count


def _scan(
    place: places.Place, accept: Callable[[str], Any], criteria: interface.Criteria, known: Known, options: ScanOptions
) -> model.DirectoryScan:
    scan = model.DirectoryScan(place)
    if place.state in (places.ABSENT, places.UNREADABLE):
        return scan
    try:
        top = _OpenDirectory(os.open(place.path, paths.FOLLOW_DIRECTORY))
    except OSError as error:
        if error.errno in _VANISHED:
            scan.state = places.ABSENT
        else:
            _refuse(scan, f"{paths.display(place.path)} cannot be listed ({error.strerror})")
        return scan
    try:
        info = os.fstat(top.fd)
        scan.info = model.DirectoryInfo(info.st_dev, info.st_ino, info.st_uid, info.st_gid, info.st_mode)
        listing = _Listing(scan, accept, known, options)
        classify_one = _classifier(criteria, scan.path)
        for pending, result in parallel.map_parallel(listing.pending(top), classify_one, lambda pending: id(pending[0])):
            _record(scan, known, pending[2], result)
        scan.memory, scan.is_full = options.memory - listing.memory, listing.memory < 0
    except OSError as error:
        _refuse(scan, f"{paths.display(place.path)} cannot be listed ({error.strerror})")
        return scan
    scan.closed.sort()
    scan.state = places.PRESENT if scan.entries or listing.saw_anything else places.EMPTY
    return scan


def _refuse(scan: model.DirectoryScan, reason: str) -> None:
    scan.state = places.UNREADABLE
    scan.entries = []
    scan.gap(reason)


def _classifier(criteria: interface.Criteria, path: str) -> Callable[[Pending], Any]:
    """Open and classify one pending file: (size, key, classification), or None if it is not a regular file."""

    def classified(fd: int, info: os.stat_result, name: str) -> Any:
        return info.st_size, model.inode_key(info.st_dev, info.st_ino), classify.classify_file(fd, info, name, criteria)

    def opened(pending: Pending) -> Any:
        directory, name, entry = pending
        flags = paths.FOLLOW_FILE if entry.kind == model.LINK else paths.OPEN_FILE
        return files.with_file(classified, name, directory.fd, flags, (path, entry.path))

    return opened


def _record(scan: model.DirectoryScan, known: Known, entry: model.Entry, result: Any) -> None:
    if isinstance(result, OSError):
        if result.errno in _VANISHED:
            return
        scan.gap(f"{paths.display(scan.path)}/{paths.display(entry.path)} cannot be read ({result.strerror})")
        entry.classification = classify.Classification(model.UNREAD, f"cannot be read ({result.strerror})", None)
    elif result is None:
        entry.kind = model.SPECIAL
    else:
        entry.size, entry.key, classification = result
        known.setdefault(_suffix(entry.name), {})[entry.key] = entry.classification = classification
    scan.entries.append(entry)


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


class _Listing:
    """Lists directories depth first and yields the files to classify."""

    def __init__(self, scan: model.DirectoryScan, accept: Callable[[str], Any], known: Known, options: ScanOptions) -> None:
        self.scan = scan
        self.accept = accept
        self.known = known
        self.options = options
        self.memory = options.memory
        # A link upwards would lead through half the host, and back here.
        self.above = {*options.avoid, *(key for key, _below in places.ancestry(scan.path))}
        # How often each directory was entered. A second time shows what a glob reads twice; loops would never end.
        self.visits: Dict[paths.InodeKey, int] = {}
        self.linked: List[str] = []
        self.behind_link = False
        self.saw_anything = False

    def pending(self, top: _OpenDirectory) -> Iterator[Pending]:
        info = os.fstat(top.fd)
        self.above.discard((info.st_dev, info.st_ino))
        self.visits[(info.st_dev, info.st_ino)] = 1
        yield from self._directory(top, "")
        # Links to directories last: what is here without a link keeps its own path. The list grows meanwhile.
        self.behind_link = True
        for path in self.linked:
            yield from self._folder(top, path, path, True)

    def _directory(self, directory: _OpenDirectory, prefix: str) -> Iterator[Pending]:
        accept, keep_names = self.accept, self.options.keep_names
        folders: List[str] = []
        linked: List[str] = []
        items = self._listed(directory.fd, prefix)
        if len(items) >= MANY:
            items.sort(key=_name)
        items.reverse()
        self.saw_anything = self.saw_anything or bool(items)
        while items:
            item = items.pop()
            name = item.name
            if item.is_file(follow_symlinks=False):
                if accept(name):
                    yield directory, name, self._entry(prefix + name, model.FILE, name=name)
                elif keep_names:
                    self._keep(prefix + name, None)
            elif item.is_symlink():
                entry = self._link(directory.fd, name, prefix + name, linked)
                if entry is not None:
                    yield directory, name, entry
            elif item.is_dir(follow_symlinks=False):
                recursive = self.options.recursive
                if recursive and self._enters(name, prefix + name):
                    folders.append(name)
                if keep_names:
                    self._keep(prefix + name, None, model.FOLDER if recursive else model.SPECIAL)
            elif keep_names or accept(name):
                # A socket, a FIFO or a device: never opened.
                self._keep(prefix + name, None)
        self.linked += sorted(linked)
        if folders and prefix.count("/") >= DEPTH:
            self._gap(prefix.partition("/")[0], f"holds folders more than {DEPTH} levels deep, which are not entered: move them up")
            return
        for name in sorted(folders):
            yield from self._folder(directory, name, prefix + name, False)

    def _listed(self, fd: int, prefix: str) -> List[os.DirEntry[str]]:
        """The entries of an open directory, as far as there is memory for them."""
        items: List[os.DirEntry[str]] = []
        each = model.NAME_BYTES + 4 * len(prefix)
        with os.scandir(fd) as listing:
            for item in listing:
                self.memory -= each + 4 * len(item.name)
                if self.memory < 0:
                    self.saw_anything = True
                    self._gap(prefix[:200], f"is not listed in full: {model.TOO_MANY}")
                    break
                items.append(item)
        return items

    def _enters(self, name: str, path: str) -> bool:
        if self.options.folders.excluded(name):
            return False
        if self.options.folders.closed(name):
            self.scan.closed.append(path)
            return False
        return True

    def _keep(self, path: str, text: Optional[str], kind: str = model.SPECIAL, key: int = 0, size: int = 0) -> None:
        self.scan.entries.append(self._entry(path, kind, key, size, text))

    def _entry(
        self, path: str, kind: str, key: int = 0, size: int = 0, text: Optional[str] = None,
        classification: classify.Classification = model.UNCLASSIFIED, name: str = "",
    ) -> model.Entry:  # fmt: skip
        # A link in another directory, behind a link of this one, is not this directory's to change.
        entry = model.Entry(path, kind, key, size, classification, None if self.behind_link and self.options.as_glob else text, name)
        entry.via_link = entry.via_link or self.behind_link
        return entry

    def _gap(self, path: str, what: str) -> None:
        """Note a part that could not be scanned; a glob leaves out hidden folders anyway, and root's lost+found."""
        if not (self.options.as_glob and (is_hidden(path) or is_system_folder(os.path.basename(path)))):
            self.scan.gap(f"{paths.display(self.scan.path)}/{paths.display(path)} {what}")

    def _link(self, fd: int, name: str, path: str, linked: List[str]) -> Optional[model.Entry]:
        """Keep the entry of a link, or return it if the file behind it has to be classified."""
        accepted = self.accept(name)
        wanted = accepted or self.options.keep_names
        if not wanted and not self.options.recursive:
            return None
        try:
            text = at.readlink(fd, name)
        except OSError:
            return None  # gone, or no link any more
        self.memory -= len(text)
        try:
            info = at.stat(fd, name)
        except OSError as error:
            self._broken_link(path, text, error, wanted)
            return None
        if stat.S_ISDIR(info.st_mode):
            if self.options.recursive and not (self.options.as_glob and is_hidden(path)) and self._enters(name, path):
                linked.append(path)
            if wanted and (self.options.as_glob or not self.options.recursive):
                self._keep(path, text)
            return None
        if not wanted:
            return None
        key = model.inode_key(info.st_dev, info.st_ino)
        if not accepted:
            self._keep(path, text, model.LINK, key, info.st_size)
            return None
        if not stat.S_ISREG(info.st_mode):
            self._keep(path, text)
            return None
        known = self.known.get(_suffix(name), {}).get(key, model.UNCLASSIFIED)
        entry = self._entry(path, model.LINK, key, info.st_size, text, known)
        if entry.classification is model.UNCLASSIFIED:
            return entry
        self.scan.entries.append(entry)
        return None

    def _broken_link(self, path: str, text: str, error: OSError, wanted: bool) -> None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            if wanted:
                self._keep(path, text, model.DANGLING)
            return
        self._gap(path, f"leads to {paths.display(text)}, which cannot be reached ({error.strerror})")
        if wanted:
            classification = classify.Classification(model.UNREAD, f"cannot be reached ({error.strerror})", None)
            self.scan.entries.append(self._entry(path, model.LINK, text=text, classification=classification))

    def _folder(self, parent: _OpenDirectory, name: str, path: str, is_link: bool) -> Iterator[Pending]:
        try:
            flags = paths.FOLLOW_DIRECTORY if is_link else paths.OPEN_DIRECTORY
            directory = _OpenDirectory((at.opened_through_links if is_link else at.open_name)(parent.fd, name, flags))
            info = os.fstat(directory.fd)
            key = (info.st_dev, info.st_ino)
            if key in self.above:
                if self.options.as_glob:
                    self._gap(path, "leads to a directory above it, all of which a trainer that follows links would read: remove that link")
                return
            self.visits[key] = self.visits.get(key, 0) + 1
            if self.visits[key] <= (2 if self.options.as_glob else 1):
                if is_link:
                    self.scan.linked_folders.append(path)
                yield from self._directory(directory, path + "/")
        except OSError as error:
            if error.errno not in _VANISHED:
                self._gap(path, f"cannot be listed ({error.strerror})")
