# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From scans to actions: which links the targets lack, which have to go, what stands in the way. Pure.

The plan is made for all sets of a host at once, since a feature must stand in one target only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .paths import display, is_below
from .scan import DANGLING, FILE, LINK, Entry

SAMPLES = 10


@dataclass
class LegacyInput:
    """One legacy directory as declared, with those of its features that belong to the set.

    available: it is there and could be listed; the entries' identities are settled.
    """

    path: str
    available: bool
    features: List[Entry]


@dataclass
class SetInput:
    """All that the plan needs to know of one set.

    target_entries: each name in the target, by its path below it. legacy: in order of preference, one for each real
    directory. declared: the text of every declared legacy directory of this set, other names of one directory included,
    and whether it is available. uploads: this run will upload the set.
    """

    name: str
    target: str
    tree: bool
    target_entries: Dict[str, Entry]
    legacy: List[LegacyInput]
    declared: Dict[str, bool]
    uploads: bool = False


@dataclass
class SetPlan:
    """What is to be done in one target; names are paths below it, texts are what the links will say."""

    link: List[Tuple[str, str]] = field(default_factory=list)
    replace: List[Tuple[str, str, str]] = field(default_factory=list)  # name, new text, old text
    remove: List[Tuple[str, str]] = field(default_factory=list)  # name, text
    kept: int = 0
    stray: List[str] = field(default_factory=list)
    dangling: List[str] = field(default_factory=list)  # into a declared legacy directory or not
    dangling_into_legacy: List[str] = field(default_factory=list)
    conflicts: List[Tuple[str, List[str]]] = field(default_factory=list)  # name, the files that want it
    taken: List[Tuple[str, str]] = field(default_factory=list)  # name, what lies there
    differing: List[str] = field(default_factory=list)  # names where the target's feature is another one
    held_by_stray: int = 0

    @property
    def to_link(self) -> int:
        """Features that the target will gain."""
        return len(self.link) + len(self.replace)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.link or self.replace or self.remove)


class Candidate(NamedTuple):
    """A legacy feature that wants a name in the target."""

    directory: str
    entry: Entry

    @property
    def path(self) -> str:
        """Where it lies, as the link will say it."""
        return self.directory.rstrip("/") + "/" + self.entry.path


Owner = Tuple[int, str]  # index of the set, name in its target


def plan_links(
    sets: Sequence[SetInput], legacy_keys: Set[int], on_conflict: str = "fail", prune: str = "none"
) -> List[SetPlan]:
    """The whole plan, one SetPlan for each set, in order; nothing in it contradicts anything else.

    legacy_keys: inode keys of all files seen in legacy directories. on_conflict, prune: as the role's variables.
    """
    wishes = [_Wishes(one) for one in sets]
    lead_in = [_leads_into_legacy(one, sets, legacy_keys) for one in sets]
    owners = _owners(sets, wishes, lead_in)
    plans = [_judge_target(index, one, wishes[index], owners, lead_in[index], prune) for index, one in enumerate(sets)]
    staying = {
        identity
        for one, plan in zip(sets, plans)
        for identity in _identities(one, set(plan.stray) - {name for name, _text in plan.remove})
    }
    for index, (one, plan) in enumerate(zip(sets, plans)):
        _fill(index, one, plan, wishes[index], owners, staying, on_conflict)
    return plans


def plan_removal(sets: Sequence[SetInput], legacy_keys: Set[int]) -> List[SetPlan]:
    """Removes exactly the links that plan_links would make in targets without any."""
    bare = [
        SetInput(
            one.name,
            one.target,
            one.tree,
            {name: entry for name, entry in one.target_entries.items() if entry.kind not in (LINK, DANGLING)},
            one.legacy,
            one.declared,
        )
        for one in sets
    ]
    plans = []
    for one, wanted in zip(sets, plan_links(bare, legacy_keys, on_conflict="first")):
        plan = SetPlan()
        for name, text in wanted.link:
            entry = one.target_entries.get(name)
            if entry is not None and entry.kind in (LINK, DANGLING) and entry.text == text:
                plan.remove.append((name, text))
        plans.append(plan)
    return plans


class _Wishes:
    """Which legacy feature wants which name: the first one listed, and those that contradict it."""

    def __init__(self, one: SetInput) -> None:
        self.first: Dict[str, Candidate] = {}
        self.others: Dict[str, List[Candidate]] = {}
        for legacy in one.legacy:
            for entry in sorted(legacy.features, key=_path):
                name = entry.path if one.tree else entry.name
                known = self.first.get(name)
                if known is None:
                    self.first[name] = Candidate(legacy.path, entry)
                elif known.entry.verdict.identity != entry.verdict.identity:
                    self.others.setdefault(name, []).append(Candidate(legacy.path, entry))


def _path(entry: Entry) -> str:
    return entry.path


def _leads_into_legacy(one: SetInput, sets: Sequence[SetInput], legacy_keys: Set[int]) -> Callable[[Entry], bool]:
    """A test whether a link of this target leads into a legacy directory of any set: by its text, or by where it ends."""
    prefixes = tuple(path.rstrip("/") + "/" for other in sets for path in other.declared)

    def test(entry: Entry) -> bool:
        text = entry.text or ""
        return text.startswith(prefixes) or _absolute(one, entry).startswith(prefixes) or entry.key in legacy_keys

    return test


