# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The legacy directories of all sets: each real directory is scanned once for each distinct Criteria."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Sequence, Tuple

from .._formats import interface
from .._spec import folders, names
from .._spec.sets import FeatureSet
from .._system import accounts, paths
from . import directories, model
from .places import Place


class LegacyScanner:
    """Scans each directory once, however many sets and paths name it.

    avoid: directories (the targets) that are never entered, also not through links. memory: what all scans together may take, in bytes.
    """

    def __init__(
        self, sets: Sequence[FeatureSet], account: accounts.Account, avoid: Sequence[paths.InodeKey], memory: int
    ) -> None:
        self._known: Dict[interface.Criteria, directories.Known] = {}
        self._scans: Dict[Tuple[interface.Criteria, folders.FolderRule, paths.InodeKey], model.DirectoryScan] = {}
        self._account = account
        self._avoid = tuple(avoid)
        self._memory = memory
        self._filters = {
            criteria: names.any_filter([(one.patterns, one.exclude) for one in sets if one.criteria == criteria])
            for criteria in {one.criteria for one in sets}
        }

    def scan(
        self, place: Place, accept: Callable[[str], Any], criteria: interface.Criteria, options: directories.ScanOptions
    ) -> model.DirectoryScan:
        """Scan a directory of this host, with the memory that the ones before it left."""
        options = replace(options, memory=self._memory)
        scan = directories.scan_directory(place, accept, criteria, self._known.setdefault(criteria, {}), options, self._account)
        self._memory -= scan.memory
        return scan

    def forget_classifications(self) -> None:
        """Free the memory of the classifications once all is scanned; the entries keep theirs."""
        self._known.clear()

    def scans_of(self, one: FeatureSet, places: Sequence[Place]) -> List[model.LegacyScan]:
        """The set's legacy directories in declared order.

        Of several paths to one directory, the first that is not itself a link holds the entries; the others say which.
        """
        used: Dict[paths.InodeKey, Place] = {}
        for place in places:
            if place.key and (place.key not in used or (used[place.key].is_link and not place.is_link)):
                used[place.key] = place
        belongs, reads = names.name_filter(one.patterns, one.exclude), names.name_filter(one.reads)
        found: List[model.LegacyScan] = []
        for place in places:
            holder = used[place.key] if place.key else place
            scan = self._scan(one, holder) if place.key else model.DirectoryScan(place)
            if holder is place:
                found.append(_part_of(one, place, scan, belongs, reads))
            else:
                found.append(model.LegacyScan(place, scan, same_as=holder.path))
        return found

    def _scan(self, one: FeatureSet, place: Place) -> model.DirectoryScan:
        key = (one.criteria, one.folders, place.key or (0, 0))
        scan = self._scans.get(key)
        if scan is None:
            options = directories.ScanOptions(avoid=self._avoid, folders=one.folders)
            scan = self.scan(place, self._filters[one.criteria], one.criteria, options)
            self._scans[key] = scan
        return scan


def _part_of(
    one: FeatureSet, place: Place, scan: model.DirectoryScan, belongs: names.NameFilter, reads: names.NameFilter
) -> model.LegacyScan:
    """The entries of a directory that belong to a set, by classification."""
    features: List[model.Entry] = []
    hidden: List[model.Entry] = []
    rejected: List[model.Entry] = []
    dangling: List[model.Entry] = []
    for entry in scan.entries:
        if not belongs(entry.name):
            continue
        if entry.is_feature:
            features.append(entry)
            if not reads(entry.name) or (one.layout == "tree" and folders.in_hidden_folder(entry.path)):
                hidden.append(entry)
        elif entry.kind == model.DANGLING:
            dangling.append(entry)
        elif entry.classification.kind:
            rejected.append(entry)
    return model.LegacyScan(place, scan, None, features, hidden, rejected, dangling)
