# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which feature of the legacy directories claims which name in a target? Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .._scan import model

# One legacy directory as declared, with those of its features that belong to the set; their identities are resolved.
LegacyFeatures = Tuple[str, Sequence[model.Entry]]


class Candidate(NamedTuple):
    """A legacy feature that claims a name in the target."""

    directory: str
    entry: model.Entry

    @property
    def path(self) -> str:
        """Its path, as the text of a link."""
        return self.directory.rstrip("/") + "/" + self.entry.path


class Desired:
    """Which legacy feature claims which name: the first one listed, and those that contradict it.

    tree: names are paths below the directory.

    outranked: features deeper in a directory than another of their name; they do not contradict it.
    """

    def __init__(self, directories: Sequence[LegacyFeatures], tree: bool) -> None:
        self.first: Dict[str, Candidate] = {}
        self.others: Dict[str, List[Candidate]] = {}
        self.outranked: Dict[str, List[Candidate]] = {}
        for directory, features in directories:
            contradicted: Dict[str, List[model.Entry]] = {}
            for entry in sorted(features, key=_preference):
                name = entry.path if tree else entry.name
                known = self.first.get(name)
                if known is None:
                    self.first[name] = Candidate(directory, entry)
                elif known.entry.classification.identity != entry.classification.identity:
                    contradicted[name] = []
            if contradicted:
                for entry in sorted(features, key=_preference):
                    name = entry.path if tree else entry.name
                    if name in contradicted:
                        contradicted[name].append(entry)
                for name, entries in contradicted.items():
                    self._rank(directory, name, entries)

    def _rank(self, directory: str, name: str, entries: List[model.Entry]) -> None:
        """Files of one name in one directory, one of which contradicts the first: the shallower ones count."""
        least = min(entry.path.count("/") for entry in entries)
        ranking = {entry.classification.identity for entry in entries if entry.path.count("/") == least}
        first = self.first[name]
        if first.directory == directory and first.entry.classification.identity not in ranking:
            first = Candidate(directory, next(entry for entry in entries if entry.classification.identity in ranking))
            self.first[name] = first
        seen = {one.entry.classification.identity for one in self.candidates(name)}
        for entry in entries:
            identity = entry.classification.identity
            if identity not in seen:
                seen.add(identity)
                table = self.others if identity in ranking else self.outranked
                table.setdefault(name, []).append(Candidate(directory, entry))

    def wants(self, name: str, identity: Optional[bytes]) -> bool:
        first = self.first.get(name)
        if first is None:
            return False
        return first.entry.classification.identity == identity or any(
            other.entry.classification.identity == identity
            for other in (*self.others.get(name, ()), *self.outranked.get(name, ()))
        )

    def candidates(self, name: str) -> List[Candidate]:
        """All features that claim a name, the first listed first."""
        return [self.first[name]] + self.others.get(name, []) if name in self.first else []


def _preference(entry: model.Entry) -> Tuple[bool, str]:
    """A file of the directory itself precedes one that is reached through a link."""
    return entry.via_link, entry.path
