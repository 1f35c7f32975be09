# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over a directory: what lies there, and what each file is."""

from __future__ import annotations

import errno
import operator
import os
import stat
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .._formats import classify, interface
from .._spec.folders import EVERY_FOLDER, FolderRule
from .._system import files, parallel, paths
from . import model, places

# Gone between listing and looking, which happens on a live host and is not an error.
_VANISHED = (errno.ENOENT, errno.ENOTDIR)


class _Directory:
    """An open directory that closes itself when the last file waiting in it was classified.

    Classifications may overlap and lag behind the listing, so neither side can say alone when it is done.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


# A file that waits for its classification: where it lies, its base name there, the entry to complete.
Pending = Tuple[_Directory, str, model.Entry]
Known = Dict[int, classify.Classification]


def _held(pending: Pending) -> int:
    return id(pending[0])


# From how many names on a directory is gone through by name: plans go by names, and what does not fit into the processor's caches
# is gone through faster in the order it lies in memory.
MANY = 1 << 16
_name = operator.attrgetter("name")


def _find_nothing(path: str) -> Optional[model.Entry]:
    return None


@dataclass(frozen=True)
class ScanOptions:
    """How far a scan goes, and what it keeps.

    recursive: folders are entered, as far as C(folders) lets them be. follow: so are links to directories (each directory once).
    keep_names: names that were not accepted are kept too, unclassified, since they are taken. avoid: directories that are never
    entered. find: the entry that an absolute path led to when another directory was scanned, so that a link that says it is
    not followed once more.
    """

    recursive: bool = True
    follow: bool = True
    keep_names: bool = False
    avoid: Tuple[paths.InodeKey, ...] = ()
    folders: FolderRule = EVERY_FOLDER
    find: Callable[[str], Optional[model.Entry]] = _find_nothing


def scan_directory(
    place: places.Place, accept: Callable[[str], Any], criteria: interface.Criteria, known: Known, options: ScanOptions = ScanOptions()
) -> model.DirectoryScan:
    """Lists a directory once and classifies each file whose base name is accepted.

    known: classifications by inode key, read and extended, so that no file is classified twice for the same criteria.
    """
    scan = model.DirectoryScan(place)
    if place.state in (places.ABSENT, places.UNREADABLE):
        return scan
    try:
        top = _Directory(os.open(place.path, paths.FOLLOW_DIRECTORY))
    except OSError as error:
        if error.errno in _VANISHED:
            scan.state = places.ABSENT
        else:
            _refuse(scan, f"{paths.display(place.path)} cannot be listed ({error.strerror})")
        return scan
    try:
        info = os.fstat(top.fd)
        scan.info = model.DirectoryInfo(info.st_dev, info.st_ino, info.st_uid, info.st_gid, info.st_mode)
        walk = _Walk(scan, accept, known, options)
        for pending, result in parallel.map_parallel(walk.pending(top), _Classifier(criteria, scan.path), _held):
            _record(scan, known, pending[2], result)
    except OSError as error:
        _refuse(scan, f"{paths.display(place.path)} cannot be listed ({error.strerror})")
        return scan
    scan.closed.sort()
    scan.state = places.PRESENT if scan.entries or walk.saw_anything else places.EMPTY
    return scan


def _refuse(scan: model.DirectoryScan, reason: str) -> None:
    scan.state = places.UNREADABLE
    scan.place = places.Place(scan.path, places.UNREADABLE, reason, scan.place.key, scan.place.is_link)
    scan.entries = []


class _Classifier:
    """Opens one pending file and judges it: (size, key, classification), or None where it is not a regular file."""

    def __init__(self, criteria: interface.Criteria, path: str) -> None:
        self.criteria = criteria
        self.path = path

    def __call__(self, pending: Pending) -> Any:
        directory, name, entry = pending
        flags = paths.FOLLOW_FILE if entry.kind == model.LINK else paths.OPEN_FILE
        return files.with_file(self._classify, name, directory.fd, flags, (self.path, entry.path))

    def _classify(self, fd: int, info: os.stat_result, name: str) -> Any:
        return info.st_size, (info.st_dev << 64) | info.st_ino, classify.classify_file(fd, info, name, self.criteria)


def _record(scan: model.DirectoryScan, known: Known, entry: model.Entry, result: Any) -> None:
    if isinstance(result, OSError):
        if result.errno in _VANISHED:
            return
        scan.gap(f"{paths.display(scan.path)}/{paths.display(entry.path)} cannot be read ({result.strerror})")
        entry.classification = classify.Classification(model.UNREAD, f"cannot be read ({result.strerror})", None)
    elif isinstance(result, BaseException):
        raise result
    elif result is None:
        entry.kind = model.SPECIAL
    else:
        entry.size, entry.key, classification = result
        known[entry.key] = entry.classification = classification
        entry.is_feature = classification.kind == classify.FEATURE
    scan.entries.append(entry)


class _Walk:
    """Lists directories depth first and hands out the files that have to be classified."""

    def __init__(self, scan: model.DirectoryScan, accept: Callable[[str], Any], known: Known, options: ScanOptions) -> None:
        self.scan = scan
        self.accept = accept
        self.known = known
        self.recursive = options.recursive
        self.follow = options.follow
        self.keep_names = options.keep_names
        self.find = options.find
        self.folders = options.folders
        # A link upwards would lead through half the host, and back here.
        self.visited = set(options.avoid) | set(places.ancestry(scan.path))
        self.linked: List[str] = []
        self.saw_anything = False

    def pending(self, top: _Directory) -> Iterator[Pending]:
        info = os.fstat(top.fd)
        self.visited.add((info.st_dev, info.st_ino))
        yield from self._directory(top, "")
        # Links to directories last: what lies here also by itself goes by its own path. The list grows meanwhile.
        for path in self.linked:
            for item in self._folder(top, path, path, True):
                item[2].via_link = True
                yield item

    def _directory(self, directory: _Directory, prefix: str) -> Iterator[Pending]:
        accept, keep_names = self.accept, self.keep_names
        folders: List[str] = []
        linked: List[str] = []
        with os.scandir(directory.fd) as listing:
            items = list(listing)
        if len(items) >= MANY:
            items.sort(key=_name)
        items.reverse()
        self.saw_anything = self.saw_anything or bool(items)
        while items:
            item = items.pop()
            name = item.name
            if item.is_file(follow_symlinks=False):
                if accept(name):
                    yield directory, name, model.Entry(prefix + name, model.FILE, 0, 0, model.UNCLASSIFIED, None, name)
                elif keep_names:
                    self._keep(prefix + name, None)
            elif item.is_symlink():
                entry = self._link(directory.fd, name, prefix + name, linked)
                if entry is not None:
                    yield directory, name, entry
            elif item.is_dir(follow_symlinks=False):
                if self.recursive:
                    if self._enters(name, prefix + name):
                        folders.append(name)
                    if keep_names:
                        self._keep(prefix + name, None, model.FOLDER)
                elif keep_names:
                    self._keep(prefix + name, None)
            elif keep_names or accept(name):
                # A socket, a FIFO or a device: never opened.
                self._keep(prefix + name, None)
        self.linked += sorted(linked)
        for name in sorted(folders):
            yield from self._folder(directory, name, prefix + name, False)

    def _enters(self, name: str, path: str) -> bool:
        if self.folders.excluded(name):
            return False
        if self.folders.closed(name):
            self.scan.closed.append(path)
            return False
        return True

    def _keep(self, path: str, text: Optional[str], kind: str = model.SPECIAL, key: int = 0, size: int = 0) -> None:
        self.scan.entries.append(model.Entry(path, kind, key, size, model.UNCLASSIFIED, text))

    def _link(self, fd: int, name: str, path: str, linked: List[str]) -> Optional[model.Entry]:
        """Keeps what can be said of a link at once; returns the entry where its file has to be classified."""
        accepted = self.accept(name)
        wanted = accepted or self.keep_names
        if not wanted and not (self.recursive and self.follow):
            return None
        try:
            text = os.readlink(name, dir_fd=fd)
        except OSError:
            return None  # gone, or no link any more
        same = self.find(text) if accepted else None
        if same is not None:
            self.scan.entries.append(model.Entry(path, model.LINK, same.key, same.size, same.classification, text, name))
            return None
        try:
            info = os.stat(name, dir_fd=fd)
        except OSError as error:
            self._broken_link(path, text, error, wanted)
            return None
        if stat.S_ISDIR(info.st_mode):
            if self.recursive and self.follow:
                if self._enters(name, path):
                    linked.append(path)
            elif wanted:
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
        entry = model.Entry(path, model.LINK, key, info.st_size, self.known.get(key, model.UNCLASSIFIED), text)
        if entry.classification is model.UNCLASSIFIED:
            return entry
        self.scan.entries.append(entry)
        return None

    def _broken_link(self, path: str, text: str, error: OSError, wanted: bool) -> None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            if wanted:
                self._keep(path, text, model.DANGLING)
            return
        where = paths.display(self.scan.path) + "/" + paths.display(path)
        self.scan.gap(f"{where} leads to {paths.display(text)}, which cannot be reached ({error.strerror})")
        if wanted:
            classification = classify.Classification(model.UNREAD, f"cannot be reached ({error.strerror})", None)
            self.scan.entries.append(model.Entry(path, model.LINK, 0, 0, classification, text))

    def _folder(self, parent: _Directory, name: str, path: str, is_link: bool) -> Iterator[Pending]:
        try:
            flags = paths.FOLLOW_DIRECTORY if is_link else paths.OPEN_DIRECTORY
            directory = _Directory(os.open(name, flags, dir_fd=parent.fd))
            info = os.fstat(directory.fd)
            if (info.st_dev, info.st_ino) not in self.visited:
                self.visited.add((info.st_dev, info.st_ino))
                yield from self._directory(directory, path + "/")
        except OSError as error:
            if error.errno not in _VANISHED:
                self.scan.gap(f"{paths.display(self.scan.path)}/{paths.display(path)} cannot be listed ({error.strerror})")
