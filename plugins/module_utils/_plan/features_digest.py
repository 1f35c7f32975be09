# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests of the data that the trainer sees: one for each set, one for all of them. Pure.

A digest covers each feature's name below the target and its identity, as the file alone gives it. It is equal on two hosts with the
same features under the same names, whether these are links or files, and whatever else the hosts hold.
"""

from __future__ import annotations

import hashlib
import operator
import os
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from .._scan import model
from .._system import paths


class Digest(NamedTuple):
    """Hexadecimal SHA-256, or None with the reason in one message."""

    value: Optional[str]
    reason: Optional[str] = None


_by_path = operator.attrgetter("path")


def digest_of_set(
    target: str, features: Sequence[model.Entry], fully_scanned: bool, data: Optional[Mapping[str, Any]] = None
) -> Digest:
    """Return the digest of a target's features, before identities are compared with those of the host's other files.

    data: by path, the digest of each file without checksums, or why it could not be read, as (errno, text); None if data are
    not read, so that such a file leaves the set without a digest.
    """
    if not fully_scanned:
        return Digest(None, f"{paths.display(target)} could not be scanned in full")
    total = hashlib.sha256()
    for entry in sorted(features, key=_by_path):
        identity = entry.classification.identity
        if identity is None:
            if data is None:
                where = f"{paths.display(target)}/{paths.display(entry.path)}"
                why = "has no checksums, and its data was not read ('verify: full' of the set makes an inspection read it)"
                return Digest(None, f"{where} {why}")
            identity = data[entry.path]
            if not isinstance(identity, bytes):
                return Digest(None, f"{paths.display(target)}/{paths.display(entry.path)} cannot be read ({identity[1]})")
        # Names hold no NUL, and the length of the identity precedes it: no two lists of features give the same text.
        total.update(b"%b\0%c%b" % (os.fsencode(entry.path), len(identity), identity))
    return Digest(total.hexdigest())


def digest_of_run(sets: Mapping[str, Optional[str]]) -> Optional[str]:
    """Return the digest of all sets, given those of the sets by name; None if one of them has none."""
    if None in sets.values():
        return None
    text = "".join(f"{name}\0{value}\n" for name, value in sorted(sets.items()))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
