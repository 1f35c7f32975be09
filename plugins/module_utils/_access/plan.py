# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user is refused, turned into the least changes that help: looked up on the disk, nothing changed yet."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from .._system import accounts, acl, at, paths
from . import nodes, probe, rules

_MAX_LINKS = 8
_MOST_NAMED = 3


@dataclass
class SetPlan:
    """One set's part: C(opens), C(hopeless) and C(refused) are distinct files (or empty directories): those that the
    changes open, those that no change on this host can, and those that we leave closed, with a message why."""

    opens: Set[paths.InodeKey] = field(default_factory=set)
    hopeless: Set[paths.InodeKey] = field(default_factory=set)
    refused: Dict[paths.InodeKey, str] = field(default_factory=dict)
    changes: List[rules.Change] = field(default_factory=list)


@dataclass
class GrantPlan:
    """All sets' changes, each object once, under the first set that needs it; C(hopeless): why some cannot be made."""

    sets: Dict[str, SetPlan]
    hopeless: Optional[str] = None


class _Goal(NamedTuple):
    """Something the user is to reach: the objects on the way with what is needed of each."""

    key: paths.InodeKey
    needs: List[Tuple[nodes.Node, int]]


def plan_grants(
    account: accounts.Account,
    means: rules.Means,
    answers: Mapping[str, probe.ProbeResult],
    sources: Mapping[str, Sequence[probe.LinkSource]],
) -> GrantPlan:
    """The least changes that open what the account was refused for lack of permission."""
    planner = _Planner(account, means)
    plan = GrantPlan({name: SetPlan() for name in answers})
    goals = {
        name: planner.goals(answer, sources.get(name, ()), plan.sets[name])
        for name, answer in answers.items()
        if answer.refused
    }
    planner.refuse_undeclared()
    # All that is needed of an object is known before the first decision about it.
    for wanted in goals.values():
        planner.note(wanted)
    for name, wanted in goals.items():
        planner.record(wanted, plan.sets[name])
    plan.hopeless = planner.hopeless
    return plan


