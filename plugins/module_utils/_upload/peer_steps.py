# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a transfer between two hosts, from a module's parameters to its result.

The receiver: C(reach) its peers and make a key. The sender: C(offer) the set to that key. The receiver: C(receive) it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Mapping, Sequence

from .. import errors
from .._scan.manifest import unpack_manifest
from .._spec.sets import FeatureSet
from .._system import accounts, become
from . import peer_receive, peer_send, requirements, stage_sets, staging, targets


def reach(sets: Sequence[FeatureSet], account: accounts.Account, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Return C(addresses), see peer_receive.reach, and the public C(key) of the transfer named C(token), None in check mode.

    params: C(peers); C(set), C(token) of the transfer. FeatureError if this host cannot receive, so that no sender is blamed for it.
    """
    addresses = peer_receive.reach(params["peers"])
    if not addresses:
        return {"addresses": addresses, "key": None}
    peer_receive.check_programs()
    site = requirements.find_site(_named(sets, params["set"]).target, account)
    with staging.refusals_named(site.staging):
        become.run_as(site.keeper, requirements.measure_room, site.staging, [1])
    return {"addresses": addresses, "key": None if check_mode else become.run_as(site.worker, peer_receive.make_key, params["token"])}


def offer(sets: Sequence[FeatureSet], account: accounts.Account, params: Mapping[str, Any], _check_mode: bool) -> Dict[str, Any]:
    """Return what peer_send.offer does. params: C(set), C(token), C(key), C(address) of the receiver, C(user) who connects here."""
    receiver = peer_send.Recipient(str(params["key"]), str(params["address"]), str(params["token"]))
    return peer_send.offer(_named(sets, params["set"]), account, accounts.find_account(str(params["user"])), receiver)


def receive(sets: Sequence[FeatureSet], account: accounts.Account, params: Mapping[str, Any], _check_mode: bool) -> Dict[str, Any]:
    """Stage and receive one set; return what was staged. The key pair is gone at the end, unless the staging directory is C(busy).

    params: C(set); C(token), C(name), C(address), C(port), C(user), C(host_keys), C(options), C(manifest) of the sender.
    """
    one = _named(sets, params["set"])
    sender = peer_receive.PeerSender(**{name: params[name] for name in peer_receive.PeerSender._fields})
    manifest = unpack_manifest(str(params["manifest"]))
    worker = _worker(one, account)
    busy = False
    try:
        begin = partial(peer_receive.transfer, one, manifest, sender)
        held = targets.Targets(sets, account)
        found: Dict[str, Any] = stage_sets.prepare_sets(sets, account, {one.name: str(params["manifest"])}, held, begin)[one.name]
        busy = bool(found["busy"])
    finally:
        if not busy:
            become.run_as(worker, peer_receive.forget_key, sender.token)
    return found


def _worker(one: FeatureSet, account: accounts.Account) -> accounts.Account:
    return requirements.find_site(one.target, account).worker


def _named(sets: Sequence[FeatureSet], name: str) -> FeatureSet:
    for one in sets:
        if one.name == name:
            return one
    raise errors.FeatureError(f"this host has no feature set '{name}': hosts that hand features to each other declare the same sets")


def forget(sets: Sequence[FeatureSet], account: accounts.Account, params: Mapping[str, Any], _check_mode: bool) -> Dict[str, Any]:
    """Remove the key pair of a transfer that did not take place. params: C(set), C(token)."""
    become.run_as(_worker(_named(sets, params["set"]), account), peer_receive.forget_key, params["token"])
    return {}


STEPS: Dict[str, Callable[..., Dict[str, Any]]] = {"reach": reach, "offer": offer, "receive": receive, "forget": forget}
