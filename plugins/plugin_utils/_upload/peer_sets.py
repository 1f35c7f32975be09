# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host receives sets from the other hosts of the run, as its worker on the controller arranges it."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ...module_utils._spec.sets import FeatureSet
from ...module_utils.errors import FeatureError
from .._report.words import size
from ..connecting import connecting_user
from ..feature_answers import TRANSFERS
from ..module_action import declared_sets, run_module
from ..other_host import action_for
from ..run_id import run_id
from .host import BusyError, Host
from .options import Options
from .peers import Exchange, NowhereError, Peer, Receiver, holds_all, peer_of
from .progress import clock


@dataclass(frozen=True)
class Other:
    """A peer as a sender. C(ask): runs feature_transfer there, with its own sets; C(user): who connects there."""

    user: str
    ask: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class PeerFleet:
    """The hosts that hand sets to each other.

    C(hosts): the variables of each, by name. C(sends): how many receivers one serves at once. C(connect): makes a sender of a host's name.
    """

    hosts: Mapping[str, Mapping[str, Any]]
    sends: int
    connect: Callable[[str], Other]


def fleet_of(action: Any, options: Options, task_vars: dict[str, Any]) -> PeerFleet:
    """Return the hosts of this play that match the pattern. action: the action plugin whose task is running."""
    lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=action._loader, templar=action._templar)
    matching = set(lookup.run([options.peers], variables=task_vars))
    hostvars = task_vars["hostvars"]

    def connect(name: str) -> Other:
        other, variables = action_for(action, name, task_vars)
        sets = declared_sets({"sets": hostvars[name].get("prepare_features_sets")}) or options.raw
        user = hostvars[name].get("prepare_features_user") or options.user
        always = {"sets": sets, "user": user, "variable_prefix": options.variable_prefix}

        def ask(arguments: dict[str, Any]) -> dict[str, Any]:
            return run_module(other, "feature_transfer", {**always, **arguments}, TRANSFERS, variables)

        return Other(connecting_user(other), ask)

    return PeerFleet({name: hostvars[name] for name in task_vars["ansible_play_hosts"] if name in matching}, options.peer_sends, connect)


class _KeyPair:
    """The receiver's key pair for one transfer. C(addresses): of the receiver, by the name of the peer that sees it."""

    def __init__(self, host: Host, set_name: str) -> None:
        self.token = secrets.token_hex(16)
        self.addresses: Mapping[str, str] = {}
        self.public: str | None = None
        self.used = False  # it is removed by the host itself then
        self._host = host
        self._set = set_name

    def make(self, peers: Sequence[Peer]) -> None:
        """Find out which peers can be reached, and make the key pair if there are any (not in check mode)."""
        if not peers:
            return
        listed = [{"name": peer.name, "address": peer.address, "port": peer.port} for peer in peers]
        found = self._host.step("reach", peers=listed, set=self._set, token=self.token)["reach"]
        self.addresses, self.public = found["addresses"], found["key"]

    def forget(self) -> None:
        """Remove it from the host if it was not used."""
        if self.public and not self.used:
            self.used = True
            self._host.step("forget", set=self._set, token=self.token)


