# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host hands a set to which other."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.host import Host
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.options import parse_options
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.peer_sets import PeerFleet, PeerSets
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.peers import (
    Exchange,
    Peer,
    Receiver,
    holds_all,
    order,
    peer_of,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.run_id import run_id


@pytest.mark.parametrize(
    ("variables", "address", "port"),
    [
        ({}, "gpu-1", 22),
        ({"ansible_host": "10.0.0.1"}, "10.0.0.1", 22),
        ({"ansible_host": "10.0.0.1", "ansible_port": 2222}, "10.0.0.1", 2222),
        ({"ansible_host": "203.0.113.1", "prepare_features_peer_address": "10.0.0.1", "ansible_port": "2222"}, "10.0.0.1", 2222),
        ({"prepare_features_peer_address": "10.0.0.1:22", "ansible_port": 2222}, "10.0.0.1", 22),
        ({"prepare_features_peer_address": "fd00::1"}, "fd00::1", 22),
        ({"prepare_features_peer_address": "[fd00::1]"}, "fd00::1", 22),
        ({"prepare_features_peer_address": "[fd00::1]:2222"}, "fd00::1", 2222),
    ],
)
def test_peer_of(variables, address, port):
    assert peer_of("gpu-1", variables) == Peer("gpu-1", address, port)


@pytest.mark.parametrize("address", ["10.0.0.1:ssh", "10.0.0.1:0", "10.0.0.1:70000"])
def test_bad_port_names_variable_and_host(address):
    with pytest.raises(FeatureError, match="peer_address of gpu-1"):
        peer_of("gpu-1", {"prepare_features_peer_address": address})


def facts(run="r", **changed):
    one = {"ready": True, "to_upload": False, "features": 4, **changed}
    return {"feature_run": run, "feature_sets": {"speech": one}}


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        (facts(), True),
        (facts(run="another"), False),
        (facts(ready=False), False),
        (facts(to_upload=True), False),
        (facts(features=0), False),
        ({}, False),
        ({"feature_run": "r", "feature_sets": {}}, False),
    ],
)
def test_holds_all(given, holds):
    assert holds_all(given, "speech", "r") is holds


def test_in_check_mode_what_would_be_linked_counts():
    planned = facts(ready=False, will_be_ready=True)
    assert holds_all(planned, "speech", "r", check_mode=True) and not holds_all(planned, "speech", "r")


def test_hosts_with_a_training_are_asked_last():
    names = [f"gpu-{number}" for number in range(6)]
    asked = order(dict.fromkeys(names, 0), {"gpu-2", "gpu-4"}, "gpu-9")
    assert sorted(asked) == names
    assert set(asked[-2:]) == {"gpu-2", "gpu-4"}


def test_receivers_begin_with_different_holders():
    names = [f"gpu-{number}" for number in range(6)]
    assert len({order(dict.fromkeys(names, 0), (), f"receiver-{number}")[0] for number in range(20)}) > 2


def test_those_that_served_least_are_asked_first():
    assert order({"a": 2, "b": 0, "c": 1}, (), "d") == ["b", "c", "a"]


def receiver(host, *names, has_source=False, failed=(), closed=()):
    """A host with peers that it can reach, and others that it cannot (closed)."""
    reachable = {name: Peer(name, name, 22) for name in names}
    return Receiver(host, has_source, [*names, *closed], reachable, failed=dict.fromkeys(failed, "no room"))


def test_holder_sends(tmp_path):
    with Exchange(tmp_path, "speech", ["a"], 1).turn(receiver("b", "a", has_source=True)) as peer:
        assert peer == Peer("a", "a", 22)


@pytest.mark.parametrize("one", [receiver("b", has_source=True), receiver("b", "a", has_source=True, failed=["a"])])
def test_source_if_no_holder_can_be_used(tmp_path, one):
    with Exchange(tmp_path, "speech", ["a"], 1).turn(one) as peer:
        assert peer is None


@pytest.mark.parametrize(
    ("holders", "one", "text"),
    [
        ([], receiver("b", "a"), "no host of this run among peers holds it, and it has no source"),
        (["a"], receiver("b", closed=["a"]), "a holds it, but cannot be reached from b"),
        (["a", "c"], receiver("b", "a", "c", failed=["a", "c"]), r"a, c hold it, but failed to send it \(no room\): resolve that"),
    ],
)
def test_neither_holder_nor_source(tmp_path, holders, one, text):
    with pytest.raises(FeatureError, match=text), Exchange(tmp_path, "speech", holders, 1).turn(one):
        raise AssertionError("there is nothing to receive from")


