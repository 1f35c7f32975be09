# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cached facts depend on besides the content of directories: the request, the code, the accounts, the boot, and where paths lead."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
import zlib
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple

from .. import errors
from .._scan import places
from .._spec import options
from .._system import accounts

_ACCOUNTS = ("/etc/passwd", "/etc/group")
# After a power cut, a file may have lost data that was written before its time of change was.
_BOOT = "/proc/sys/kernel/random/boot_id"


def entry_name(params: Mapping[str, Any], account: accounts.Account) -> str:
    """Return the name of the cache entry: there is one for each group of targets and account, and another one for health checks."""
    text = "\0".join([account.name, *(["check"] if params.get("check") else []), *(str(one.get("target")) for one in params["sets"])])
    return f"look-{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}.json"


def basis_of(params: Mapping[str, Any], account: accounts.Account) -> Dict[str, Any]:
    """Return the request, word for word, and the host's state outside the file systems. OSError if that cannot be read."""
    asked = {name: params.get(name) for name in options.PLAN_ARGUMENTS}
    text = json.dumps([asked, account], sort_keys=True, default=str)
    with open(_BOOT, encoding="ascii") as boot:
        return {
            "code": [code_version(), sys.getfilesystemencoding()],
            "boot": boot.read().strip(),
            "asked": hashlib.sha256(text.encode("ascii")).hexdigest(),
            "accounts": [[info.st_ino, info.st_size, info.st_ctime_ns] for info in map(os.stat, _ACCOUNTS)],
        }


def target_now(account: accounts.Account, path: str) -> str:
    """Return a digest of what is at a target's path, and of where that is."""
    return _digest([places.look_up(path, account)])


def legacy_now(account: accounts.Account, path: str) -> str:
    """Return the same for the directories behind a legacy path, globs expanded."""
    return _digest(places.find_places([path], account))


def _digest(found: Sequence[places.Place]) -> str:
    seen = [(place, places.ancestry(place.path)) for place in found]
    return hashlib.sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()


def code_version() -> str:
    """Return a digest over the sources, in the archive that Ansible sends or in a folder: what other code concluded is never used."""
    archive = getattr(errors.__loader__, "archive", None)
    sources = _in_archive(archive) if archive else _in_folder(os.path.dirname(errors.__file__))
    return hashlib.sha256(repr(sorted(sources)).encode("utf-8", "backslashreplace")).hexdigest()


def _in_archive(path: str) -> Iterator[Tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            if "/trainprep/" in item.filename:
                yield item.filename, item.file_size, item.CRC


def _in_folder(top: str) -> Iterator[Tuple[str, int, int]]:
    for folder, _folders, names in os.walk(top):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    yield os.path.relpath(path, top), os.path.getsize(path), zlib.crc32(file.read())
