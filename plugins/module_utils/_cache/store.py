# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores the inspection of a host that is ready and needs nothing: its facts and all that they depend on.

That includes a fingerprint of directories, which C(unchanged) compares later. No file is opened for it.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from .._plan import state
from .._scan import manifest, places
from .._system import at, mounts, paths
from . import basis, files, unchanged

# Seconds. A change that comes within the clock's resolution of another one looks like it, and a clock may be set back a little.
AGE = 120.0
# Names of a target that are read and are no features: with more of them, the inspection is not stored.
MOST_EXCEPTIONS = 1000
# Their ctime changes with every write, also one through a memory map that was written back since; tmpfs writes nothing back.
TRUSTED = frozenset(["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs"])


class _Unfit(Exception):
    """The fingerprint of these directories would prove nothing, or cost too much."""


def store(params: Mapping[str, Any], host: state.HostState, facts: Dict[str, Any], started: float) -> None:
    """Store the facts, if they can be; the file system's errors only mean that nothing is stored.

    params: the module's. started: time.time() from before the inspection.
    """
    if not (params.get("remember") and facts["features_ready"] and not facts["feature_steps"]):
        return
    if not all(map(_can_be_cached, host.sets)):
        return
    sets = [_opened(one) for one in host.sets]
    if sum(len(one.exceptions) for one in sets) > MOST_EXCEPTIONS:
        return
    try:
        found = _entry(params, host, facts, sets, started)
    except (OSError, _Unfit):
        return
    files.save(basis.entry_name(params, host.account), files.pack(found))


def _can_be_cached(one: state.SetState) -> bool:
    return (
        one.feature_set.verify == "quick"
        and not one.discovery.directories
        and not one.access.unreadable
        # A lookup is a hit only while there is none: once it is gone, its facts would be returned.
        and one.incoming.state == places.ABSENT
        and not one.incoming.complete
        and all(scan.state != places.UNREADABLE for scan in one.scans)
    )


def _opened(one: state.SetState) -> files.Opened:
    skipped = [*(found for found in one.read if not found.is_feature), *one.hidden]
    exceptions = frozenset(found.path for found in skipped)
    return files.Opened(one.target, one.feature_set.reads, one.feature_set.layout == "tree", len(one.features), exceptions)


def _entry(
    params: Mapping[str, Any], host: state.HostState, facts: Dict[str, Any], opened: Sequence[files.Opened], started: float
) -> files.CacheEntry:
    account, sets = host.account, [one.feature_set for one in host.sets]
    staged = [path(one.target) for one in sets for path in (manifest.staging_path, manifest.manifest_path)]
    result = files.CacheEntry(
        facts=facts,
        basis=basis.basis_of(params, account),
        mounts=[one.mount for one in sets if one.mount is not None],
        absent=staged,
        targets=[(one.target, basis.target_now(account, one.target)) for one in sets],
        legacy=[(path, basis.legacy_now(account, path)) for path in dict.fromkeys(path for one in sets for path in one.legacy)],
        sets=list(opened),
        folders=[],
    )
    scans = state.distinct_scans(host.sets)
    most = 2 * sum(len(scan.entries) for scan in scans) + 1000
    roots = {scan.path: scan.place.key for scan in scans if scan.place.key}
    folders = _Surveyor(mounts.read_mountinfo(), most, int((started - AGE) * 1e9)).walk(list(roots))
    if any(one.key != roots.get(one.path, one.key) for one in folders):
        raise _Unfit  # another directory than the one that was scanned: a mount changes no time
    return result._replace(folders=folders)


class _Surveyor:
    """Takes the fingerprint of directories.

    most: names to read in all. _Unfit if that is not enough, if something changed after C(latest) (nanoseconds), or if a file system's
    ctime cannot be trusted; OSError if something cannot be read.
    """

    def __init__(self, mountinfo: str, most: int, latest: int) -> None:
        self._mountinfo = mountinfo
        self._left = most
        self._latest = latest
        self._trusted: Set[int] = set()

    def walk(self, roots: Sequence[str]) -> List[unchanged.Folder]:
        """Return the fingerprint of everything below the roots, in every folder and behind every link to one.

        All folders are read first: then it is known which of them a link leads into.
        """
        todo, seen, found = list(reversed(roots)), set(), []
        while todo:
            path = todo.pop()
            fd = os.open(path, paths.FOLLOW_DIRECTORY)
            try:
                info = os.fstat(fd)
                key = (info.st_dev, info.st_ino)
                if key in seen:
                    continue
                seen.add(key)
                self._check(path, info)
                folders, links, only_links = self._list(fd)
            finally:
                os.close(fd)
            found.append((path, links, only_links))
            todo += [f"{path.rstrip('/')}/{name}" for name in folders]
        visited = {path for path, _links, _only in found}
        return [
            self._folder(path, unchanged.FOLLOW if not _all_inside(links, visited) else unchanged.NAMES if only_links else unchanged.EACH)
            for path, links, only_links in found
        ]

    def _list(self, fd: int) -> Tuple[List[str], List[str], bool]:
        """Return the names that lead to folders, the links' texts, and whether there is nothing but links."""
        folders, links, count = [], [], 0
        with os.scandir(fd) as listing:
            for item in listing:
                count += 1
                self._left -= 1
                if self._left < 0:
                    raise _Unfit
                if item.is_dir():
                    folders.append(item.name)
                if item.is_symlink():
                    links.append(at.readlink(fd, item.name))
        return folders, links, count == len(links)

    def _folder(self, path: str, entries: str) -> unchanged.Folder:
        fd = os.open(path, paths.FOLLOW_DIRECTORY)
        try:
            info = os.fstat(fd)
            names = os.listdir(fd)
            digests = []
            for start in range(0, len(names), unchanged.CHUNK):
                infos = unchanged.inspect_names(fd, names[start : start + unchanged.CHUNK], entries)
                for one in infos:
                    self._check(path, one)
                digests.append(unchanged.digest_of(names[start : start + unchanged.CHUNK], infos))
            return unchanged.Folder(path, (info.st_dev, info.st_ino), info.st_ctime_ns, entries, len(names), tuple(digests))
        finally:
            os.close(fd)

    def _check(self, path: str, info: Any) -> None:
        if info.st_ctime_ns > self._latest:
            raise _Unfit
        if info.st_dev and info.st_dev not in self._trusted:
            if mounts.file_system_type(info.st_dev, path, self._mountinfo) not in TRUSTED:
                raise _Unfit
            self._trusted.add(info.st_dev)


def _all_inside(links: Sequence[str], visited: Set[str]) -> bool:
    """True if each link leads, by its text alone, to a name in a folder that has a fingerprint itself."""
    return all(os.path.dirname(text) in visited and os.path.normpath(text) == text for text in links)