class _Planner:
    def __init__(self, account: accounts.Account, means: rules.Means) -> None:
        self._account = account
        self._means = means
        self._walker = nodes.PathResolver()
        self._nodes: Dict[paths.InodeKey, nodes.Node] = {}
        self._needed: Dict[paths.InodeKey, int] = {}
        self._decided: Dict[paths.InodeKey, Union[rules.Change, rules.Refusal, None]] = {}
        self._assigned: Set[paths.InodeKey] = set()
        # Links into directories that are not declared: the set, the link, its directory, the directory that it leads into.
        self._undeclared: List[Tuple[SetPlan, str, str, str]] = []
        self.hopeless: Optional[str] = None

    def goals(self, answer: probe.ProbeResult, sources: Sequence[probe.LinkSource], result: SetPlan) -> List[_Goal]:
        """What one set's user was refused and may be granted; the rest goes to the result as refused."""
        found: List[_Goal] = []
        index = _Index(sources)
        for refused in answer.refused:
            names = [
                name
                for name, reason in zip(refused.names, refused.reasons)
                if answer.reasons[reason].denied and ".." not in name.split("/")
            ]
            if not names and not (refused.closed and answer.reasons[refused.reasons[0]].denied):
                continue
            try:
                way = self._walker.directory(refused.path)
            except nodes.Blocked as error:
                _refuse_all(result, refused.path, names, str(error))
                continue
            listed = way.complete and (refused.must_list or not names)
            needs = self._passing(way, acl.PASS | acl.READ if listed else acl.PASS)
            if not names:
                found.append(_Goal(way.end.key, needs))
            for below, files in _by_directory(names).items():
                found += self._files(refused.path, way, needs, below, files, _OneSet(index, result))
        return found

    def _files(
        self,
        path: str,
        way: nodes.ResolvedPath,
        needs: List[Tuple[nodes.Node, int]],
        below: str,
        files: List[str],
        one: _OneSet,
    ) -> List[_Goal]:
        """The goals for files of one directory; links are goals if they lead to a feature of a declared one."""
        path = os.path.join(path, below) if below else path
        found: List[_Goal] = []
        try:
            if below:
                way = self._walker.directory(path)
            if not way.complete:
                return []
            needs = needs + self._passing(way, acl.PASS | acl.READ)
            with nodes.reopened(way.end) as directory:
                for name in files:
                    goal = self._file(way, needs, directory, name, path, one)
                    if goal is not None:
                        found.append(goal)
        except OSError as error:
            _refuse_all(one.result, path, files, nodes.not_seen(path, error))
        except nodes.Blocked as error:
            _refuse_all(one.result, path, files, str(error))
        return found

    def _file(
        self,
        way: nodes.ResolvedPath,
        needs: List[Tuple[nodes.Node, int]],
        directory: int,
        name: str,
        path: str,
        one: _OneSet,
        links: int = 0,
    ) -> Optional[_Goal]:
        place = os.path.join(path, name)
        try:
            descriptor = nodes.open_child(directory, name)
        except FileNotFoundError:
            return None
        except OSError as error:
            _refuse(one.result, place, nodes.not_seen(place, error))
            return None
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISREG(mode):
                node = self._known(nodes.Node(way.end, name, descriptor, way.end.read_only, self._walker.groups))
                return _Goal(node.key, [*needs, (node, acl.READ)])
            text = at.readlink_opened(descriptor) if stat.S_ISLNK(mode) else None
        finally:
            os.close(descriptor)
        if text is None:
            _refuse(one.result, place, f"{paths.display(place)} is not a regular file any more: run again")
            return None
        source = one.features.find(path, text) if links < _MAX_LINKS else None
        if source is None:
            self._undeclared.append((one.result, place, path, os.path.dirname(os.path.realpath(place))))
            return None
        goal = self._source(source, one, links + 1)
        if goal is None:
            return None
        if not source.by_name and not one.features.is_linked(goal.key):
            _refuse(one.result, place, f"{paths.display(place)} leads to another file than when it was inspected: run again")
            return None
        return _Goal(goal.key, needs + goal.needs)

    def refuse_undeclared(self) -> None:
        """One message for the links of each directory: it names the one that all of them lead into."""
        into: Dict[Tuple[int, str], List[str]] = {}
        for result, _place, path, directory in self._undeclared:
            into.setdefault((id(result), path), []).append(directory)
        for result, place, path, _directory in self._undeclared:
            names = into[(id(result), path)]
            common = os.path.commonpath(names)
            shown = [common] if common.count("/") > 1 or common in names else sorted(set(names))[:_MOST_NAMED]
            listed = " and ".join(paths.display(one) for one in shown)
            _refuse(result, place, f"{paths.display(path)} has links into {listed}, not declared: add what holds them to 'legacy'")

    def _source(self, source: _Meant, one: _OneSet, links: int) -> Optional[_Goal]:
        """The goal for a legacy feature that a link leads to."""
        declared, name, _by_name = source
        below, base = os.path.split(name)
        path = os.path.join(declared, below) if below else declared
        try:
            way = self._walker.directory(path)
            if not way.complete:
                return None
            with nodes.reopened(way.end) as directory:
                return self._file(way, self._passing(way, acl.PASS | acl.READ), directory, base, path, one, links)
        except OSError as error:
            _refuse(one.result, os.path.join(declared, name), nodes.not_seen(path, error))
        except nodes.Blocked as error:
            _refuse(one.result, os.path.join(declared, name), str(error))
        return None

    def _passing(self, way: nodes.ResolvedPath, at_end: int) -> List[Tuple[nodes.Node, int]]:
        return [(self._known(node), at_end if node is way.end else acl.PASS) for node in way.passed]

    def _known(self, node: nodes.Node) -> nodes.Node:
        return self._nodes.setdefault(node.key, node)

    def note(self, goals: List[_Goal]) -> None:
        """Adds up what is needed of each object on the way to the goals."""
        for goal in goals:
            for node, needed in goal.needs:
                self._needed[node.key] = self._needed.get(node.key, 0) | needed

    def record(self, goals: List[_Goal], result: SetPlan) -> None:
        """Decides about all objects on the way to the goals."""
        for goal in goals:
            decisions = [self._decide(node) for node, _needed in goal.needs]
            refusal = next((one for one in decisions if isinstance(one, rules.Refusal)), None)
            changes = [one for one in decisions if isinstance(one, rules.Change)]
            if refusal is None and not changes:
                refusal = rules.Refusal(
                    f"modes and ACLs on the way let user {self._account.name} read, yet the system refuses it: a security "
                    "module or a network file system decides here, so nothing is granted"
                )
            if refusal is None:
                result.opens.add(goal.key)
                for change in changes:
                    if change.node.key not in self._assigned:
                        self._assigned.add(change.node.key)
                        result.changes.append(change)
            elif refusal.hopeless:
                self.hopeless = self.hopeless or str(refusal)
                result.hopeless.add(goal.key)
            else:
                result.refused.setdefault(goal.key, str(refusal))

    def _decide(self, node: nodes.Node) -> Union[rules.Change, rules.Refusal, None]:
        if node.key not in self._decided:
            try:
                self._decided[node.key] = rules.decide(node, self._needed[node.key], self._account, self._means)
            except rules.Refusal as refusal:
                self._decided[node.key] = refusal
        return self._decided[node.key]


