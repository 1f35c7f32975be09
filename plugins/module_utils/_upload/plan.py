# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an upload of one set has to bring to a host, and what becomes of what an earlier one left. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import AbstractSet, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from .. import errors
from .._scan import model
from .._scan.manifest import Manifest
from .._scan.staging import Staged, is_temporary
from .._spec import sets
from .._system import words
from .._system.paths import display

# By token in a manifest: where that feature is, for messages.
Places = Mapping[str, str]


class Held(NamedTuple):
    """What a host holds of a source. path, entries: a set's target and its entries by name. tokens: its features, by token.

    elsewhere: the features that other sets' targets hold, or will.
    """

    path: str
    entries: Mapping[str, model.Entry]
    tokens: Places
    elsewhere: Places


@dataclass(frozen=True)
class StagedContent:
    """What is in a set's staging directory.

    C(whole): names that are as the upload wants them. C(ours): names that this upload or the one before brings; what else lies
    there is not ours to remove.
    """

    path: str
    listing: Staged = field(default_factory=lambda: Staged([], [], {}))
    whole: AbstractSet[str] = frozenset()
    ours: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Missing:
    """The features of a source that no target of the host holds. C(present): how many its own target holds already.

    C(elsewhere): how many another set's target holds.
    """

    features: Manifest
    present: int
    elsewhere: int
    warnings: Tuple[str, ...]


@dataclass(frozen=True)
class UploadPlan:
    """What an upload of one set has to do, complete before the first change.

    C(wanted): all that it brings. C(send): what of it is not whole in the staging directory yet. C(remove): what is there
    and not wanted.
    """

    wanted: Manifest
    send: Tuple[str, ...]
    remove: Tuple[str, ...]
    missing: Missing

    @property
    def staged(self) -> List[str]:
        """What an earlier upload has brought whole."""
        return sorted(set(self.wanted) - set(self.send))

    def size_of(self, names: Sequence[str]) -> int:
        return sum(self.wanted[name].size for name in names)


def find_missing(feature_set: sets.FeatureSet, held: Held, manifest: Manifest) -> Missing:
    """Return what no target holds. FeatureError if a name is taken, the set would stay empty, or it would have too few features."""
    missing: Manifest = {}
    present = 0
    kept: List[str] = []
    places: List[str] = []
    for name, wanted in manifest.items():
        entry = held.entries.get(name)
        if wanted.token in held.tokens:
            present += 1
        elif wanted.token in held.elsewhere:
            places.append(held.elsewhere[wanted.token])
        elif entry is None or entry.kind == model.DANGLING:
            missing[name] = wanted
        elif entry.is_feature:
            present += 1
            kept.append(f"{display(os.path.join(held.path, name))} is kept: it is a feature, but not the one in the source")
        else:
            raise errors.FeatureError(
                f"{display(os.path.join(held.path, name))} takes the name of a feature to upload and is not a feature:"
                " move that file away and run again"
            )
    # By entries: tokens of files without checksums are known only if the source needs them.
    there = sum(entry.is_feature for entry in held.entries.values())
    if places and not (missing or there):
        # Twice in what a trainer reads, a feature would be in training and in validation.
        raise errors.FeatureError(
            f"feature set '{feature_set.name}': all features of its source are in another set's target already (e.g. {places[0]}):"
            " give the set a source, or 'patterns', of its own"
        )
    check_number(feature_set, there + len(missing))
    warnings = kept[:words.SAMPLES]
    if places:
        warnings.append(f"left out of the upload: {len(places)} that are in another set's target already (e.g. {places[0]})")
    return Missing(missing, present, len(places), tuple(warnings))


def check_number(feature_set: sets.FeatureSet, number: int) -> None:
    """FeatureError if a set would have fewer features than expected after its upload."""
    too_few = (feature_set.expected or 0) - number
    if too_few > 0:
        raise errors.FeatureError(
            f"feature set '{feature_set.name}': its source holds too few features, {too_few} fewer than the {feature_set.expected}"
            f" that are expected would be in {display(feature_set.target)}: complete the source, or correct 'expected'"
        )


def plan_upload(missing: Missing, staged: StagedContent) -> UploadPlan:
    """Return what has to be sent and removed; FeatureError if something is in the staging directory that no upload brought."""
    wanted = missing.features
    foreign = [path for path in staged.listing.files if path not in staged.ours and not is_temporary(path, staged.ours)]
    foreign += [path for path, name in staged.listing.partial.items() if name not in staged.ours]
    if foreign:
        raise errors.FeatureError(name_foreign(staged.path, foreign))
    remove = [path for path in staged.listing.files if path not in staged.whole]
    remove += [path for path, name in staged.listing.partial.items() if name not in wanted]
    return UploadPlan(wanted, tuple(sorted(set(wanted) - staged.whole)), tuple(remove), missing)


def name_foreign(staging: str, paths: Sequence[str]) -> str:
    """What no upload brought into a staging directory, named once however much it is."""
    tops: Dict[str, int] = {}
    for path in paths:
        top = path.partition("/")[0]
        tops[top] = tops.get(top, 0) + 1
    names = sorted(tops)
    first = display(os.path.join(staging, names[0]))
    more = f" and {len(names) - 1} more next to it" if len(names) > 1 else ""
    one = len(paths) == 1
    return (
        f"{display(staging)} holds {len(paths)} {'file that is' if one else 'files that are'} not from an upload, in {first}{more}:"
        f" move {'them' if len(names) > 1 else 'that'} out of {display(staging)}, or remove this directory, and run again"
    )
