# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host of a run hands a set to which other: the hosts' workers agree by files in the run's own directory.

Each worker acts for one host. A worker waits only for what another running worker holds, so that any number of forks is enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...module_utils.errors import FeatureError, named

_TICK = 0.3
# Senders that fail before a host takes the source.
MOST_FAILURES = 3


@dataclass(frozen=True)
class Peer:
    """A host of the run as the others reach it."""

    name: str
    address: str
    port: int


def peer_of(name: str, variables: Mapping[str, Any]) -> Peer:
    """Return how other hosts reach a host; C(prepare_features_peer_address) may end in C(:port). FeatureError for a bad port."""
    port: Any = variables.get("ansible_port") or 22
    address = str(variables.get("prepare_features_peer_address") or variables.get("ansible_host") or name)
    if address.startswith("[") and "]" in address:
        address, _bracket, rest = address[1:].partition("]")
        port = rest[1:] or port
    elif address.count(":") == 1:
        address, _colon, port = address.partition(":")
    if not str(port).isdigit() or not 0 < int(port) < 65536:
        raise FeatureError(f"{named('peer_address')} of {name}: '{port}' is not a port: write address or address:port")
    return Peer(name, address, int(port))


def holds_all(facts: Mapping[str, Any], set_name: str, run: str, check_mode: bool = False) -> bool:
    """True if this run's inspection found that a host holds all of a set, readable. Pure.

    facts: of the host, checked. Facts of another run (e.g. from a cache) say nothing. In check mode, what a host would link counts.
    """
    if facts.get("feature_run") != run:
        return False
    one = (facts.get("feature_sets") or {}).get(set_name) or {}
    ready = one.get("ready") or (check_mode and one.get("will_be_ready"))
    return bool(ready and one.get("features") and not one.get("to_upload"))


def order(holders: Mapping[str, int], busy: Collection[str], host: str) -> list[str]:
    """Return the hosts to ask: those where a training runs last, else those first that have served least. Pure.

    holders: how many receivers each has served. Among equals each receiver begins elsewhere.
    """

    def place(name: str) -> tuple[bool, int, str]:
        return name in busy, holders[name], _key(f"{host} {name}")

    return sorted(holders, key=place)


class NowhereError(FeatureError):
    """A set cannot be had: no host can hand it over, and it has no source."""


@dataclass(frozen=True)
class Receiver:
    """One host that lacks a set.

    C(peers): the names of the hosts that it may receive from. C(reachable): by name, those of them that it can reach. C(busy): hosts
    with a training. C(failed): those that it tried in vain, with the last reason of each.
    """

    host: str
    has_source: bool
    peers: Collection[str] = ()
    reachable: Mapping[str, Peer] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)


class Exchange:
    """One set of one run. Each host's worker has an object of its own; they agree by files in a directory that they share."""

    def __init__(self, directory: Path, set_name: str, holders: Sequence[str], sends: int) -> None:
        """holders: hosts that held the set before the run changed anything. sends: how many receivers one host serves at once."""
        self._set = set_name
        self._directory = directory / f"peers-{_key(set_name)}"
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._before = list(holders)
        self._sends = sends

    def now_holds(self, host: str, features: int) -> None:
        """From now on this host serves others. features: how many it has, or would have in check mode."""
        new = self._directory / f"new-{_key(host)}"
        new.write_text(f"{features} {host}", "utf-8")
        new.rename(self._directory / f"holds-{_key(host)}")

    def holders(self, receiver: Receiver) -> list[str]:
        """Return all peers of a host that hold the set by now."""
        return [name for name in dict.fromkeys([*self._before, *sorted(self.received())]) if name in receiver.peers]

    def received(self) -> dict[str, int]:
        """Return the hosts that were given the set in this run, with the number of features of each."""
        found = (path.read_text("utf-8").partition(" ") for path in self._directory.glob("holds-*"))
        return {host: int(features) for features, _blank, host in found}

    @contextlib.contextmanager
    def turn(self, receiver: Receiver) -> Iterator[Peer | None]:
        """Wait for a peer that can send, or for the source (None): it is this host's until the end of the block.

        NowhereError if there is neither, and no other host is being given the set.
        """
        with contextlib.ExitStack() as held:
            while True:
                names = [name for name in self.holders(receiver) if name in receiver.reachable and name not in receiver.failed]
                if len(receiver.failed) >= MOST_FAILURES:
                    names = []
                served = {name: self._served(name) for name in names}
                found = next(filter(None, (self._seat(name) for name in order(served, receiver.busy, receiver.host))), None)
                if found is None and not names and receiver.has_source:
                    # One host at a time: the others can have it from that one. A host without peers does not wait.
                    source = _try_lock(self._directory / ("source" if receiver.peers else f"source-{_key(receiver.host)}"))
                    found = ("", source) if source is not None else None
                if found is not None:
                    break
                if not names and not receiver.has_source and not self._others_receive(receiver):
                    raise NowhereError(self._nowhere(receiver))
                time.sleep(_TICK)
            name, lock = found
            held.callback(os.close, lock)
            mine = _lock(self._receives(receiver.host), fcntl.LOCK_EX)
            held.callback(os.close, mine)
            yield receiver.reachable[name] if name else None

    def _seat(self, name: str) -> tuple[str, int] | None:
        for number in range(self._sends):
            lock = _try_lock(self._directory / f"seat-{_key(name)}-{number}")
            if lock is not None:
                os.lseek(lock, 0, os.SEEK_END)
                os.write(lock, b".")  # the file's size counts
                return name, lock
        return None

    def _served(self, name: str) -> int:
        return sum(path.stat().st_size for path in self._directory.glob(f"seat-{_key(name)}-*"))

    def _others_receive(self, receiver: Receiver) -> bool:
        for path in map(self._receives, receiver.peers):
            lock = _try_lock(path)
            if lock is None:
                return True
            os.close(lock)
        return False

    def _receives(self, host: str) -> Path:
        return self._directory / f"receives-{_key(host)}"

    def _nowhere(self, receiver: Receiver) -> str:
        holders = self.holders(receiver)
        if not holders:
            return (
                f"feature set '{self._set}': no host of this run among {named('peers')} holds it, and it has no source: set 'source', or"
                " include a host that holds it in the run (--limit)"
            )
        held = f"feature set '{self._set}': {', '.join(holders[:5])} {'holds' if len(holders) == 1 else 'hold'} it, but"
        if receiver.failed:
            return f"{held} failed to send it ({list(receiver.failed.values())[-1]}): resolve that, or set 'source'"
        return (
            f"{held} cannot be reached from {receiver.host}: let the hosts reach each other by SSH (security groups,"
            f" {named('peer_address')}), or set 'source'"
        )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _lock(path: Path, how: int) -> int:
    """The descriptor of the locked file. The lock ends with the worker, even if that is killed. OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    return fd


def _try_lock(path: Path) -> int | None:
    """As _lock; None if another worker has it."""
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
