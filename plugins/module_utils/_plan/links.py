# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From scans to actions: which links are missing, which must be removed, what blocks them. Pure.

The plan is made for all sets of a host at once, since a feature belongs to one target only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Set, Tuple

from .._scan import model
from .._system import paths
from .desired import Candidate, Desired, LegacyFeatures


@dataclass
class SetInput:
    """All that the plan needs to know of one set.

    existing: each name in the target, by its path below it. behind: by the name of a link to a directory, the features that a glob
    finds through it. legacy: in order of preference, one for each real directory. declared: the text of every declared legacy
    directory of this set, other names of one directory included, and whether it is available. uploads: the set is empty and this run
    will upload it, unless links of the target dangle into a legacy directory. tops_up: this run will upload what the set lacks.
    desired: which legacy feature claims which name.
    """

    target: str
    tree: bool
    existing: Dict[str, model.Entry]
    legacy: List[LegacyFeatures]
    declared: Dict[str, bool]
    uploads: bool
    tops_up: bool
    behind: Dict[str, List[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desired = Desired(self.legacy, self.tree)


@dataclass
class LinkPlan:
    """The actions in one target; names are paths below it, texts are the texts of links."""

    to_create: List[Tuple[str, str]] = field(default_factory=list)
    to_replace: List[Tuple[str, str, str]] = field(default_factory=list)  # name, new text, old text
    to_remove: List[Tuple[str, str]] = field(default_factory=list)  # name, text
    unchanged: int = 0
    stray: List[str] = field(default_factory=list)
    dangling_into_legacy: List[str] = field(default_factory=list)
    conflicts: List[Tuple[str, List[str]]] = field(default_factory=list)  # name, the files that claim it
    obstructed: List[Tuple[str, str]] = field(default_factory=list)  # name, what has it
    differing: List[str] = field(default_factory=list)  # names under which the target has another feature
    outranked: List[Tuple[str, str]] = field(default_factory=list)  # a feature that is used, a deeper one of its name that is not
    copies: List[Tuple[str, str]] = field(default_factory=list)  # a wanted name that is left out, and where its feature is
    blocked_by_stray: int = 0  # wanted features that a stray link holds, or whose name it holds

    @property
    def to_link(self) -> int:
        """Number of features that the target will gain."""
        return len(self.to_create) + len(self.to_replace)

    @property
    def is_empty(self) -> bool:
        return not (self.to_create or self.to_replace or self.to_remove)


Assignment = Tuple[str, str]  # a target, and a name in it
Assignments = Dict[Optional[bytes], Assignment]


def plan_links(
    sets: Sequence[SetInput], legacy_keys: Set[int], on_conflict: str = "fail", prune: str = "none"
) -> List[LinkPlan]:
    """Return the whole plan, one LinkPlan for each set, in order, free of contradictions.

    legacy_keys: inode keys of all files seen in legacy directories. on_conflict, prune: as the role's variables.
    """
    into_legacy = [_links_into_legacy(one, sets, legacy_keys) for one in sets]
    assignments = _assign(sets, into_legacy, prune)
    plans = [_plan_existing(one, assignments, into, prune) for one, into in zip(sets, into_legacy)]
    staying = {
        identity
        for one, plan in zip(sets, plans)
        for identity in _identities(one, set(plan.stray) - {name for name, _text in plan.to_remove})
    }
    for one, plan in zip(sets, plans):
        for name, outranked in one.desired.outranked.items():
            plan.outranked += [(one.desired.first[name].path, other.path) for other in outranked]
        _plan_missing(one, plan, assignments, staying, on_conflict)
    return plans


def plan_removal(sets: Sequence[SetInput], legacy_keys: Set[int]) -> List[LinkPlan]:
    """Plan to remove exactly the links that plan_links makes: same name, same text, and no target has the feature otherwise.

    Of several links to one feature all go: each is what plan_links would have made without the others.
    """
    into_legacy = [_links_into_legacy(one, sets, legacy_keys) for one in sets]
    held = {identity for one, into in zip(sets, into_legacy) for identity in _identities(one, set(one.existing) - into)}
    plans = []
    for one in sets:
        plan = LinkPlan()
        for name, entry in one.existing.items():
            made = any(known.path == entry.link_target for known in one.desired.candidates(name))
            if (made and entry.classification.identity not in held) or _is_leftover(entry):
                plan.to_remove.append((name, entry.link_target or ""))
        plans.append(plan)
    return plans


def _links_into_legacy(one: SetInput, sets: Sequence[SetInput], legacy_keys: Set[int]) -> Set[str]:
    """The names of links into a legacy directory of any set, by their text or by the file that they lead to."""
    prefixes = tuple(path.rstrip("/") + "/" for other in sets for path in other.declared)
    found = {
        name
        for name, entry in one.existing.items()
        if entry.link_target is not None
        and (
            entry.key in legacy_keys
            or _plain(entry.link_target).startswith(prefixes)
            or _absolute(one, entry).startswith(prefixes)
        )
    }
    return found.union(*(one.behind.get(name, ()) for name in found))


def _plain(text: str) -> str:
    """The text of a link if it says by itself where the link leads, else an empty text."""
    return "" if "/../" in text else text


def _is_leftover(entry: model.Entry) -> bool:
    """True if a killed run had put this link aside."""
    return entry.link_target is not None and entry.name.startswith(paths.OURS) and entry.kind in (model.LINK, model.DANGLING)


def _absolute(one: SetInput, entry: model.Entry) -> str:
    folder = os.path.dirname(os.path.join(one.target, entry.path))
    return os.path.normpath(os.path.join(folder, entry.link_target or ""))


def _assign(sets: Sequence[SetInput], into_legacy: Sequence[Set[str]], prune: str) -> Assignments:
    """The one place of each feature: where it is already, else where it is wanted first and possible."""
    assignments: Assignments = {}
    for one, into in zip(sets, into_legacy):
        for name, entry in one.existing.items():
            if entry.is_feature and name not in into:
                assignments.setdefault(entry.classification.identity, (one.target, name))
    for one in sets:
        for name, entry in one.existing.items():
            if entry.is_feature and one.desired.wants(name, entry.classification.identity):
                assignments.setdefault(entry.classification.identity, (one.target, name))
    # A wanted name that cannot be created still assigns a place, but only to a feature that has none.
    unmet: List[Tuple[Candidate, Assignment]] = []
    for one, into in zip(sets, into_legacy):
        to_remove = _names_to_remove(one, assignments, into, prune)
        for name, first in one.desired.first.items():
            candidates = (first, *one.desired.others.get(name, ()))
            there = one.existing.get(name)
            if (there is None or there.kind == model.DANGLING or name in to_remove) and not _blocked_folder(one, name, to_remove):
                for candidate in candidates:
                    if candidate.entry.classification.identity not in assignments:
                        assignments[candidate.entry.classification.identity] = (one.target, name)
                        break
            if len(candidates) > 1 or first.entry.classification.identity not in assignments:
                unmet += [(candidate, (one.target, name)) for candidate in candidates]
    for candidate, assignment in unmet:
        assignments.setdefault(candidate.entry.classification.identity, assignment)
    return assignments


def _names_to_remove(one: SetInput, assignments: Assignments, into_legacy: Set[str], prune: str) -> Set[str]:
    """The names of links that pruning removes, given where each feature belongs."""
    to_remove = {name for name, entry in one.existing.items() if _is_leftover(entry)}
    if prune == "none" or one.tops_up:
        return to_remove
    for name in into_legacy:
        entry = one.existing[name]
        if entry.link_target is None:
            continue
        if entry.kind == model.DANGLING:
            if _directory_is_there(one, entry):
                to_remove.add(name)
        elif prune == "stray" and _is_stray(one, entry, assignments):
            to_remove.add(name)
    return to_remove


def _is_stray(one: SetInput, entry: model.Entry, assignments: Assignments) -> bool:
    """True if no feature that a link into a legacy directory leads to belongs here; False if it cannot be read."""
    if entry.path in one.behind:
        inside = ((one.existing[name].classification.identity, name) for name in one.behind[entry.path])
        return all(assignments.get(identity) != (one.target, name) for identity, name in inside)
    if entry.is_feature:
        return assignments.get(entry.classification.identity) != (one.target, entry.path)
    return entry.classification.kind not in (model.UNREAD, model.NOT_UNDERSTOOD)


def _assigned(one: SetInput, name: str, assignments: Assignments) -> Optional[Candidate]:
    """The legacy feature that belongs under a name; None if each one that claims it belongs elsewhere."""
    place, first = (one.target, name), one.desired.first.get(name)
    if first is None or assignments[first.entry.classification.identity] == place:
        return first
    others = one.desired.others.get(name, ())
    return next((other for other in others if assignments[other.entry.classification.identity] == place), None)


def _plan_existing(one: SetInput, assignments: Assignments, into_legacy: Set[str], prune: str) -> LinkPlan:
    """Plan for the links that the target has: those that stay, stray and dangling ones."""
    plan, to_remove = LinkPlan(), _names_to_remove(one, assignments, into_legacy, prune)
    for name, entry in one.existing.items():
        if entry.link_target is None or _is_leftover(entry):
            continue
        if entry.kind == model.DANGLING:
            candidate = _assigned(one, name, assignments)
            if candidate is not None and candidate.path != entry.link_target:
                to_remove.discard(name)  # it is replaced
            elif name in into_legacy:
                plan.dangling_into_legacy.append(name)
        elif name in into_legacy and _is_stray(one, entry, assignments):
            plan.stray.append(name)
    uploads = one.uploads and not plan.dangling_into_legacy
    plan.to_remove = [
        (name, entry.link_target or "")
        for name, entry in one.existing.items()
        if name in to_remove and (_is_leftover(entry) or not uploads)
    ]
    return plan


def _directory_is_there(one: SetInput, entry: model.Entry) -> bool:
    """True if the set's own legacy directory in a link's text is available: if not, its volume may not be mounted."""
    path = _absolute(one, entry)
    holders = [available for directory, available in one.declared.items() if paths.is_below(path, directory)]
    return bool(holders) and all(holders)


def _identities(one: SetInput, names: Set[str]) -> Set[Optional[bytes]]:
    entries = (one.existing[name] for name in names)
    return {entry.classification.identity for entry in entries if entry.is_feature}


def _plan_missing(
    one: SetInput, plan: LinkPlan, assignments: Assignments, present_elsewhere: Set[Optional[bytes]], on_conflict: str
) -> None:
    """Add each wanted name that the target lacks to the plan."""
    removed = {name for name, _text in plan.to_remove}
    stray = set(plan.stray)
    for name in one.desired.first:
        candidate = _assigned(one, name, assignments)
        if candidate is None:
            if name not in one.existing:
                owner, there = assignments[one.desired.first[name].entry.classification.identity]
                plan.copies.append((name, there if owner == one.target else f"{owner}/{there}"))
            continue
        identity = candidate.entry.classification.identity
        others = one.desired.others.get(name)
        entry = one.existing.get(name)
        if name in removed:
            entry = None
        dangles = entry is not None and entry.kind == model.DANGLING
        if entry is not None and not dangles:
            if name in stray:
                plan.blocked_by_stray += 1
            elif entry.is_feature:
                plan.unchanged += 1
                if others or entry.classification.identity != identity:
                    plan.differing.append(name)
            else:
                plan.obstructed.append((name, describe(entry)))
        elif others and on_conflict == "fail":
            plan.conflicts.append((name, [claim.path for claim in one.desired.candidates(name)]))
        elif identity in present_elsewhere:
            plan.blocked_by_stray += 1
        elif _blocked_folder(one, name, removed):
            plan.obstructed.append((_blocked_folder(one, name, removed), "something that is not a folder of the target"))
        elif entry is not None:
            if candidate.path != entry.link_target:
                plan.to_replace.append((name, candidate.path, entry.link_target or ""))
                if others:
                    plan.differing.append(name)
        else:
            plan.to_create.append((name, candidate.path))
            if others:
                plan.differing.append(name)


def _blocked_folder(one: SetInput, name: str, to_remove: Set[str]) -> str:
    """The first folder on the way to a name whose own name belongs to something else, now or in the plan."""
    if "/" not in name:
        return ""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        entry = None if folder in to_remove else one.existing.get(folder)
        if folder in one.desired.first if entry is None else entry.kind != model.FOLDER:
            return folder
    return ""


def describe(entry: model.Entry) -> str:
    what = "a link to " + paths.display(entry.link_target) if entry.link_target is not None else "a file"
    if not entry.classification.kind:
        return what if entry.link_target is not None else "not a regular file"
    if entry.classification.kind == model.UNREAD:
        return f"{what} that {entry.classification.reason}"
    if entry.classification.kind == "damaged":
        return f"{what} that is damaged ({entry.classification.reason})"
    if entry.classification.kind == model.NOT_UNDERSTOOD:
        return f"{what} that is not understood ({entry.classification.reason})"
    return f"{what} of another kind ({entry.classification.reason})"