def _by_directory(names: Sequence[str]) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {}
    for name in names:
        below, base = os.path.split(name)
        found.setdefault(below, []).append(base)
    return found


class _Meant(NamedTuple):
    """A declared legacy directory, and the path below it that a link leads to. by_name: a feature of that directory has that path."""

    directory: str
    name: str
    by_name: bool


class _Index:
    """Which declared feature a link's text means, also by another way to the same directory (an alias of it)."""

    def __init__(self, sources: Sequence[probe.LinkSource]) -> None:
        self._real: Dict[str, str] = {}
        self._known: Dict[str, _Meant] = {}
        self._ways: List[Tuple[str, str]] = []
        self._linked: Set[int] = set()
        for directory, names, linked in sources:
            self._linked |= linked
            for way in sorted({directory, os.path.realpath(directory)}):
                self._ways.append((way, directory))
                self._known.update((os.path.join(way, name), _Meant(directory, name, True)) for name in names)

    def is_linked(self, key: paths.InodeKey) -> bool:
        """True if a link among the features led to this file when it was found to be a feature."""
        return (key[0] << 64) | key[1] in self._linked

    def find(self, directory: str, text: str) -> Optional[_Meant]:
        """What a link in a directory leads to; None if it leads into no declared legacy directory."""
        path = os.path.normpath(os.path.join(directory, text))
        if path in self._known:
            return self._known[path]
        above, name = os.path.split(path)
        if above not in self._real:
            # Names only: what stands there is opened from the declared directory, and classified there.
            self._real[above] = os.path.realpath(above)
        real = os.path.join(self._real[above], name)
        return self._known.get(real) or self._below(path) or self._below(real)

    def _below(self, path: str) -> Optional[_Meant]:
        if not self._linked:
            return None
        for way, directory in self._ways:
            if path.startswith(way.rstrip("/") + "/"):
                return _Meant(directory, path[len(way.rstrip("/")) + 1 :], False)
        return None


class _OneSet(NamedTuple):
    """The declared features of the set that is planned for, and where its refusals go."""

    features: _Index
    result: SetPlan


def _refuse_all(result: SetPlan, path: str, names: Sequence[str], reason: str) -> None:
    for name in names or [""]:
        _refuse(result, os.path.join(path, name) if name else path, reason)


def _refuse(result: SetPlan, path: str, reason: str) -> None:
    result.refused.setdefault(key_of(path), reason)


def key_of(path: str) -> paths.InodeKey:
    """One file is counted once, by whatever links it is reached."""
    try:
        info = os.stat(path)
    except OSError:
        return (0, hash(path))
    return (info.st_dev, info.st_ino)
