# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lookup of the cached inspection: the request and everything that the cached facts depend on is compared.

No feature file is opened to classify it. Access is not cached: the training user opens every feature each time. Every run pays this on
every host that is ready, most of it for Python to compile what is imported, so this parses and plans nothing and imports little.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._access import probe
from .._spec.names import name_filter
from .._system import accounts, paths
from . import basis, files, unchanged


def lookup(params: Mapping[str, Any], account: accounts.Account) -> Optional[Dict[str, Any]]:
    """Return the cached facts, or None if there are none or anything that they depend on has changed.

    params: those of the module.
    """
    if not params.get("remember"):
        return None
    name = basis.entry_name(params, account)
    raw = files.load(name)
    if raw is None:
        return None
    try:
        found = files.unpack(raw, basis.basis_of(params, account))
        return found.facts if found is not None and _is_unchanged(found, account) else None
    except files.BadEntry:
        files.forget(name)
    except OSError:
        pass  # something vanished a moment ago: the inspection will report it
    return None


def _is_unchanged(found: files.CacheEntry, account: accounts.Account) -> bool:
    return (
        all(map(_is_mounted, found.mounts))
        and not any(map(os.path.lexists, found.absent))
        and all(basis.target_now(account, path) == digest for path, digest in found.targets)
        and all(basis.legacy_now(account, path) == digest for path, digest in found.legacy)
        and _holds_the_same(found.sets, found.folders, account)
    )


def _is_mounted(path: str) -> bool:
    from .._system import mounts

    return mounts.is_mount_point(path)


def _holds_the_same(sets: Sequence[files.Opened], folders: Sequence[unchanged.Folder], account: accounts.Account) -> bool:
    with unchanged.listings(folders) as found:
        if found is None:
            return False
        names = {folder.path: one.names for folder, one in zip(folders, found)}
        directories: List[probe.ToRead] = []
        for one in sets:
            features = _features(one, names) if one.target in names else []
            if len(features) != one.features:
                return False
            if one.target in names:
                directories.append((one.target, features, True))
        ask = probe.begin_to_ask(account, {"": directories})
        same = unchanged.unchanged(folders, found)
        # Called in any case: a child process is waited for.
        return not ask()[""].refused and same


def _features(one: files.Opened, names: Mapping[str, Sequence[str]]) -> List[str]:
    """Return the paths below a target that the trainer reads as features."""
    reads, found = name_filter(one.reads), []
    for folder, inside in names.items():
        if folder == one.target or (one.tree and paths.is_below(folder, one.target)):
            prefix = folder[len(one.target) :].strip("/")
            found += [os.path.join(prefix, name) for name in inside if reads(name)] if prefix else [name for name in inside if reads(name)]
    return [path for path in found if path not in one.exceptions]
