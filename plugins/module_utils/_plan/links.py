# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From scans to actions: which links the targets lack, which have to go, what stands in the way. Pure.

The plan is made for all sets of a host at once, since a feature must stand in one target only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .._scan.model import DANGLING, FOLDER, LINK, SPECIAL, UNREAD, Entry
from .._system.paths import OURS, display, is_below

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
    and whether it is available. uploads: nothing is there and this run will upload the set, unless links of the target
    dangle into a legacy directory. tops_up: this run will upload what the set lacks.
    """

    name: str
    target: str
    tree: bool
    target_entries: Dict[str, Entry]
    legacy: List[LegacyInput]
    declared: Dict[str, bool]
    uploads: bool = False
    tops_up: bool = False


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
    held_by_stray: int = 0  # wanted features whose name, or which themselves, a stray link holds

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
    into_legacy = [_links_into_legacy(one, sets, legacy_keys) for one in sets]
    owners = _owners(sets, wishes, into_legacy, prune)
    plans = [
        _judge_target(index, one, wishes[index], owners, into_legacy[index], prune) for index, one in enumerate(sets)
    ]
    staying = {
        identity
        for one, plan in zip(sets, plans)
        for identity in _identities(one, set(plan.stray) - {name for name, _text in plan.remove})
    }
    for index, (one, plan) in enumerate(zip(sets, plans)):
        _fill(index, one, plan, wishes[index], owners, staying, on_conflict)
    return plans


def plan_removal(sets: Sequence[SetInput], legacy_keys: Set[int]) -> List[SetPlan]:
    """Removes exactly the links that plan_links makes: at the wanted place, with the very text."""
    wishes = [_Wishes(one) for one in sets]
    owners = _owners(sets, wishes, [_links_into_legacy(one, sets, legacy_keys) for one in sets], "none")
    plans = []
    for index, (one, wish) in enumerate(zip(sets, wishes)):
        plan = SetPlan()
        for name, entry in one.target_entries.items():
            made = any(known.path == entry.text for known in wish.candidates(name))
            if (made and owners.get(entry.verdict.identity) == (index, name)) or _is_leftover(entry):
                plan.remove.append((name, entry.text or ""))
        plans.append(plan)
    return plans


class _Wishes:
    """Which legacy feature wants which name: the first one listed, and those that contradict it."""

    def __init__(self, one: SetInput) -> None:
        self.first: Dict[str, Candidate] = {}
        self.others: Dict[str, List[Candidate]] = {}
        for legacy in one.legacy:
            for entry in sorted(legacy.features, key=_preference):
                name = entry.path if one.tree else entry.name
                known = self.first.get(name)
                if known is None:
                    self.first[name] = Candidate(legacy.path, entry)
                elif known.entry.verdict.identity != entry.verdict.identity:
                    self.others.setdefault(name, []).append(Candidate(legacy.path, entry))

    def wants(self, name: str, identity: Optional[bytes]) -> bool:
        """Whether a feature wants a name."""
        first = self.first.get(name)
        if first is None:
            return False
        return first.entry.verdict.identity == identity or any(
            other.entry.verdict.identity == identity for other in self.others.get(name, ())
        )

    def candidates(self, name: str) -> List[Candidate]:
        """All features that want a name, the first listed first."""
        return [self.first[name]] + self.others.get(name, []) if name in self.first else []


def _preference(entry: Entry) -> Tuple[bool, str]:
    """A file that lies here itself comes before one that is reached through a link."""
    return entry.detour, entry.path


def _links_into_legacy(one: SetInput, sets: Sequence[SetInput], legacy_keys: Set[int]) -> Set[str]:
    """The names of links into a legacy directory of any set: by what the link says, or by where it ends."""
    prefixes = tuple(path.rstrip("/") + "/" for other in sets for path in other.declared)
    return {
        name
        for name, entry in one.target_entries.items()
        if entry.text is not None
        and (
            entry.key in legacy_keys
            or _plain(entry.text).startswith(prefixes)
            or _absolute(one, entry).startswith(prefixes)
        )
    }


def _plain(text: str) -> str:
    """What a link says, where that is its end without another look."""
    return "" if "/../" in text else text


def _is_leftover(entry: Entry) -> bool:
    """Whether a killed run had put this link aside."""
    return entry.kind in (LINK, DANGLING) and entry.name.startswith(OURS)


def _absolute(one: SetInput, entry: Entry) -> str:
    folder = os.path.dirname(os.path.join(one.target, entry.path))
    return os.path.normpath(os.path.join(folder, entry.text or ""))


def _owners(
    sets: Sequence[SetInput], wishes: Sequence[_Wishes], into_legacy: Sequence[Set[str]], prune: str
) -> Dict[Optional[bytes], Owner]:
    """The one place where each feature belongs: where it lies already, else where it is first wanted and can be."""
    owners: Dict[Optional[bytes], Owner] = {}
    for index, one in enumerate(sets):
        into = into_legacy[index]
        for name, entry in one.target_entries.items():
            if entry.is_feature and name not in into:
                owners.setdefault(entry.verdict.identity, (index, name))
    for index, one in enumerate(sets):
        wish = wishes[index]
        for name, entry in one.target_entries.items():
            identity = entry.verdict.identity
            if entry.is_feature and identity not in owners and wish.wants(name, identity):
                owners[identity] = (index, name)
    # Where a wish cannot be met it still names a place, but only for a feature that has none.
    unmet: List[Tuple[Candidate, Owner]] = []
    for index, (one, wish) in enumerate(zip(sets, wishes)):
        going = _going(index, one, owners, into_legacy[index], prune)
        for name, first in wish.first.items():
            candidates = (first, *wish.others.get(name, ()))
            there = one.target_entries.get(name)
            if (there is None or there.kind == DANGLING or name in going) and not _blocked_folder(
                one, wish, name, going
            ):
                for candidate in candidates:
                    if candidate.entry.verdict.identity not in owners:
                        owners[candidate.entry.verdict.identity] = (index, name)
                        break
            if len(candidates) > 1 or first.entry.verdict.identity not in owners:
                unmet += [(candidate, (index, name)) for candidate in candidates]
    for candidate, owner in unmet:
        owners.setdefault(candidate.entry.verdict.identity, owner)
    return owners


def _going(
    index: int, one: SetInput, owners: Dict[Optional[bytes], Owner], into_legacy: Set[str], prune: str
) -> Set[str]:
    """The names of links that pruning removes, once it is known which links are where their feature belongs."""
    going = {name for name, entry in one.target_entries.items() if _is_leftover(entry)}
    if prune == "none" or one.tops_up:
        return going
    for name in into_legacy:
        entry = one.target_entries[name]
        if entry.kind == DANGLING:
            if _directory_is_there(one, entry):
                going.add(name)
        elif prune == "stray" and _is_stray(index, entry, owners):
            going.add(name)
    return going


def _is_stray(index: int, entry: Entry, owners: Dict[Optional[bytes], Owner]) -> bool:
    """Whether a link into a legacy directory is not where its feature belongs; of one that cannot be read nobody knows."""
    if entry.is_feature:
        return owners.get(entry.verdict.identity) != (index, entry.path)
    return entry.verdict.kind != UNREAD


def _winner(index: int, name: str, wishes: _Wishes, owners: Dict[Optional[bytes], Owner]) -> Optional[Candidate]:
    """The legacy feature that belongs under a name; None where each that wants it has its place elsewhere."""
    place, first = (index, name), wishes.first.get(name)
    if first is None or owners[first.entry.verdict.identity] == place:
        return first
    return next((one for one in wishes.others.get(name, ()) if owners[one.entry.verdict.identity] == place), None)


def _judge_target(
    index: int,
    one: SetInput,
    wishes: _Wishes,
    owners: Dict[Optional[bytes], Owner],
    into_legacy: Set[str],
    prune: str,
) -> SetPlan:
    """What the target holds already: links that stay, stray ones, dangling ones."""
    plan = SetPlan()
    removable: List[Tuple[str, str]] = []
    for name, entry in one.target_entries.items():
        if entry.text is None or (entry.kind == SPECIAL and name not in into_legacy):
            continue
        if _is_leftover(entry):
            plan.remove.append((name, entry.text))
            continue
        if entry.kind == DANGLING:
            candidate = _winner(index, name, wishes, owners)
            if candidate is not None and candidate.path != entry.text:
                continue  # it is replaced
            plan.dangling.append(name)
            if name in into_legacy:
                plan.dangling_into_legacy.append(name)
                if prune != "none" and _directory_is_there(one, entry):
                    removable.append((name, entry.text))
        elif name in into_legacy and _is_stray(index, entry, owners):
            plan.stray.append(name)
            if prune == "stray":
                removable.append((name, entry.text))
    if not one.tops_up and not (one.uploads and not plan.dangling_into_legacy):
        plan.remove += removable
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
    stray = set(plan.stray)
    for name in wishes.first:
        candidate = _winner(index, name, wishes, owners)
        if candidate is None:
            continue
        identity = candidate.entry.verdict.identity
        others = wishes.others.get(name)
        entry = one.target_entries.get(name)
        if name in removed:
            entry = None
        dangles = entry is not None and entry.kind == DANGLING
        if entry is not None and not dangles:
            if name in stray:
                plan.held_by_stray += 1
            elif entry.is_feature:
                plan.kept += 1
                if entry.verdict.identity != identity:
                    plan.differing.append(name)
            else:
                plan.taken.append((name, describe(entry)))
        elif others and on_conflict == "fail":
            plan.conflicts.append((name, [one.path for one in wishes.candidates(name)]))
        elif identity in held:
            plan.held_by_stray += 1
        elif entry is not None:
            if candidate.path != entry.text:
                plan.replace.append((name, candidate.path, entry.text or ""))
        elif _blocked_folder(one, wishes, name, removed):
            plan.taken.append((_blocked_folder(one, wishes, name, removed), "what is no folder of the target"))
        else:
            plan.link.append((name, candidate.path))
            if others:
                plan.differing.append(name)


def _blocked_folder(one: SetInput, wishes: _Wishes, name: str, going: Set[str]) -> str:
    """The first folder on the way to a name that something else than a folder takes up, or is to take up."""
    if "/" not in name:
        return ""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        entry = None if folder in going else one.target_entries.get(folder)
        if folder in wishes.first if entry is None else entry.kind != FOLDER:
            return folder
    return ""


def describe(entry: Entry) -> str:
    """What takes up a name, in words."""
    what = "a link to " + display(entry.text) if entry.text is not None else "a file"
    if not entry.verdict.kind:
        return what if entry.text is not None else "what is no regular file"
    if entry.verdict.kind == UNREAD:
        return f"{what} that {entry.verdict.reason}"
    if entry.verdict.kind == "damaged":
        return f"{what} that is damaged ({entry.verdict.reason})"
    return f"{what} of another kind ({entry.verdict.reason})"
