# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse legacy directories that are, contain or are in a target, and targets that are one directory, before anything is scanned.

Directories are compared by device and inode, and by where they are in their file system, so that neither links nor bind mounts
hide an overlap; by their text if nothing is there yet.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .. import errors
from .._spec.sets import FeatureSet
from .._system import mounts, paths
from .places import Place, ancestry


class _Spot:
    def __init__(self, place: Place, mountinfo: str) -> None:
        self.place = place
        above = ancestry(place.path)
        self.above = [key for key, _below in above]
        self.nearest = above[0]
        self.origin = mounts.origin_of(place.path, mountinfo)

    def texts(self, other: _Spot) -> List[Tuple[str, str]]:
        """Pairs of paths in one name space, of this place and of the other."""
        pairs = [(self.place.path, other.place.path)]
        if self.nearest[0] == other.nearest[0]:
            pairs.append(("/" + self.nearest[1], "/" + other.nearest[1]))
        if self.origin[0] == other.origin[0]:
            pairs.append((self.origin[1], other.origin[1]))
        return pairs


def refuse_overlaps(sets: Sequence[FeatureSet], targets: Sequence[Place], declared: Sequence[Sequence[Place]]) -> None:
    """Raise FeatureError if directories of the sets overlap. targets, declared: the places of each set, in order."""
    mountinfo = mounts.read_mountinfo()
    spots = [_Spot(target, mountinfo) for target in targets]
    _refuse_shared_targets(sets, spots)
    known: Dict[str, _Spot] = {}
    for one, places in zip(sets, declared):
        for place in places:
            if place.path not in known:
                known[place.path] = _Spot(place, mountinfo)
            spot = known[place.path]
            for target, other in zip(spots, sets):
                word = _overlap(spot, target)
                if word:
                    raise errors.FeatureError(
                        f"feature set '{one.name}': legacy directory {paths.display(place.path)} {word} the target"
                        f" {paths.display(target.place.path)} of set '{other.name}': take it out of 'legacy'"
                    )


def _refuse_shared_targets(sets: Sequence[FeatureSet], spots: Sequence[_Spot]) -> None:
    for index, one in enumerate(spots):
        for before, other in enumerate(spots[:index]):
            if any(here == there for here, there in one.texts(other)):
                raise errors.FeatureError(
                    f"feature sets '{sets[before].name}' and '{sets[index].name}' have one target:"
                    f" {paths.display(other.place.path)} and {paths.display(one.place.path)} are the same directory; give each its own"
                )


def _overlap(spot: _Spot, target: _Spot) -> str:
    texts = spot.texts(target)
    if any(here == there for here, there in texts):
        return "is"
    if (spot.place.key and spot.place.key in target.above) or any(paths.is_below(there, here) for here, there in texts):
        return "contains"
    if (target.place.key and target.place.key in spot.above) or any(paths.is_below(here, there) for here, there in texts):
        return "is in"
    return ""
