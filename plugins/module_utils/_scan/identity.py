# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are the same feature.

An archive's directory gives each array's size and CRC-32, which is enough where two files also share their
name. Where two names share the checksums, and where a format has none and two files share a name, the bytes
decide. After resolve_identities, equal C(Entry.classification.identity) means the same feature.
"""

from __future__ import annotations

import errno
import os
from typing import Callable, Dict, Iterable, List, Set, Tuple

from .._formats import classify
from .._formats.digest import short_digest
from .._system import files, paths
from . import model

Located = Tuple[str, model.Entry]  # (path of the scanned directory, entry below it)


def resolve_identities(features: Iterable[Located], digest: Callable[[Located], bytes]) -> None:
    """Gives each feature an identity that can be compared, reading bytes only where checksums cannot decide.

    features: all features on the host. digest: of a file's bytes; OSError where it is gone.
    """
    first: Dict[bytes, model.Entry] = {}
    doubtful: Set[bytes] = set()
    unnamed: Dict[Tuple[str, int], Set[int]] = {}
    everything = list(features)
    for _directory, entry in everything:
        identity = entry.classification.identity
        if identity is None:
            # Of another size they are others, whatever their bytes are.
            unnamed.setdefault((entry.name, entry.size), set()).add(entry.key)
            continue
        known = first.setdefault(identity, entry)
        if known.key != entry.key and known.name != entry.name:
            doubtful.add(identity)
    clashing = {key for keys in unnamed.values() if len(keys) > 1 for key in keys}
    compared: List[Located] = []
    for located in everything:
        entry = located[1]
        if entry.classification.identity in doubtful or (entry.classification.identity is None and entry.key in clashing):
            compared.append(located)
        elif entry.classification.identity is None:
            _identify(entry, _by_inode(entry))
    _by_bytes(compared, digest)


def _by_bytes(features: List[Located], digest: Callable[[Located], bytes]) -> None:
    digests: Dict[int, bytes] = {}
    for located in features:
        entry = located[1]
        if entry.key not in digests:
            try:
                digests[entry.key] = short_digest(digest(located))
            except OSError:
                digests[entry.key] = _by_inode(entry)  # cannot be compared: a feature of its own
        _identify(entry, digests[entry.key])


def _identify(entry: model.Entry, identity: bytes) -> None:
    entry.classification = entry.classification._replace(identity=identity)


def _by_inode(entry: model.Entry) -> bytes:
    return short_digest(b"inode" + entry.key.to_bytes(16, "big"))


def digest_on_disk(located: Located) -> bytes:
    """The digest of a scanned file's bytes."""
    directory, entry = located
    return digest_of(directory, entry.path, entry.classification.identity is not None)


def digest_of(directory: str, path: str, packed: bool = False) -> bytes:
    """The digest of the bytes of a file below a directory; OSError where it is gone.

    packed: of what an archive that has an identity holds.
    """
    found = files.with_file(
        lambda fd, _info, name: classify.content_digest(fd, name) if packed else classify.file_digest(fd),
        os.path.join(directory, path), None, paths.FOLLOW_FILE, (directory, path),
    )  # fmt: skip
    if found is None:
        raise OSError(errno.EINVAL, "is not a regular file", os.path.join(directory, path))
    return found
