# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which features of a source do a host's targets hold already? A feature of one target is not sent into another."""

from __future__ import annotations

import os
from typing import Dict, Optional, Sequence, Tuple

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

    def __init__(self, sets: Sequence[FeatureSet], account: Optional[accounts.Account] = None) -> None:
        """sets: all of the host, resolved, in order. account: the training user, who is asked if root is refused."""
        self._sets = sets
        self._account = account
        self._contents = identity.Contents(account)
        self._scans: Dict[Tuple[str, interface.Criteria], model.DirectoryScan] = {}

    def held(self, one: FeatureSet, wanted: manifest.Manifest) -> plan.Held:
        """Return what the host holds of a set's source. FeatureError if it cannot be read."""
        scan = self._scan(one, one.criteria)
        if scan.state == places.UNREADABLE:
            raise errors.FeatureError(
                f"{scan.gaps[0]}: nothing can be uploaded there; make {paths.display(one.target)} a readable directory"
            )
        tokens = self._tokens(one, scan, wanted, names.name_filter(one.reads + one.patterns))
        return plan.Held(one.target, {entry.path: entry for entry in scan.entries}, tokens, self._elsewhere(one, wanted))

    def _elsewhere(self, one: FeatureSet, wanted: manifest.Manifest) -> Places:
        """The features that a trainer reads in other sets' targets, and those that are on their way into a target listed earlier."""
        found: Places = {}
        before = True
        for other in self._sets:
            if other.name == one.name:
                before = False
                continue
            found.update(self._tokens(other, self._scan(other, one.criteria), wanted, names.name_filter(other.reads)))
            if before and os.path.lexists(manifest.staging_path(other.target)):
                incoming = staging.staged_manifest(other.target, self._account)
                found.update((coming.token, paths.display(os.path.join(other.target, name))) for name, coming in incoming.items())
        return found

    def _scan(self, one: FeatureSet, criteria: interface.Criteria) -> model.DirectoryScan:
        key = (one.name, criteria)
        if key not in self._scans:
            gathers = places.look_up(manifest.staging_path(one.target)).key
            options = directories.ScanOptions(one.layout == "tree", as_glob=True, keep_names=True, avoid=(gathers,) if gathers else ())
            place, accept = places.look_up(one.target, self._account), names.name_filter(one.reads + one.patterns)
            self._scans[key] = directories.scan_directory(place, accept, criteria, {}, options, self._account)
        return self._scans[key]

    def _tokens(self, one: FeatureSet, scan: model.DirectoryScan, wanted: manifest.Manifest, reads: names.NameFilter) -> Places:
        """The features of a target by token. Of files without checksums only those are read that have the size of a wanted one."""
        sizes = manifest.sizes_to_read(wanted)
        entries = [
            entry for entry in scan.entries if entry.is_feature and reads(entry.name) and not folders.in_hidden_folder(entry.path)
        ]
        checked = {entry.path: manifest.token_of(entry.classification, bytes) for entry in entries if entry.classification.identity}
        unchecked = [(one.target, entry) for entry in entries if entry.path not in checked and entry.size in sizes]
        for (_target, entry), digest in zip(unchecked, self._contents.digests(identity.WHOLE, unchecked)):
            if not isinstance(digest, bytes):
                where = paths.display(os.path.join(one.target, entry.path))
                raise errors.FeatureError(f"{where} cannot be compared with the source ({digest[1]}): make it readable, or remove it")
            checked[entry.path] = "c" + digest.hex()
        return {token: paths.display(os.path.join(one.target, path)) for path, token in checked.items()}
