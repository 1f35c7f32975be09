# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one look at a host has found: plain data, with the questions that are asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from .._access.report import AccessReport
from .._scan.model import DirectoryScan, Discovery, Entry, LegacyScan
from .._scan.places import ABSENT, EMPTY, PRESENT
from .._scan.staging import Incoming
from .._spec.policy import Policy
from .._spec.sets import FeatureSet
from .._system.accounts import Account
from .._system.paths import InodeKey
from .digest import NO_DIGEST, Digest
from .links import SetPlan
from .status import host_status


@dataclass
class SetState:
    """One set as it stands on this host, and what is planned for it."""

    feature_set: FeatureSet
    target: str
    scan: DirectoryScan
    legacy: List[LegacyScan]
    incoming: Incoming
    read: List[Entry] = field(default_factory=list)  # what the trainer reads of the target
    digest: Digest = NO_DIGEST
    plan: SetPlan = field(default_factory=SetPlan)
    status: Optional[int] = None
    top_up: bool = False
    unmounted: bool = False
    dangling_blocks: bool = False
    discovery: Discovery = field(default_factory=Discovery)
    access: Optional[AccessReport] = None
    leaks: List[str] = field(default_factory=list)
    leak_count: int = 0
    leaks_left: int = 0  # once the plan is carried out

    @property
    def name(self) -> str:
        """The set's name."""
        return self.feature_set.name

    @property
    def target_key(self) -> Optional[InodeKey]:
        """(st_dev, st_ino) of the target as it was scanned, None where it was absent."""
        return (self.scan.info.st_dev, self.scan.info.st_ino) if self.scan.info else None

    @property
    def features(self) -> List[Entry]:
        """The intact features in the target that the trainer reads."""
        return [entry for entry in self.read if entry.is_feature]

    @property
    def uploads(self) -> bool:
        """Whether this run uploads the set: nothing anywhere, or less than expected where that is to be topped up."""
        if self.feature_set.source is None or self.status is None:
            return False
        if self.status == 0:
            return not self.plan.dangling_into_legacy  # these are pruned first, in a run of its own
        return self.top_up and self.distinct_features() < (self.feature_set.expected or 0)

    def access_items(self) -> List[Tuple[str, List[str], bool]]:
        """What the training user has to read, now and once all is linked: (directory, paths below it, must list it)."""
        items: List[Tuple[str, List[str], bool]] = []
        if self.scan.state in (PRESENT, EMPTY):
            items.append((self.target, [entry.path for entry in self.features], True))
        elif self.scan.state == ABSENT and (self.plan.to_create or self.uploads):
            items.append((self.target, [], True))  # not there yet, but what lies above it can be asked about now
        wanted = {text for _name, text in self.plan.to_create} | {text for _name, text, _old in self.plan.to_replace}
        for one in self.legacy:
            if wanted and one.features:
                base = one.place.path.rstrip("/") + "/"
                paths = [entry.path for entry in one.features if base + entry.path in wanted]
                if paths:
                    items.append((one.place.path, paths, False))
        return items

    def link_sources(self) -> List[Tuple[str, List[str]]]:
        """The features that links in the target may lead to: (declared legacy directory, paths below it)."""
        return [(one.place.path, [entry.path for entry in one.features]) for one in self.legacy if one.features]

    def distinct_features(self) -> int:
        """How many different features the host holds for this set."""
        seen = {entry.classification.identity for entry in self.features}
        for legacy in self.legacy:
            seen.update(entry.classification.identity for entry in legacy.features)
        return len(seen)


@dataclass
class HostState:
    """All sets of one host."""

    account: Account
    policy: Policy
    sets: List[SetState]

    @property
    def status(self) -> Optional[int]:
        """The host's status."""
        return host_status([one.status for one in self.sets])

    def by_name(self, name: str) -> SetState:
        """The view of one set."""
        return next(one for one in self.sets if one.name == name)

    def access_items(self, name: str) -> List[Tuple[str, List[str], bool]]:
        """What the training user has to read of a set: (directory, paths below it, whether it must list it)."""
        return self.by_name(name).access_items()
