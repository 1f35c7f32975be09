# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature files of every sort, small, and what lies in a directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

from ansible_collections.trainprep.features.plugins.module_utils._plan.state import HostState
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets, resolve_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.plugins.module_utils._steps.inspect import inspect_host
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request, do_step
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.tests.support.layout import (
    Array,
    write_facenet,
    write_npz,
    write_wav2vec,
)

WAV2VEC = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}

ME = Account("me", os.geteuid(), os.getegid(), tuple(sorted({os.getegid(), *os.getgroups()})), "/nowhere")

# Changing these bits of a message leaves its CRC-32 as it is: they are the polynomial itself.
_CRC_NEUTRAL = bytes.fromhex("410671db01")

NOBODY = Account("nobody", 65534, 65534, (65534,), "/")


@contextlib.contextmanager
def unprivileged(directory: Path) -> Iterator[Account]:
    """An account for which modes count, and which may pass and list a directory of pytest's: ourselves, unless we are root."""
    if os.geteuid() != 0:
        yield ME
        return
    closed = [path for path in (directory, *directory.parents) if os.stat(path).st_mode & 0o005 != 0o005]
    modes = [(path, stat.S_IMODE(os.stat(path).st_mode)) for path in closed]
    for path, mode in modes:
        os.chmod(path, mode | 0o055)
    try:
        yield NOBODY
    finally:
        for path, mode in modes:
            os.chmod(path, mode)


def feature(path: Path, seed: str = "") -> Path:
    """A feature; the seed, by default the file's name, decides its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav2vec(path, seed or path.name, frames=2)
    return path


def features(directory: Path, *names: str) -> Path:
    for name in names:
        feature(directory / name)
    return directory


def other(path: Path) -> Path:
    """An intact file of another model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_facenet(path)
    return path


def damaged(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK\3\4 and no more")
    return path


def crc_twins(one: Path, two: Path) -> None:
    """Two features that agree in names, sizes and checksums and differ in their bytes."""
    for path, tail in ((one, bytes(8)), (two, _CRC_NEUTRAL.ljust(8, b"\0"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(path, [Array("wav2vec_features", "<f4", (2, 768), 2 * 768 * 4 - 8, tail)])


def npy(path: Path, number: float) -> Path:
    """A single array of the shape that the sets here ask for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 768), }"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    data = struct.pack("<768f", *([number] * 768))
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)
    return path


def copy(source: Path, destination: Path) -> Path:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, destination)
    return destination


def link(path: Path, text: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(text)
    return path


def a_set(target: Path, *legacy: Any, **keys: Any) -> Dict[str, Any]:
    """A set as a user writes it."""
    return {"name": target.name, "target": str(target), "legacy": [str(path) for path in legacy], "arrays": WAV2VEC, **keys}


def see(*sets: Dict[str, Any], account: Account = ME, **options: Any) -> HostState:
    return inspect_host(resolve_sets(parse_sets(sets), account.home), account, Policy(**options))


def facts_of(*sets: Dict[str, Any], **options: Any) -> Dict[str, Any]:
    """The facts of a host, inspected for real. What is said of each set is checked for form."""
    found = facts(see(*sets, **options))
    for one in found["feature_sets"].values():
        for message in one["problems"] + one["warnings"] + one["obstacles"]:
            assert message and "\n" not in message and "None" not in message
            assert len(message) < 1000
        assert one["ready"] is (one["target"]["features"] > 0 and not one["problems"])
    return found


def says(messages: Sequence[str], *words: object):
    """True if one of the messages has all the words."""
    return any(all(str(word) in message for word in words) for message in messages)


def run(*sets: Dict[str, Any], state: str = "present", check: bool = False, **options: Any) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    request = Request(resolve_sets(parse_sets(sets), ME.home), ME, Policy(**options), state, check)
    do_step("unlink" if state == "absent" else "link", request, result)
    return {key: value for key, value in result.items() if key != "ansible_facts"}


def links(directory: Path) -> Dict[str, str]:
    """The links below a directory, by path below it, and what they say."""
    return {name: text for name, (kind, text) in tree(directory).items() if kind == "link"}


def tree(directory: Path) -> Dict[str, Tuple[str, str]]:
    """All below a directory: (kind, and what would show a change of it)."""
    found: Dict[str, Tuple[str, str]] = {}
    for parent, folders, files in os.walk(directory):
        for name in folders + files:
            path = os.path.join(parent, name)
            info = os.lstat(path)
            below = os.path.relpath(path, directory)
            if stat.S_ISLNK(info.st_mode):
                found[below] = ("link", os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                found[below] = ("directory", f"{info.st_mode:o} {info.st_uid}:{info.st_gid}")
            else:
                found[below] = ("file", f"{info.st_mode:o} {info.st_ino} {info.st_size} {info.st_mtime_ns}")
    return found