def _absolute(one: SetInput, entry: Entry) -> str:
    folder = os.path.dirname(os.path.join(one.target, entry.path))
    return os.path.normpath(os.path.join(folder, entry.text or ""))


def _owners(
    sets: Sequence[SetInput], wishes: Sequence[_Wishes], lead_in: Sequence[Callable[[Entry], bool]]
) -> Dict[Optional[bytes], Owner]:
    """The one place where each feature belongs: where it lies already, else where it is first wanted."""
    owners: Dict[Optional[bytes], Owner] = {}
    for index, one in enumerate(sets):
        for name, entry in one.target_entries.items():
            if entry.is_feature and (entry.kind == FILE or not lead_in[index](entry)):
                owners.setdefault(entry.verdict.identity, (index, name))
    for index, one in enumerate(sets):
        first = wishes[index].first
        for name, entry in one.target_entries.items():
            if entry.kind == LINK and entry.is_feature and name in first:
                if first[name].entry.verdict.identity == entry.verdict.identity:
                    owners.setdefault(entry.verdict.identity, (index, name))
    for index, wish in enumerate(wishes):
        for name, candidate in wish.first.items():
            owners.setdefault(candidate.entry.verdict.identity, (index, name))
    return owners


def _judge_target(
    index: int,
    one: SetInput,
    wishes: _Wishes,
    owners: Dict[Optional[bytes], Owner],
    leads_in: Callable[[Entry], bool],
    prune: str,
) -> SetPlan:
    """What the target holds already: links that stay, stray ones, dangling ones."""
    plan = SetPlan()
    for name, entry in one.target_entries.items():
        if entry.kind not in (LINK, DANGLING):
            continue
        candidate = wishes.first.get(name)
        wanted = candidate is not None and owners[candidate.entry.verdict.identity] == (index, name)
        if entry.kind == DANGLING:
            if wanted and candidate is not None and candidate.path != entry.text:
                continue  # it is replaced
            plan.dangling.append(name)
            if leads_in(entry):
                plan.dangling_into_legacy.append(name)
                if prune != "none" and not one.uploads and _directory_is_there(one, entry):
                    plan.remove.append((name, entry.text or ""))
        elif leads_in(entry) and not (wanted and entry.is_feature):
            plan.stray.append(name)
            if prune == "stray" and not one.uploads:
                plan.remove.append((name, entry.text or ""))
    return plan


def _directory_is_there(one: SetInput, entry: Entry) -> bool:
    """Whether the set's own legacy directory that a link names is available: else its volume may just not be mounted."""
    path = _absolute(one, entry)
    holders = [available for directory, available in one.declared.items() if is_below(path, directory)]
    return bool(holders) and all(holders)


def _identities(one: SetInput, names: Set[str]) -> Set[Optional[bytes]]:
    entries = (one.target_entries[name] for name in names)
    return {entry.verdict.identity for entry in entries if entry.is_feature}


def _fill(
    index: int,
    one: SetInput,
    plan: SetPlan,
    wishes: _Wishes,
    owners: Dict[Optional[bytes], Owner],
    held: Set[Optional[bytes]],
    on_conflict: str,
) -> None:
    """Adds to the plan each wanted name that the target lacks."""
    removed = {name for name, _text in plan.remove}
    for name, candidate in wishes.first.items():
        identity = candidate.entry.verdict.identity
        others = wishes.others.get(name)
        if owners[identity] != (index, name):
            continue
        entry = one.target_entries.get(name)
        if name in removed:
            entry = None
        dangles = entry is not None and entry.kind == DANGLING
        if entry is not None and not dangles:
            if entry.is_feature:
                plan.kept += 1
                if entry.verdict.identity != identity:
                    plan.differing.append(name)
            elif name not in plan.stray:
                plan.taken.append((name, describe(entry)))
        elif others and on_conflict == "fail":
            plan.conflicts.append((name, [candidate.path] + [other.path for other in others]))
        elif identity in held:
            plan.held_by_stray += 1
        elif entry is not None:
            if candidate.path != entry.text:
                plan.replace.append((name, candidate.path, entry.text or ""))
        elif one.tree and _blocked_folder(one, name):
            plan.taken.append((_blocked_folder(one, name), "no folder of the target"))
        else:
            plan.link.append((name, candidate.path))
            if others:
                plan.differing.append(name)


def _blocked_folder(one: SetInput, name: str) -> str:
    """The first folder on the way to a name that something else than a folder takes up."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if folder in one.target_entries:
            return folder
    return ""


def describe(entry: Entry) -> str:
    """What takes up a name, in words."""
    what = "a link to " + display(entry.text) if entry.text is not None else "a file"
    if not entry.verdict.kind:
        return what if entry.text is not None else "no regular file"
    if entry.verdict.kind == "damaged":
        return f"{what} that is damaged ({entry.verdict.reason})"
    return f"{what} of another kind ({entry.verdict.reason})"
