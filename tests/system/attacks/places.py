# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host of the attacks: the user's places, the canaries, and one operation at one place."""

from __future__ import annotations

import glob
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

sys.path.insert(0, "/opt/collections")
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import SET_OPTIONS, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

USER, ROOT = find_account("ubuntu"), find_account("root")
WORK = "/home/ubuntu/place"  # the attacker's: a component above everything of his
ASIDE = "/home/ubuntu/aside"
DATA = "/data"  # root's
SHARED = "/srv/shared"  # a group's
SOURCE = "/opt/attacks/source"
CANARIES = ("/root/private", "/srv/private", "/home/other")
NAMES = ("a.npz", "spk1/b.npz", "spk1/deep/c.npz")
# A store of one feature.
RCLONE = f"""#!/bin/sh
size=$(stat -c %s {SOURCE}/a.npz)
case $1 in lsjson) echo '[{{"Path": "a.npz", "Size": '$size'}}]' ;; listremotes) echo store: ;; esac
"""


class Scenario:
    """One operation at one place. C(owned): the target exists and is the user's; C(more): other places of the user's to exchange.

    C(plant): what the user prepares, C(left): what root did, before it. C(trial): what the file system can do is tried out.
    """

    def __init__(
        self, target: str, run: Callable[[Scenario], None], owned: bool = False, layout: str = "tree", plant: str = "", legacy: str = "",
        left: str = "", trial: bool = False, more: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.target, self.run, self.owned, self.layout, self.plant = target, run, owned, layout, plant
        self.left, self.trial, self.more = left, trial, more
        self.refusals = (FeatureError, OSError) if more else (FeatureError,)
        self.staging = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.incoming")
        self.legacy = legacy or f"{WORK}/legacy"

    def exchanges(self, kind: str) -> Iterator[tuple[str, str]]:
        """The user's names, and what they become links to."""
        places = (self.staging, self.target, self.legacy, *(path for pattern in self.more for path in glob.glob(pattern)))
        if kind == "above":
            yield WORK, "/srv/private"
            return
        if kind == "parent":
            for path in places:
                yield path, "/root/private"
            return
        for top in places:
            for folder, folders, files in os.walk(top):
                for name in folders:
                    yield f"{folder}/{name}", "/root/private"
                for name in files:
                    yield f"{folder}/{name}", f"{ASIDE}/hard" if len(name) % 2 else "/root/private/shadow"

    def set(self) -> Any:
        wanted = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
        options = {"name": "w", "target": self.target, "legacy": [self.legacy], "arrays": wanted, "layout": self.layout}
        return parse_sets([{key: options.get(key, spec.get("default")) for key, spec in SET_OPTIONS.items()}])[0]

    def lay_out(self) -> None:
        more = [path for pattern in self.more for path in glob.glob(pattern)]
        for path in (WORK, ASIDE, self.target, self.staging, self.staging + ".manifest", *more):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
        for path in (WORK, ASIDE, f"{WORK}/legacy", *([self.target] if self.owned else [])):
            os.makedirs(path, exist_ok=True)
        for name in NAMES:
            copy(f"{SOURCE}/{name}", f"{WORK}/legacy/{os.path.basename(name)}", 0o600)
        if self.owned:
            copy(f"{SOURCE}/{NAMES[0]}", f"{self.target}/other.npz", 0o644)
        for place in (WORK, ASIDE, *([self.target] if self.owned else [])):
            subprocess.run(["chown", "-hR", "ubuntu:ubuntu", place], check=True)
        if self.plant:
            command = self.plant.format(target=self.target, staging=self.staging)
            subprocess.run(["setpriv", "--reuid=ubuntu", "--regid=ubuntu", "--clear-groups", "sh", "-ec", command], check=True)
        if self.left:
            subprocess.run(["sh", "-ec", self.left.format(target=self.target, staging=self.staging)], check=True)
        # protected_hardlinks keeps users from this on most systems, not on all
        os.link("/root/private/shadow", f"{ASIDE}/hard")


def lay_out_host() -> None:
    """The source, the canaries, and a legacy directory that a group can write, with a private feature of another user."""
    for number, name in enumerate(NAMES):
        feature(f"{SOURCE}/{name}", number)
    for place in CANARIES:
        for name in ("a.npz", "b.npz", "shadow", "spk1/b.npz", ".rsync-partial/shadow"):
            feature(f"{place}/{name}", 9)
            os.chmod(f"{place}/{name}", 0o600)
        os.chmod(place, 0o700)
    for directory in (DATA, SHARED):
        os.makedirs(directory, exist_ok=True)
    feature(f"{SHARED}/private.npz", 7)
    os.chmod(f"{SHARED}/private.npz", 0o600)
    os.chmod(SHARED, 0o2775)
    with open("/usr/local/bin/rclone", "w") as file:
        file.write(RCLONE)
    os.chmod("/usr/local/bin/rclone", 0o755)
    os.makedirs("/var/cache", exist_ok=True)
    os.makedirs("/home/ubuntu/.cache", exist_ok=True)
    os.chown("/home/ubuntu/.cache", USER.uid, USER.gid)
    os.chmod("/home/ubuntu", 0o755)  # else the right to pass it is granted, above the legacy directory, as it should be
    subprocess.run(f"chown -R other: /home/other; chown root:users {SHARED}; chown other: {SHARED}/private.npz", shell=True, check=True)


def feature(path: str, seed: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 768), }".ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(2 * 768 * 4 - 4) + struct.pack("<I", seed)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("wav2vec_features.npy"), data)


def content_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def copy(source: str, target: str, mode: int) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    os.chmod(target, mode)
