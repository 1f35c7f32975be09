# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which data does the trainer see? One digest for each set, one for all of them. Pure.

Over each feature's name below the target and its identity, as the file alone gives it: equal on two hosts where the same features lie
under the same names, be they links or files, and whatever else those hosts hold.
"""

from __future__ import annotations

import hashlib
import operator
import os
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence

from .._scan import model
from .._system import paths


class Digest(NamedTuple):
    """Hexadecimal SHA-256, or None with the reason in one sentence."""

    value: Optional[str]
    reason: Optional[str] = None


_by_path = operator.attrgetter("path")

# So many features go into the hash at once: a call for each would cost more than the hashing.
_AT_ONCE = 1 << 10


def digest_of_set(
    target: str, features: Sequence[model.Entry], fully_scanned: bool, read: Optional[Callable[[model.Entry], bytes]] = None
) -> Digest:
    """The digest of a target's features, before identities are compared with those of the host's other files.

    read: the digest of a file's bytes, for formats without checksums; without it there is no digest where one would have to be
    read. OSError where the file cannot be.
    """
    if not fully_scanned:
        return Digest(None, f"{paths.display(target)} could not be looked at in full")
    total = hashlib.sha256()
    pieces: List[bytes] = []
    for entry in sorted(features, key=_by_path):
        identity = entry.classification.identity
        if identity is None:
            if read is None:
                where = f"{paths.display(target)}/{paths.display(entry.path)}"
                return Digest(None, f"{where} has no checksums, so that its data would have to be read: set 'verify: full' for that")
            try:
                identity = read(entry)
            except OSError as error:
                return Digest(None, f"{paths.display(target)}/{paths.display(entry.path)} cannot be read ({error.strerror})")
        # A name holds no NUL, and the length of the identity is said: no two lists of features make the same text.
        pieces.append(b"%b\0%c%b" % (os.fsencode(entry.path), len(identity), identity))
        if len(pieces) == _AT_ONCE:
            total.update(b"".join(pieces))
            pieces.clear()
    total.update(b"".join(pieces))
    return Digest(total.hexdigest())


def digest_of_run(sets: Mapping[str, Optional[str]]) -> Optional[str]:
    """The digest of all sets by name; None where one of them has none."""
    lines: List[str] = []
    for name, value in sorted(sets.items()):
        if value is None:
            return None
        lines.append(f"{name}\0{value}\n")
    return hashlib.sha256("".join(lines).encode("utf-8", "backslashreplace")).hexdigest()
