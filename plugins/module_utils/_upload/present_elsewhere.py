# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which features of a source the targets of a host hold already: what stands in one target is not sent into another."""

from __future__ import annotations

import os
from functools import partial
from typing import Dict, Sequence, Set

from .._scan import directories, identity, manifest, model, staging_paths
from .._scan.places import look_up
from .._spec import names
from .._spec.sets import FeatureSet
from .._system import paths

# Where a feature stands, for people, by its token in a manifest.
Places = Dict[str, str]


def tokens_in(target: str, scan: model.DirectoryScan, asked: Set[str]) -> Places:
    """The features that a scan of a target found. asked: the tokens of interest, which decide whether bytes have to be read."""
    places: Places = {}
    by_content = manifest.are_of_bytes(asked)
    for entry in scan.entries:
        if not entry.is_feature:
            continue
        if by_content or entry.classification.identity is not None:
            token = manifest.token_of(entry.classification, partial(identity.digest_of, target, entry.path))
            places[token] = paths.display(os.path.join(target, entry.path))
    return places


def find_elsewhere(one: FeatureSet, sets: Sequence[FeatureSet], asked: Set[str]) -> Places:
    """What other sets' targets hold, as far as their trainer reads it, and what is on its way into those listed before.

    sets: all of the host, resolved, in order. asked: the tokens of the source's features.
    """
    places: Places = {}
    before = True
    for other in sets:
        if other.name == one.name:
            before = False
            continue
        options = directories.ScanOptions(recursive=other.layout == "tree", follow=False)
        scan = directories.scan_directory(look_up(other.target), names.name_filter(other.reads), one.criteria, {}, options)
        places.update(tokens_in(other.target, scan, asked))
        if before and os.path.lexists(staging_paths.staging_path(other.target)):
            on_their_way = manifest.read_manifest(other.target) or {}
            places.update((wanted.token, paths.display(os.path.join(other.target, name))) for name, wanted in on_their_way.items())
    return places