def test_sets_are_independent(tmp_path):
    Exchange(tmp_path, "speech", [], 1).now_holds("a", 8)
    assert Exchange(tmp_path, "speech", [], 1).holders(receiver("b", "a")) == ["a"]
    assert Exchange(tmp_path, "speech", [], 1).received() == {"a": 8}
    assert Exchange(tmp_path, "music", [], 1).holders(receiver("b", "a")) == []


def test_hosts_that_are_no_peers_are_neither_named_nor_waited_for(tmp_path):
    """A host of the same run that the pattern does not match has received the set, and another is receiving it."""
    exchange = Exchange(tmp_path, "speech", [], 1)
    exchange.now_holds("outside", 8)
    with (
        exchange.turn(receiver("other", has_source=True)),
        pytest.raises(FeatureError, match="no host of this run among peers holds it"),
        exchange.turn(receiver("b", "a")),
    ):
        raise AssertionError("there is nothing to receive from")


def test_hosts_without_peers_take_the_source_at_once(tmp_path):
    exchange = Exchange(tmp_path, "speech", [], 1)
    with exchange.turn(receiver("a", has_source=True)) as first, exchange.turn(receiver("b", has_source=True)) as second:
        assert (first, second) == (None, None)


def served(directory, host):
    return Exchange(directory, "speech", [], 1)._served(host)


@pytest.mark.parametrize(("sends", "has_source"), [(1, True), (2, True), (2, False)])
def test_source_is_used_once_and_no_host_sends_to_more_than_its_share(tmp_path, sends, has_source):
    """Fifteen workers that need a set: every one gets it, from the source at most once."""
    hosts = [f"gpu-{number}" for number in range(15)]
    before = [] if has_source else ["full"]
    every = [*hosts, "full"]
    sending, most, from_source, guard = {}, {}, [], threading.Lock()

    def work(host):
        exchange = Exchange(tmp_path, "speech", before, sends)
        with exchange.turn(receiver(host, *every, has_source=has_source)) as peer:
            with guard:
                if peer is None:
                    from_source.append(host)
                else:
                    sending[peer.name] = sending.get(peer.name, 0) + 1
                    most[peer.name] = max(most.get(peer.name, 0), sending[peer.name])
            time.sleep(0.05)
            exchange.now_holds(host, 8)
            with guard:
                if peer is not None:
                    sending[peer.name] -= 1

    threads = [threading.Thread(target=work, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(Exchange(tmp_path, "speech", before, sends).holders(receiver("other", *every))) == sorted([*before, *hosts])
    assert len(from_source) == int(has_source)
    assert max(most.values()) <= sends
    assert len(most) > 3
    assert served(tmp_path, "full") <= 15 // 2


def test_failed_source_goes_to_the_next_host(tmp_path):
    exchange = Exchange(tmp_path, "speech", [], 1)
    with pytest.raises(OSError, match="gone"), exchange.turn(receiver("a", "b", has_source=True)):
        raise OSError("gone")
    with exchange.turn(receiver("b", "a", has_source=True)) as peer:
        assert peer is None


def test_without_source_a_host_waits_for_one_that_is_receiving(tmp_path):
    first, second = Exchange(tmp_path, "speech", ["full"], 1), Exchange(tmp_path, "speech", ["full"], 1)
    got = []
    with first.turn(receiver("a", "full")) as peer:
        assert peer is not None

        def wait():
            with second.turn(receiver("b", "a")) as found:
                got.append(found)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.5)
        assert not got
        first.now_holds("a", 8)
    thread.join(30)
    assert got == [Peer("a", "a", 22)]


@pytest.mark.parametrize(
    ("features", "expected", "holders"),
    [
        ({"a": 9, "b": 40, "c": 40}, None, ["b", "c"]),
        ({"a": 40, "b": 41}, 40, ["a", "b"]),
        ({"a": 9, "b": 0}, None, ["a"]),
        ({}, None, []),
    ],
)
def test_holders_are_those_with_the_most_features(tmp_path, features, expected, holders):
    one = parse_sets([{"name": "speech", "target": "/data/speech", "expected": expected}])[0]
    hosts = {name: {"ansible_facts": facts(run_id(), features=number)} for name, number in {**features, "me": 99}.items()}
    assert peer_sets("me", hosts, tmp_path)._holders(one) == holders


def test_host_outside_the_pattern_has_no_peers(tmp_path):
    one = parse_sets([{"name": "speech", "target": "/data/speech"}])[0]
    assert peer_sets("other", {"a": {"ansible_facts": facts(run_id())}}, tmp_path)._holders(one) == []


def peer_sets(host, hosts, directory):
    options = parse_options({"sets": [{"name": "speech", "target": "/data/speech"}], "peers": "all"}, {})
    fleet = PeerFleet(hosts, 2, lambda name: pytest.fail(f"{name} is asked"))
    return PeerSets(Host(host, options, pytest.fail, pytest.fail), fleet, directory, [], False)
