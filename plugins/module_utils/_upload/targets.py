# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which features of a source do a host's targets hold already? A feature of one target is not sent into another."""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from .. import errors
from .._formats import interface
from .._scan import directories, identity, manifest, model, places, staging
from .._spec import folders, names
from .._spec.sets import FeatureSet
from .._system import accounts, paths
from . import plan

# The path of a feature, for messages, by its token in a manifest.
Places = Dict[str, str]


class Targets:
    """The targets of a host. Each is scanned once for all that are asked for the same, and each file is read once."""

    def __init__(self, sets: Sequence[FeatureSet], account: Optional[accounts.Account] = None, dry_run: bool = False) -> None:
        """sets: all of the host, resolved, in order. account: the training user, who is asked if root is refused.

        dry_run: the links that a run makes before its upload are not there, and count as if they were.
        """
        self._sets = sets
        self._account = account
        self._dry_run = dry_run
        self._contents = identity.Contents(account)
        self._scans: Dict[Tuple[str, interface.Criteria], model.DirectoryScan] = {}

    def held(self, one: FeatureSet, wanted: manifest.Manifest) -> plan.Held:
        """Return what the host holds of a set's source. FeatureError if it cannot be read."""
        scan = self._scan(one, one.criteria)
        if scan.state == places.UNREADABLE:
            raise errors.FeatureError(
                f"{scan.gaps[0]}: nothing can be uploaded there; make {paths.display(one.target)} a readable directory"
            )
        entries = {entry.path: entry for entry in scan.entries}
        tokens = self._in_target(one, scan, wanted, names.name_filter(one.reads + one.patterns))
        elsewhere = self._elsewhere(one, wanted)
        for other, name, entry, token in self._links_to_come(wanted) if self._dry_run else ():
            if token in tokens or token in elsewhere:
                continue
            if other.name != one.name:
                elsewhere[token] = _shown(other.target, name)
            elif name not in entries or entries[name].kind == model.DANGLING:
                tokens[token], entries[name] = _shown(one.target, name), entry
        return plan.Held(one.target, entries, tokens, elsewhere)

    def _links_to_come(self, wanted: manifest.Manifest) -> Iterator[Tuple[FeatureSet, str, model.Entry, str]]:
        """Yield set, name in its target, entry and token of each feature of the legacy directories, those first that are linked first."""
        avoid = tuple(key for key in (places.look_up(one.target, self._account).key for one in self._sets) if key)
        for one in self._sets:
            tree, reads = one.layout == "tree", names.name_filter(one.reads)
            accept, options = names.name_filter(one.patterns, one.exclude), directories.ScanOptions(avoid=avoid, folders=one.folders)
            for place in places.find_places(one.legacy, self._account):
                scan = directories.scan_directory(place, accept, one.criteria, {}, options, self._account)
                entries = [entry for entry in _features(scan, reads, tree) if accept(entry.name)]
                tokens = self._tokens(place.path, entries, wanted)
                for entry in entries:
                    if entry.path in tokens:
                        yield one, entry.path if tree else entry.name, entry, tokens[entry.path]

    def _elsewhere(self, one: FeatureSet, wanted: manifest.Manifest) -> Places:
        """The features that a trainer reads in other sets' targets, and those that are on their way into a target listed earlier."""
        found: Places = {}
        before = True
        for other in self._sets:
            if other.name == one.name:
                before = False
                continue
            found.update(self._in_target(other, self._scan(other, one.criteria), wanted, names.name_filter(other.reads)))
            if before and os.path.lexists(manifest.staging_path(other.target)):
                incoming = staging.staged_manifest(other.target, self._account)
                found.update((coming.token, _shown(other.target, name)) for name, coming in incoming.items())
        return found

    def _scan(self, one: FeatureSet, criteria: interface.Criteria) -> model.DirectoryScan:
        key = (one.name, criteria)
        if key not in self._scans:
            gathers = places.look_up(manifest.staging_path(one.target)).key
            options = directories.ScanOptions(one.layout == "tree", as_glob=True, keep_names=True, avoid=(gathers,) if gathers else ())
            place, accept = places.look_up(one.target, self._account), names.name_filter(one.reads + one.patterns)
            self._scans[key] = directories.scan_directory(place, accept, criteria, {}, options, self._account)
        return self._scans[key]

    def _in_target(self, one: FeatureSet, scan: model.DirectoryScan, wanted: manifest.Manifest, reads: names.NameFilter) -> Places:
        tokens = self._tokens(one.target, _features(scan, reads), wanted)
        return {token: _shown(one.target, path) for path, token in tokens.items()}

    def _tokens(self, directory: str, features: Sequence[model.Entry], wanted: manifest.Manifest) -> Dict[str, str]:
        """Return tokens of features by path. Of files without checksums only those are read that have the size of a wanted one."""
        sizes = manifest.sizes_to_read(wanted)
        checked = {entry.path: manifest.token_of(entry.classification, bytes) for entry in features if entry.classification.identity}
        unchecked = [(directory, entry) for entry in features if entry.path not in checked and entry.size in sizes]
        for (_directory, entry), digest in zip(unchecked, self._contents.digests(identity.WHOLE, unchecked)):
            if not isinstance(digest, bytes):
                where = _shown(directory, entry.path)
                raise errors.FeatureError(f"{where} cannot be compared with the source ({digest[1]}): make it readable, or remove it")
            checked[entry.path] = "c" + digest.hex()
        return checked


def _features(scan: model.DirectoryScan, reads: names.NameFilter, without_hidden: bool = True) -> List[model.Entry]:
    """Return the features that a trainer finds under such names."""
    return [
        entry
        for entry in scan.entries
        if entry.is_feature and reads(entry.name) and not (without_hidden and folders.in_hidden_folder(entry.path))
    ]


def _shown(directory: str, name: str) -> str:
    return paths.display(os.path.join(directory, name))
