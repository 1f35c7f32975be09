# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a set and of the host. Each step of an inspection extends an immutable record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Optional

from .._access import probe, report
from .._scan import model, places, staging
from .._spec.arguments import Policy
from .._spec.sets import FeatureSet
from .._system import accounts
from .._system.paths import InodeKey
from . import features_digest, links
from .status import host_status


@dataclass(frozen=True)
class SetScan:
    """One set as it was scanned.

    C(read): what a trainer's glob finds in the target; C(features): the intact features among it; C(hidden): matching names
    that are hidden, or in a hidden folder, which a glob does not find. C(unmounted): the set's C(mount) is not a mount point.
    """

    feature_set: FeatureSet
    scan: model.DirectoryScan
    legacy: List[model.LegacyScan]
    incoming: staging.Incoming
    read: List[model.Entry]
    features: List[model.Entry]
    hidden: List[model.Entry]
    digest: features_digest.Digest
    unmounted: bool

    @property
    def name(self) -> str:
        return self.feature_set.name

    @property
    def target(self) -> str:
        return self.feature_set.target

    @property
    def scans(self) -> List[model.DirectoryScan]:
        """The scans of the target and of the legacy directories; sets share those of the latter."""
        return [self.scan, *(legacy.scan for legacy in self.legacy)]

    @property
    def target_key(self) -> Optional[InodeKey]:
        """(st_dev, st_ino) of the target as it was scanned, None if it was absent."""
        return (self.scan.info.st_dev, self.scan.info.st_ino) if self.scan.info else None

    @property
    def target_fully_scanned(self) -> bool:
        """True if everything in the target was seen and understood."""
        return not self.scan.gap_count and not model.not_understood(self.read)

    @property
    def staged(self) -> int:
        """The features of a finished staging directory, which a run publishes before anything else."""
        return self.incoming.features if self.incoming.complete else 0

    def link_sources(self) -> List[probe.LinkSource]:
        """The files that links to features may lead to, for each declared legacy directory."""
        linked = frozenset(entry.key for one in self.legacy for entry in one.features if entry.kind == model.LINK)
        return [
            probe.LinkSource(one.place.path, [entry.path for entry in one.features], linked)
            for one in self.legacy
            if one.features or linked
        ]

    def distinct_features(self) -> int:
        """Number of different features that the host holds for this set."""
        seen = {entry.classification.identity for entry in self.features}
        for legacy in self.legacy:
            seen.update(entry.classification.identity for entry in legacy.features)
        return len(seen)

    def behind_links(self) -> Dict[str, List[str]]:
        """By path of a link to a directory in the target, the features that a glob finds through it."""
        found: Dict[str, List[str]] = {}
        linked = set(self.scan.linked_folders)
        for entry in self.features if linked else ():
            for folder in _folders_of(entry.path):
                if folder in linked:
                    found.setdefault(folder, []).append(entry.path)
        return found

    def reads_now(self) -> List[probe.ToRead]:
        """What the training user has to read now: a glob lists each folder on the way to a feature."""
        if self.scan.state not in (places.PRESENT, places.EMPTY):
            return []
        folders = {folder for entry in self.features if "/" in entry.path for folder in _folders_of(entry.path)}
        listed: List[probe.ToRead] = [(f"{self.target.rstrip('/')}/{folder}", [], True) for folder in sorted(folders)]
        return [(self.target, [entry.path for entry in self.features], True), *listed]


def _folders_of(path: str) -> Iterator[str]:
    """The folders on the way to a path, as paths."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def distinct_scans(sets: Iterable[SetScan]) -> List[model.DirectoryScan]:
    """The scans of all of these sets, each once."""
    return list({id(scan): scan for one in sets for scan in one.scans}.values())


@dataclass(frozen=True)
class PlannedSet(SetScan):
    """A set with its plan.

    C(uploads): this run uploads the set. C(dangling_blocks): links of the target dangle into a legacy directory, so that
    it may not be empty. C(leaks): a message for each feature that a trainer reads twice; C(leaks_left): how many remain once the plan
    is applied.
    """

    status: Optional[int]
    plan: links.LinkPlan
    uploads: bool
    dangling_blocks: bool
    leaks: List[str]
    leaks_left: int

    @property
    def arriving(self) -> int:
        """Features that the host brings into the target by itself."""
        return self.plan.to_link + self.staged

    def reads_after(self) -> List[probe.ToRead]:
        """What the training user has to read now, and once all is linked."""
        items = self.reads_now()
        if self.scan.state == places.ABSENT and (self.plan.to_create or self.uploads):
            items.append((self.target, [], True))  # not there yet, but what lies above it can be asked about now
        wanted = {text for _name, text in self.plan.to_create} | {text for _name, text, _old in self.plan.to_replace}
        for one in self.legacy if wanted else []:
            base = one.place.path.rstrip("/") + "/"
            paths = [entry.path for entry in one.features if base + entry.path in wanted]
            if paths:
                items.append((one.place.path, paths, False))
        return items


@dataclass(frozen=True)
class SetState(PlannedSet):
    """A set with the search for it and the access to it."""

    discovery: model.Discovery
    access: report.AccessReport


@dataclass(frozen=True)
class HostState:
    account: accounts.Account
    policy: Policy
    sets: List[SetState]

    @property
    def status(self) -> Optional[int]:
        return host_status([one.status for one in self.sets])

    def may_lack(self, state: SetState) -> bool:
        """True if the host is ready without this set: it is not required, or another C(any) set holds features or will be sent."""
        required = state.feature_set.required
        if required == "false":
            return True
        return required == "any" and any(
            other.features or other.arriving or (other.uploads and not state.uploads)
            for other in self.sets
            if other.feature_set.required == "any"
        )

    def needs(self, state: SetState) -> bool:
        """True if the host is not ready while the set is empty."""
        return state.uploads or not self.may_lack(state)