class PeerSets:
    """The sets that one host may receive from the others. directory: the run's own, shared by all workers."""

    def __init__(self, host: Host, fleet: PeerFleet, directory: Path, limits: Sequence[str], check_mode: bool) -> None:
        """limits: options of rsync that hold for a transfer between hosts too."""
        self._host = host
        self._fleet = fleet
        self._directory = directory
        self._limits = list(limits)
        self._check_mode = check_mode
        others = {name: one for name, one in fleet.hosts.items() if name != host.name}
        # A host that does not match the pattern takes no part: it has the source alone.
        self._peers = {name: peer_of(name, one) for name, one in others.items()} if host.name in fleet.hosts else {}
        self._facts = {name: others[name].get("ansible_facts") or {} for name in self._peers}
        self._own_facts = fleet.hosts.get(host.name, {}).get("ansible_facts") or {}

    @contextlib.contextmanager
    def received(self, one: FeatureSet, needed: bool, results: Mapping[str, Any]) -> Iterator[dict[str, Any] | None]:
        """Receive a set from another host; the task's result for it, None if the source has to be used.

        Empty if no host holds the set, it has no source, and it is not needed.
        Until the end of the block nothing is taken from this host; after it this host serves others. By then the caller has added what
        was received to C(results), by set.
        """
        before = self._holders(one)
        exchange = Exchange(self._directory, one.name, before, self._fleet.sends)
        busy = frozenset(name for name, facts in self._facts.items() if facts.get("feature_training"))
        receiver = Receiver(self._host.name, bool(one.source), list(self._peers), busy=busy)
        while True:
            with contextlib.ExitStack() as held:
                key = _KeyPair(self._host, one.name)
                held.callback(key.forget)
                receiver = replace(receiver, reachable=self._reach(key, before, one, needed))
                try:
                    peer = held.enter_context(exchange.turn(receiver))
                except NowhereError:
                    if needed:
                        raise
                    yield {}
                    return
                if peer is None:
                    key.forget()
                    yield None
                else:
                    try:
                        done = self._receive(one, peer, key, exchange)
                    except BusyError:
                        raise
                    except FeatureError as error:
                        receiver.failed[peer.name] = str(error)
                        self._host.show(f"{self._host.name}: {one.name}: {error}", False)
                        continue
                    yield done
                brought = results.get(one.name) or {}
                brought_now = sum(brought.get(name) or 0 for name in ("sent", "resumed"))
                exchange.now_holds(self._host.name, _features(one, self._own_facts) + brought_now)
                return

    def _holders(self, one: FeatureSet) -> list[str]:
        """The hosts that hold the set in full. Without C(expected) that is unknown, and the hosts with the most features count."""
        held = [name for name, facts in self._facts.items() if holds_all(facts, one.name, run_id(), self._check_mode)]
        most = max((_features(one, self._facts[name]) for name in held), default=0)
        return [name for name in held if one.expected or _features(one, self._facts[name]) == most]

    def _reach(self, key: _KeyPair, before: Sequence[str], one: FeatureSet, needed: bool) -> dict[str, Peer]:
        """The peers that this host can reach; those that cannot be reached and hold the set are named."""
        try:
            key.make(list(self._peers.values()))
        except FeatureError as error:  # e.g. no SSH client there
            if not one.source and (needed or before):
                raise
            self._host.show(f"{error}{': takes the source' if one.source else ''}", False)
            return {}
        closed = [name for name in before if name not in key.addresses]
        if closed:
            self._host.show(f"{self._host.name}: cannot reach {', '.join(closed[:5])} by SSH, which would have features for it", False)
        return {name: peer for name, peer in self._peers.items() if name in key.addresses}

    def _receive(self, one: FeatureSet, peer: Peer, key: _KeyPair, exchange: Exchange) -> dict[str, Any]:
        began = time.monotonic()
        done: dict[str, Any] = {
            "sent": 0, "sent_bytes": 0, "resumed": 0, "present": 0, "left_out": 0, "seconds": 0.0, "samples": [], "warnings": [],
            "fetched_from": peer.name,
        }  # fmt: skip
        if self._check_mode:
            # A host that is topped up has some of them.
            held = exchange.received().get(peer.name) or _features(one, self._facts[peer.name])
            done["sent"] = max(0, held - _features(one, self._own_facts))
            count = f"{done['sent']:,} features" if done["sent"] else "its features"
            self._host.show(f"{self._host.name}: {one.name}: would receive {count} from {peer.name}", False)
            return done
        offered = self._offer(peer, {"set": one.name, "token": key.token, "key": key.public, "address": key.addresses[peer.name]})
        sender = {"name": peer.name, "address": peer.address, "port": peer.port, "token": key.token, "options": self._limits}
        found = self._host.receive(one.name, {**sender, **offered})
        key.used = True
        done.update({name: found[name] for name in ("present", "warnings")}, resumed=found["staged"], left_out=found["elsewhere"])
        done.update(sent=found["send_count"], sent_bytes=found["send_bytes"], seconds=round(time.monotonic() - began, 1))
        rate = size(done["sent_bytes"] / max(time.monotonic() - began, 0.001))
        self._host.show(
            f"{self._host.name}: {one.name}: {done['sent']:,} files, {size(done['sent_bytes'])} from {peer.name} in"
            f" {clock(done['seconds'])} ({rate}/s)", False,
        )  # fmt: skip
        return done

    def _offer(self, peer: Peer, receiver: Mapping[str, Any]) -> dict[str, Any]:
        """What the receiver has to know of its sender. FeatureError if that does not send, or does not answer Ansible any more."""
        try:
            other = self._fleet.connect(peer.name)
            answer = other.ask({"step": "offer", "request": {**receiver, "user": other.user}})
        except AnsibleError as error:
            raise FeatureError(f"{peer.name} cannot send: {error}") from None
        if answer.get("failed") or "offer" not in answer:
            raise FeatureError(f"{peer.name} cannot send: {str(answer.get('msg') or 'the host gave no answer').strip()}")
        return {**answer["offer"], "user": other.user}


def _features(one: FeatureSet, facts: Mapping[str, Any]) -> int:
    known = (facts.get("feature_sets") or {}).get(one.name) or {}
    return int(known.get("features") or 0)
