# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of the last look, where a host is as it was: no feature file is opened to say so.

Compared is what a look was asked, word for word, and what it rested on. Access is not remembered: the training user opens every
feature anew. This is what every run costs on every host that is ready, most of it for Python to compile what it needs: so it parses
and plans nothing, and imports little.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .._access import opening
from .._scan import unchanged
from .._scan.places import Place, ancestry, look_up_as_needed, places_as_needed, whereabouts
from .._spec import options
from .._spec.names import name_filter
from .._system import accounts, code_version, kept_files, paths

_ACCOUNTS = ("/etc/passwd", "/etc/group")


def witness_name(params: Mapping[str, Any], account: accounts.Account) -> str:
    """The file of the witness: one for each group of targets and account."""
    text = "\0".join([account.name, *(str(one.get("target")) for one in params["sets"])])
    return f"look-{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}.json"


def basis_of(params: Mapping[str, Any], account: accounts.Account) -> Dict[str, Any]:
    """What an answer rests on besides the file systems: the code, the accounts, and what was asked."""
    asked = {name: params.get(name) for name in options.PLAN_ARGUMENTS}
    text = json.dumps([asked, account], sort_keys=True, default=str)
    return {
        "code": code_version.code_version(),
        "asked": hashlib.sha256(text.encode("ascii")).hexdigest(),
        "accounts": [[info.st_ino, info.st_size, info.st_ctime_ns] for info in map(os.stat, _ACCOUNTS)],
    }


def target_now(account: accounts.Account, path: str) -> str:
    """A digest of what lies at the path of a target, and of where that is."""
    return _digest([look_up_as_needed(account, path)])


def legacy_now(account: accounts.Account, path: str) -> str:
    """The same of the directories behind a legacy path, globs expanded."""
    return _digest(places_as_needed(account, [path]))


def _digest(places: Sequence[Place]) -> str:
    found = [(place, ancestry(place.path), () if place.key else whereabouts(place.path)) for place in places]
    return hashlib.sha256(repr(found).encode("utf-8", "backslashreplace")).hexdigest()


def recall(params: Mapping[str, Any], account: accounts.Account) -> Optional[Dict[str, Any]]:
    """The facts of the last look, where nothing that they rest on has changed and the user can open every feature; else None.

    params: those of the module.
    """
    if not params.get("remember"):
        return None
    name = witness_name(params, account)
    raw = kept_files.load(name)
    if raw is None:
        return None
    try:
        witness = json.loads(raw.decode("ascii"))
        facts: Dict[str, Any] = witness["facts"]
        whole = facts["features_ready"] is True and not facts["feature_steps"] and all(map(dict, facts["feature_sets"].values()))
        return facts if whole and _is_as_it_was(witness, params, account) else None
    except OSError:
        return None  # something vanished a moment ago: the look will tell
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        kept_files.forget(name)  # not as it is written
        return None


def _is_as_it_was(witness: Mapping[str, Any], params: Mapping[str, Any], account: accounts.Account) -> bool:
    return (
        witness["basis"] == basis_of(params, account)
        and all(map(_is_mounted, witness["mounts"]))
        and not any(os.path.lexists(path_of(path)) for path in witness["absent"])
        and all(target_now(account, path_of(path)) == digest for path, digest in witness["targets"])
        and all(legacy_now(account, path_of(path)) == digest for path, digest in witness["legacy"])
        and _holds_what_it_held(witness["sets"], [_folder(*one) for one in witness["folders"]], account)
    )


def _is_mounted(path: str) -> bool:
    from .._system import mounts

    return mounts.is_mount_point(path_of(path))


def _folder(path: str, dev: int, ino: int, ctime: int, entries: str, names: int, digests: Sequence[str]) -> unchanged.Folder:
    return unchanged.Folder(path_of(path), (dev, ino), ctime, entries, int(names), tuple(digests))


def _holds_what_it_held(sets: Mapping[str, Any], folders: Sequence[unchanged.Folder], account: accounts.Account) -> bool:
    found = unchanged.listings(folders)
    if found is None:
        return False
    try:
        names = {folder.path: one.names for folder, one in zip(folders, found)}
        directories: List[Tuple[str, Sequence[str]]] = []
        for one in sets.values():
            target = path_of(one["target"])
            features = _features(target, one, names) if target in names else []
            if len(features) != one["features"]:
                return False
            if target in names:
                directories.append((target, features))
        opens = opening.begin_to_open(account, directories)
        same = unchanged.unchanged(folders, found)
        # Asked in any case: a child is waited for.
        return opens() and same
    finally:
        unchanged.close(found)


def _features(target: str, one: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> List[str]:
    """The paths below a target that the trainer reads as features."""
    reads, found = name_filter(one["reads"]), []
    for folder, inside in names.items():
        if folder == target or (one["tree"] and paths.is_below(folder, target)):
            prefix = folder[len(target) :].strip("/")
            found += [os.path.join(prefix, name) for name in inside if reads(name)] if prefix else [name for name in inside if reads(name)]
    exceptions = set(map(bytes.fromhex, one["exceptions"]))
    return [path for path in found if os.fsencode(path) not in exceptions] if exceptions else found


def text_of(path: str) -> str:
    """A path as a witness holds it: any bytes, in plain characters."""
    return os.fsencode(path).hex()


def path_of(text: str) -> str:
    """The path behind such a text; ValueError where it is not one."""
    return os.fsdecode(bytes.fromhex(text))
