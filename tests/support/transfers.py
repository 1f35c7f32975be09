# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads, and transfers from other hosts, without a connection: everything that the host does, and files copied by this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, pack_manifest, token_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_receive, peer_send, stage_sets
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets


def listed(one: FeatureSet, source: Path) -> dict[str, Wanted]:
    """The manifest of a source that holds features alone."""
    found = {}
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            classification = classify(file.fileno(), size, path.name, *one.criteria)
            digest = file_digest(file.fileno())
        found[str(path.relative_to(source))] = Wanted(size, token_of(classification, lambda digest=digest: digest))
    return found


def send(sets: Sequence[FeatureSet], account: Account, name: str, source: Path, most: int | None = None) -> dict[str, Any]:
    """Stage the source of a set; at most so many files arrive. Returns what was planned. FeatureError as of the module."""
    (one,) = [one for one in sets if one.name == name]
    return _send(sets, account, name, listed(one, source), {path: source / path for path in listed(one, source)}, most)


def hand_over(sender: FeatureSet, sets: Sequence[FeatureSet], account: Account) -> dict[str, Any]:
    """Stage for the set of the same name what another host's target holds, and verify it as the receiver does."""
    manifest, links = peer_send._features(sender)
    return _send(sets, account, sender.name, manifest, {name: Path(path) for name, path in links.items()}, None)


def _send(
    sets: Sequence[FeatureSet], account: Account, name: str, manifest: dict[str, Wanted], files: Mapping[str, Path], most: int | None
) -> dict[str, Any]:
    (one,) = [one for one in sets if one.name == name]

    def begin(fd: int, plan: Any) -> None:
        for path in sorted(plan.send)[:most]:
            data = files[path].read_bytes()
            with open(path, "wb", opener=lambda where, flags: os.open(where, flags, 0o600, dir_fd=fd)) as file:
                file.write(data)
        if most is None:
            sender = peer_receive.PeerSender("other", "", 22, "", (), "")
            peer_receive._verify(one, sender, fd, plan)

    held = Targets(sets, account)
    found: dict[str, Any] = stage_sets.prepare_sets(sets, account, {name: pack_manifest(manifest)}, held, begin)[name]
    return found
