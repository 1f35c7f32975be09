# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a host, as root: attacks every system call of an upload, a publication, a linking and a grant.

    steps.py SCENARIO STRIDE     prints turns, exchanged names, and outcomes as JSON

Each turn repeats the whole operation, and just before its k-th call the user ubuntu exchanges names: of the directory that is worked
in, of what is in it, or of a component above. k goes over every call that changes something, and every STRIDE-th open. Every turn
starts afresh, and everything outside the target, the staging directory and the legacy directory must be as it was.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

sys.path.insert(0, "/opt/collections")
from ansible_collections.trainprep.features.plugins.module_utils._apply import rename
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, token_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import SET_OPTIONS, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request as StepRequest
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import do_step
from ansible_collections.trainprep.features.plugins.module_utils._system import become
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import finish_fetch
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import (
    Request,
    prepare_upload,
    refusals_named,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

USER = find_account("ubuntu")
WORK = "/home/ubuntu/place"  # the attacker's: a component above everything of his
ASIDE = "/home/ubuntu/aside"
DATA = "/data"  # root's
SHARED = "/srv/shared"  # a group's
SOURCE = "/opt/attacks/source"
CANARIES = ("/root/private", "/srv/private", "/home/other")
NAMES = ("a.npz", "spk1/b.npz", "spk1/deep/c.npz")
CALLS = ("mkdir", "rmdir", "rename", "unlink", "link", "symlink", "fchown", "fchmod", "chown", "chmod", "lchown", "setxattr", "open")
ATTACKS = ("parent", "content", "above")
MOST = 100_000  # calls of one operation


class Scenario:
    """One operation at one place. C(owned): the target exists and is the user's. C(plant): what the user prepares."""

    def __init__(
        self, target: str, run: Callable[[Scenario], None], owned: bool = False, layout: str = "tree", plant: str = "", legacy: str = ""
    ) -> None:
        self.target, self.run, self.owned, self.layout, self.plant = target, run, owned, layout, plant
        self.staging = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.incoming")
        self.legacy = legacy or f"{WORK}/legacy"

    def set(self) -> Any:
        wanted = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
        options = {"name": "w", "target": self.target, "legacy": [self.legacy], "arrays": wanted, "layout": self.layout}
        return parse_sets([{key: options.get(key, spec.get("default")) for key, spec in SET_OPTIONS.items()}])[0]

    def lay_out(self) -> None:
        for path in (WORK, ASIDE, self.target, self.staging, self.staging + ".manifest"):
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


def upload(scenario: Scenario) -> None:
    """Stage, receive as rsync would, publish."""
    one = scenario.set()
    site = find_site(one.target, USER)
    with refusals_named(site.staging):
        held = Targets([one], USER).held(one, manifest())
        prepared = become.run_as(site.keeper, prepare_upload, Request(one, held, site, manifest(), {}), True)
    if prepared.plan is None:
        return
    with contextlib.suppress(OSError):
        become.run_as(site.worker, receive, site.staging)
    publish(one, USER, False, 0.0)


def receive(staging: str) -> None:
    """What the receiver's rsync does, in the staging directory it was started in; in this scenario by name, at worst."""
    with quiet():
        top = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        os.fchdir(top)
        for name in NAMES:
            with contextlib.suppress(OSError), open(name, "wb") as file:
                file.write(content_of(f"{SOURCE}/{name}"))
        os.chdir("/")
        os.close(top)


def fetch(scenario: Scenario) -> None:
    """What follows when rclone has ended: sort what arrived, publish."""
    one = scenario.set()
    finish_fetch(one, USER, [one])
    publish(one, USER, False, 0.0)


def link(scenario: Scenario) -> None:
    policy = Policy(prune="stray", on_conflict="first")
    for step, state in (("link", "present"), ("unlink", "absent"), ("link", "present")):
        do_step(step, StepRequest([scenario.set()], USER, policy, state), {})


def grant(scenario: Scenario) -> None:
    for step in ("link", "grant"):
        do_step(step, StepRequest([scenario.set()], find_account("trainer"), Policy(), "present"), {})


FETCHED = (
    "mkdir -m 700 {staging}; mkdir {staging}/.fetch {staging}/spk1; touch {staging}/.fetch/log;"
    f" cp {SOURCE}/a.npz {{staging}}; cp {SOURCE}/spk1/b.npz {{staging}}/spk1"
)
SCENARIOS = {
    "upload-home": Scenario(f"{WORK}/feat", upload),
    "upload-home-filled": Scenario(f"{WORK}/feat", upload, owned=True),
    "upload-data": Scenario(f"{DATA}/feat", upload),
    "upload-data-filled": Scenario(f"{DATA}/feat", upload, owned=True),
    "fetch-home": Scenario(f"{WORK}/feat", fetch, layout="flat", plant=FETCHED),
    "link-home": Scenario(f"{WORK}/feat", link),
    "link-data": Scenario(f"{DATA}/feat", link),
    "link-data-filled": Scenario(f"{DATA}/feat", link, owned=True),
    "grant-home": Scenario(f"{WORK}/feat", grant, layout="flat"),
    # Field cases 28 to 32: what is prepared stands when root comes.
    "case-28": Scenario(f"{WORK}/feat", upload, plant="mkdir -p {staging}/x/.rsync-partial; touch {staging}/x/.rsync-partial/shadow"),
    "case-29": Scenario(f"{DATA}/feat", upload, owned=True, plant="ln -s /root/private {target}/spk1"),
    "case-30": Scenario(f"{WORK}/feat", upload, plant="mkdir {staging}; ln -s /root/private {staging}/spk1"),
    "case-31": Scenario(f"{WORK}/feat", upload, plant="mkdir -p -m 777 {staging}/spk1/deep"),
    "case-32": Scenario(f"{DATA}/feat", grant, layout="flat", legacy=SHARED),
}


def manifest() -> dict[str, Wanted]:
    found = {}
    for name in NAMES:
        fd = os.open(f"{SOURCE}/{name}", os.O_RDONLY)
        size = os.fstat(fd).st_size
        criteria = SCENARIOS["upload-home"].set().criteria
        found[name] = Wanted(size, token_of(classify(fd, size, name, *criteria), partial(file_digest, fd)))
        os.close(fd)
    return found


# --- The attacker -----------------------------------------------------------------------------------------------------------


class Strike:
    """Before the k-th call of the operation, whichever process makes it, one attack; it is the user's doing, not root's."""

    def __init__(self) -> None:
        self.shared = mmap.mmap(-1, 16 + MOST)
        self.muted = False
        self.scenario: Scenario = SCENARIOS["upload-home"]
        self.kind, self.at = "", -1

    def start(self, scenario: Scenario, kind: str, at: int) -> None:
        self.scenario, self.kind, self.at = scenario, kind, at
        struct.pack_into("2q", self.shared, 0, 0, 0)

    def changing(self, number: int) -> bool:
        """True if this call was not an open."""
        return self.shared[16 + number] == 1

    @property
    def calls(self) -> int:
        return int(struct.unpack_from("q", self.shared, 0)[0])

    @property
    def hits(self) -> int:
        return int(struct.unpack_from("q", self.shared, 8)[0])

    def __call__(self, name: str) -> None:
        if self.muted:
            return
        number = self.calls
        self.shared[16 + number] = name != "open"
        struct.pack_into("q", self.shared, 0, number + 1)
        if number != self.at:
            return
        self.muted = True
        child = REAL["fork"]()
        if child == 0:
            os._exit(self.as_user())
        hits = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        struct.pack_into("q", self.shared, 8, self.hits + max(hits, 0))
        self.muted = False

    def as_user(self) -> int:
        """Exchange all that the attacker can; return how much that was."""
        if os.geteuid() == 0:
            os.setgroups(USER.groups)
            os.setresgid(USER.gid, USER.gid, USER.gid)
            os.setresuid(USER.uid, USER.uid, USER.uid)
        done = 0
        for path, instead in self.exchanges():
            aside = f"{ASIDE}/{hashlib.md5(path.encode()).hexdigest()}"
            try:
                os.rename(path, aside)
            except OSError:
                continue
            done += 1
            with contextlib.suppress(OSError):
                if instead == f"{ASIDE}/hard":
                    os.link(instead, path)
                else:
                    os.symlink(instead, path)
        return min(done, 100)

    def exchanges(self) -> Iterator[tuple[str, str]]:
        scenario = self.scenario
        if self.kind == "above":
            yield WORK, "/srv/private"
            return
        if self.kind == "parent":
            for path in (scenario.staging, scenario.target, scenario.legacy):
                yield path, "/root/private"
            return
        for top in (scenario.staging, scenario.target, scenario.legacy):
            for folder, folders, files in os.walk(top):
                for name in folders:
                    yield f"{folder}/{name}", "/root/private"
                for name in files:
                    yield f"{folder}/{name}", f"{ASIDE}/hard" if len(name) % 2 else "/root/private/shadow"


REAL: dict[str, Any] = {"fork": os.fork}
STRIKE = Strike()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    was, STRIKE.muted = STRIKE.muted, True
    try:
        yield
    finally:
        STRIKE.muted = was


def wrap(module: Any, name: str) -> None:
    real = getattr(module, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        STRIKE(name)
        return real(*args, **kwargs)

    setattr(module, name, call)


# --- What must stay as it was -----------------------------------------------------------------------------------------------


def outside(scenario: Scenario) -> dict[str, tuple[Any, ...]]:
    """Everything that is neither the target, the staging directory, the legacy directory nor the attacker's own."""
    found = {}
    ours = (WORK, ASIDE, scenario.target, scenario.staging)
    for root in ("/data", "/home", "/root", "/srv", "/opt/attacks"):
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in ours]
            for name in ("", *folders, *files):
                path = f"{folder}/{name}" if name else folder
                if path in ours or path == scenario.staging + ".manifest":
                    continue
                info = os.lstat(path)
                content = content_of(path) if os.path.isfile(path) and not os.path.islink(path) else b""
                attributes = os.listxattr(path, follow_symlinks=False)
                found[path] = (info.st_mode, info.st_uid, info.st_gid, hashlib.md5(content).hexdigest(), tuple(attributes))
    return found


def main() -> None:
    scenario, stride = SCENARIOS[sys.argv[1]], int(sys.argv[2])
    if not os.path.isdir(SOURCE):
        lay_out_host()
    for module, call in [*((os, call) for call in CALLS), (rename, "rename_new")]:
        wrap(module, call)
    totals: collections.Counter[str] = collections.Counter()
    messages: collections.Counter[str] = collections.Counter()

    def turn(kind: str, at: int) -> None:
        with quiet():
            scenario.lay_out()
            before = outside(scenario)
        STRIKE.start(scenario, kind, at)
        try:
            scenario.run(scenario)
            totals["done"] += 1
        except FeatureError as error:
            totals["refused"] += 1
            messages[str(error)[:160]] += 1
        with quiet():
            after = outside(scenario)
            changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            if changed:
                totals["violations"] += 1
                messages[f"VIOLATION {kind} before call {at}: {changed[:3]}"] += 1
        totals["turns"] += 1
        totals["exchanges"] += STRIKE.hits

    turn("", -1)
    calls = [number for number in range(STRIKE.calls) if number % stride == 0 or STRIKE.changing(number)]
    for kind in ATTACKS:
        for at in calls:
            turn(kind, at)
    print(json.dumps({"calls": len(calls), "totals": totals, "messages": messages.most_common(20)}))


main()
