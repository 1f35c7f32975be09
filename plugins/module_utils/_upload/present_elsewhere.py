# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which features of a source do a host's targets hold already? A feature of one target is not sent into another."""

from __future__ import annotations

import os
from typing import Dict, Sequence

from .._scan import directories, identity, manifest, model, staging_paths
from .._scan.places import look_up
from .._spec import names
from .._spec.sets import FeatureSet
from .._system import paths

# The path of a feature, for messages, by its token in a manifest.
Places = Dict[str, str]


def tokens_in(target: str, scan: model.DirectoryScan, wanted: manifest.Manifest) -> Places:
    """The features that a scan of a target found. Of files without checksums only those are read that have the size of a wanted one."""
    sizes = manifest.sizes_to_read(wanted)
    found = [entry for entry in scan.entries if entry.is_feature and not directories.in_hidden_folder(entry.path)]
    places = {
        manifest.token_of(entry.classification, bytes): paths.display(os.path.join(target, entry.path))
        for entry in found
        if entry.classification.identity is not None
    }
    unchecked = [(target, entry) for entry in found if entry.classification.identity is None and entry.size in sizes]
    for (_target, entry), digest in zip(unchecked, identity.Contents().digests(identity.WHOLE, unchecked)):
        if not isinstance(digest, bytes):
            raise OSError(*digest, os.path.join(target, entry.path))
        places["c" + digest.hex()] = paths.display(os.path.join(target, entry.path))
    return places


def find_elsewhere(one: FeatureSet, sets: Sequence[FeatureSet], wanted: manifest.Manifest) -> Places:
    """The features that a trainer reads in other sets' targets, and those that are on their way into a target listed earlier.

    sets: all of the host, resolved, in order. wanted: the features of the source.
    """
    places: Places = {}
    before = True
    for other in sets:
        if other.name == one.name:
            before = False
            continue
        options = directories.ScanOptions(recursive=other.layout == "tree", as_glob=True)
        scan = directories.scan_directory(look_up(other.target), names.name_filter(other.reads), one.criteria, {}, options)
        places.update(tokens_in(other.target, scan, wanted))
        if before and os.path.lexists(staging_paths.staging_path(other.target)):
            on_their_way = manifest.read_manifest(other.target) or {}
            places.update((incoming.token, paths.display(os.path.join(other.target, name))) for name, incoming in on_their_way.items())
    return places
