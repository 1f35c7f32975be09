# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest beside a staging directory: what the source of an upload holds."""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
import zlib
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from .._formats.classify import Classification, content_digest
from .._system.paths import OPEN_FILE

_FORMAT = 1


class Wanted(NamedTuple):
    """One feature of the source: its size in bytes, and C(i) + identity or C(c) + content digest, in hex."""

    size: int
    token: str


Manifest = Dict[str, Wanted]  # by path below the staging directory, "/" between


def staging_path(target: str) -> str:
    """C(.<name>.incoming) beside the target; inside it where the target is a mount point, since files cannot be
    renamed across one. A target that is a link stands for the directory that it leads to."""
    return _beside(target, "incoming")


def manifest_path(target: str) -> str:
    """The manifest beside the staging directory: what is published by renaming that holds features alone."""
    return _beside(target, "incoming.manifest")


def _beside(target: str, suffix: str) -> str:
    real = os.path.realpath(target) if os.path.islink(target) else target.rstrip("/") or "/"
    parent = real if os.path.ismount(real) else os.path.dirname(real)
    return os.path.join(parent, f".{os.path.basename(real)}.{suffix}")


def token_of(fd: int, name: str, classification: Classification) -> str:
    """What a feature is recognised by after its journey: the identity where the format has one, else the bytes."""
    if classification.identity is not None:
        return "i" + classification.identity.hex()
    return "c" + content_digest(fd, name).hex()


def pack_manifest(manifest: Manifest) -> str:
    """A manifest as an argument of a module: bytes of JSON, deflated, base64. Names keep bytes that are no UTF-8."""
    rows = [[_portable(name), wanted.size, wanted.token] for name, wanted in sorted(manifest.items())]
    text = json.dumps({"format": _FORMAT, "features": rows}, separators=(",", ":"))
    return str(base64.b64encode(zlib.compress(text.encode("ascii"), 1)), "ascii")


def unpack_manifest(packed: str) -> Manifest:
    """The manifest behind such an argument or file; ValueError where it is none."""
    try:
        data = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)).decode("ascii"))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError("unknown format")
    manifest: Manifest = {}
    for name, size, token in data["features"]:
        if not is_plain_path(name):
            raise ValueError(f"{name!r} is no path below a directory")
        manifest[_native(name)] = Wanted(int(size), str(token))
    return manifest


def pack_choice(manifest: Manifest, names: Iterable[str]) -> str:
    """Some of a manifest's names as one bit each: an answer whose size hardly grows with the number of files."""
    chosen = set(names)
    return format(int("".join("1" if name in chosen else "0" for name in ["", *sorted(manifest)]), 2), "x")


def unpack_choice(manifest: Manifest, packed: str) -> List[str]:
    """The names behind pack_choice."""
    names = sorted(manifest)
    bits = format(int(packed, 16), "b").zfill(len(names))
    return [name for name, bit in zip(names, bits) if bit == "1"]


def is_plain_path(name: Any) -> bool:
    """Whether a name stays below the directory that it is relative to."""
    return isinstance(name, str) and "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


# File names are bytes. In JSON they stand as UTF-8 with surrogate escapes, whatever encoding either side's Python uses.
def _portable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _native(name: str) -> str:
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def read_manifest(target: str) -> Optional[Manifest]:
    """The manifest that lies beside a target's staging directory; None where there is none that can be trusted."""
    try:
        fd = os.open(manifest_path(target), OPEN_FILE)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(file.fileno())
        # One that somebody else planted is no manifest of ours.
        if not stat.S_ISREG(info.st_mode) or info.st_uid not in (0, os.geteuid()):
            return None
        try:
            return unpack_manifest(file.read().decode("ascii"))
        except (ValueError, TypeError, KeyError):
            return None
