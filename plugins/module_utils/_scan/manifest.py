# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest next to a staging directory: the features of an upload's source."""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
import zlib
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from .._formats import classify
from .._system import mounts, paths

# Format 1 had tokens of another digest: only its names can be used.
_FORMAT, _OLDER = 2, (1,)
# Bytes of a manifest's text, and commas in it: three a feature, and more features than an inspection keeps in memory. On a host it is a
# file of a user's.
_MOST_BYTES, _MOST_COMMAS = 1 << 29, 1 << 24


class Wanted(NamedTuple):
    """One feature of the source: its size in bytes, and C(i) + identity or C(c) + content digest, in hex."""

    size: int
    token: str


Manifest = Dict[str, Wanted]  # by path below the staging directory, "/" between


def token_of(classification: classify.Classification, digest: Callable[[], bytes]) -> str:
    """The token by which a feature is recognised on the host: its identity if the format has one, else the digest of its bytes."""
    if classification.identity is not None:
        return "i" + classification.identity.hex()
    return "c" + digest().hex()


def sizes_to_read(manifest: Manifest) -> Set[int]:
    """The sizes of the features that can be compared with a file of that size only by reading it."""
    return {wanted.size for wanted in manifest.values() if wanted.token.startswith("c")}


def pack_manifest(manifest: Manifest) -> str:
    """Return a manifest as an argument of a module: JSON, deflated, base64. Names keep bytes that are not UTF-8."""
    # In JSON, names are UTF-8 with surrogate escapes, whatever encoding either side's Python uses.
    names = {name: os.fsencode(name).decode("utf-8", "surrogateescape") for name in sorted(manifest)}
    rows = [[portable, manifest[name].size, manifest[name].token] for name, portable in names.items()]
    text = json.dumps({"format": _FORMAT, "features": rows}, separators=(",", ":"))
    return str(base64.b64encode(zlib.compress(text.encode("ascii"), 1)), "ascii")


def unpack_manifest(packed: str) -> Manifest:
    """Return the manifest of such an argument or file; ValueError if it is not one, or has another version."""
    number, manifest = _unpack(packed)
    if number != _FORMAT:
        raise ValueError("another version's format")
    return manifest


def _unpack(packed: str) -> Tuple[int, Manifest]:
    """Return the number of a manifest's format, and its content; ValueError if it is not a known one."""
    try:
        data = json.loads(_inflate(base64.b64decode(packed, validate=True)).decode("ascii"))
    except (binascii.Error, zlib.error, RecursionError) as error:
        raise ValueError(str(error)) from None
    number = data.get("format") if isinstance(data, dict) else None
    rows = data.get("features") if isinstance(data, dict) else None
    if number not in (_FORMAT, *_OLDER) or not isinstance(rows, list):
        raise ValueError("unknown format")
    manifest: Manifest = {}
    for row in rows:
        if not (isinstance(row, list) and len(row) == 3 and is_plain_path(row[0]) and isinstance(row[1], int)):
            raise ValueError(f"{row!r} is not a path below a directory with its size and token")
        manifest[os.fsdecode(row[0].encode("utf-8", "surrogateescape"))] = Wanted(row[1], str(row[2]))
    return number, manifest


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    text = stream.decompress(data, _MOST_BYTES)
    if not stream.eof or text.count(b",") > _MOST_COMMAS:
        raise ValueError("is cut off or too large")
    return text


def pack_choice(manifest: Manifest, names: Iterable[str]) -> str:
    """Return a selection of a manifest's names, as one bit a name."""
    chosen = set(names)
    return format(int("".join("1" if name in chosen else "0" for name in ["", *sorted(manifest)]), 2), "x")


def unpack_choice(manifest: Manifest, packed: str) -> List[str]:
    names = sorted(manifest)
    bits = format(int(packed, 16), "b").zfill(len(names))
    return [name for name, bit in zip(names, bits) if bit == "1"]


def is_plain_path(name: Any) -> bool:
    """True if a path stays below the directory that it is relative to."""
    return isinstance(name, str) and "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


def staging_path(target: str) -> str:
    """C(.<name>.incoming) next to the target, or inside it if the target is a mount point, bind mounts included: files
    cannot be renamed across one. A target that is a link stands for the directory that it leads to."""
    return _near(target, "incoming")


def manifest_path(target: str) -> str:
    """The manifest. It is not in the staging directory, which holds features alone and is published by renaming it."""
    return _near(target, "incoming.manifest")


def _near(target: str, suffix: str) -> str:
    real = os.path.realpath(target) if os.path.islink(target) else target.rstrip("/") or "/"
    parent = real if mounts.is_mount_point(real) else os.path.dirname(real)
    return os.path.join(parent, f".{os.path.basename(real)}.{suffix}")


def read_manifest(target: str) -> Optional[Manifest]:
    """Return the manifest next to a target's staging directory; None if there is none that can be trusted, or an older one."""
    found = _read(target)
    return found[1] if found and found[0] == _FORMAT else None


def read_names(target: str) -> Set[str]:
    """Return the names in such a manifest, of any version."""
    found = _read(target)
    return set(found[1]) if found else set()


def _read(target: str) -> Optional[Tuple[int, Manifest]]:
    try:
        fd = os.open(manifest_path(target), paths.OPEN_FILE)
    except OSError:
        return None
    info = os.fstat(fd)
    # A file of another user is not a manifest of ours.
    if not stat.S_ISREG(info.st_mode) or info.st_uid not in (0, os.geteuid()) or info.st_size > _MOST_BYTES:
        os.close(fd)
        return None
    with os.fdopen(fd, "rb") as file:
        try:
            return _unpack(file.read().decode("ascii"))
        except ValueError:
            return None
