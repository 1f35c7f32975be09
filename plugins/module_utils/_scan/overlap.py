# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Legacy directories that are, contain or lie in a target, and targets that are one directory: refused before anything is scanned.

By device and inode, so that links and bind mounts do not hide it, and by text where nothing is there yet.
"""

from __future__ import annotations

from typing import Dict, List, Sequence

from .. import errors
from .._spec.sets import FeatureSet
from .._system import paths
from .places import Place, ancestry, whereabouts


def refuse_overlaps(sets: Sequence[FeatureSet], targets: Sequence[Place], declared: Sequence[Sequence[Place]]) -> None:
    """FeatureError where directories of the sets overlap. targets, declared: the places of each set, in order."""
    _refuse_shared_targets(sets, targets)
    chains = [ancestry(target.path) for target in targets]
    above: Dict[str, List[paths.InodeKey]] = {}
    for one, places in zip(sets, declared):
        for place in places:
            if place.path not in above:
                above[place.path] = ancestry(place.path)
            for target, chain, other in zip(targets, chains, sets):
                word = _overlap(place, above[place.path], target, chain)
                if word:
                    raise errors.FeatureError(
                        f"feature set '{one.name}': legacy directory {paths.display(place.path)} {word} the target"
                        f" {paths.display(target.path)} of set '{other.name}': take it out of 'legacy'"
                    )


def _refuse_shared_targets(sets: Sequence[FeatureSet], targets: Sequence[Place]) -> None:
    spots = [whereabouts(target.path) for target in targets]
    for index, target in enumerate(targets):
        for other in range(index):
            if spots[index] == spots[other]:
                raise errors.FeatureError(
                    f"feature sets '{sets[other].name}' and '{sets[index].name}' have one target:"
                    f" {paths.display(targets[other].path)} and {paths.display(target.path)} are the same directory; give each its own"
                )


def _overlap(place: Place, above: List[paths.InodeKey], target: Place, chain: List[paths.InodeKey]) -> str:
    (key, below), (target_key, target_below) = whereabouts(place.path), whereabouts(target.path)
    # What is there is compared by what it is, what is not there yet by where it would be.
    here = "/" + below if key == target_key else place.path
    there = "/" + target_below if key == target_key else target.path
    if here == there:
        return "is"
    if (place.key and place.key in chain) or paths.is_below(there, here) or paths.is_below(target.path, place.path):
        return "contains"
    if (target.key and target.key in above) or paths.is_below(here, there) or paths.is_below(place.path, target.path):
        return "lies in"
    return ""
