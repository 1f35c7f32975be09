# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a host, as root: attacks every system call of an upload, a publication, a linking and a grant.

    steps.py SCENARIO STRIDE KINDS     prints turns, exchanged names, and outcomes as JSON

Each turn repeats the whole operation, and just before its k-th call the user ubuntu exchanges names: of the directory that is worked
in, of what is in it, or of a component above. k goes over every call that changes something, and every STRIDE-th open; each is attacked
in so many of these three ways, by turns. Every turn starts afresh, and everything outside the target, the staging directory and the
legacy directory must be unchanged.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from places import ASIDE, DATA, NAMES, ROOT, SHARED, SOURCE, USER, WORK, Scenario, content_of, lay_out_host
from strike import Strike, wrap_all

sys.path.insert(0, "/opt/collections")
from ansible_collections.trainprep.features.plugins.module_utils._apply import rename
from ansible_collections.trainprep.features.plugins.module_utils._cache import files as cache_files
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, token_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request as StepRequest
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import do_step
from ansible_collections.trainprep.features.plugins.module_utils._system import become, capabilities
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_key, peer_receive, rclone
from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import finish_fetch, start_fetch
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import (
    StagingRequest,
    prepare_upload,
    refusals_named,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets

TOKEN = "0" * 32
KEYS = ("/home/ubuntu/.ssh", "/tmp/trainprep-peer-*")
OLD = "/tmp/trainprep-peer-old"  # what a killed run left
ATTACKS = ("parent", "content", "above")


def upload(scenario: Scenario) -> None:
    """Stage, receive as rsync would, publish."""
    one = scenario.set()
    site = find_site(one.target, USER)
    with refusals_named(site.staging):
        held = Targets([one], USER).held(one, manifest())
        prepared = become.run_as(site.keeper, prepare_upload, StagingRequest(one, held, site, manifest(), {}), True)
    if prepared.plan is None:
        return
    with contextlib.suppress(OSError):
        become.run_as(site.worker, receive, site.staging, prepared.plan.send)
    publish(one, USER, False, 0.0)


def receive(staging: str, names: Iterable[str]) -> None:
    """What the receiver's rsync does, in the staging directory it was started in; in this scenario by name, at worst."""
    with STRIKE.quiet():
        top = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        os.fchdir(top)
        for name in names:
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


def link_and_upload(scenario: Scenario) -> None:
    do_step("link", StepRequest([scenario.set()], USER, Policy(prune="stray", on_conflict="first"), "present"), {})
    upload(scenario)


def widen(scenario: Scenario) -> None:
    policy = Policy(permissions="widen")
    for step in ("link", "grant"):
        do_step(step, StepRequest([scenario.set()], find_account("trainer"), policy, "present"), {})


def grant(scenario: Scenario) -> None:
    for step in ("link", "grant"):
        do_step(step, StepRequest([scenario.set()], find_account("trainer"), Policy(), "present"), {})


def begin_fetch(scenario: Scenario) -> None:
    """The store is listed, and everything is ready for rclone, which is not started here."""
    one = replace(scenario.set(), source="store:bucket")
    start_fetch(one, USER, {}, True)


def peer(scenario: Scenario) -> None:
    """The keys of a transfer between hosts: the receiver's pair, and the line that lets it in at the sender."""
    worker = find_site(scenario.target, USER).worker
    public = become.run_as(worker, peer_receive.make_key, TOKEN)
    become.run_as(worker, peer_receive._write, peer_receive._directory(TOKEN), "known_hosts", "x")
    permission = peer_key.Permission(public, "127.0.0.1", "true", TOKEN, time.time() + 600)
    try:
        become.run_as(USER, peer_key.add_key, "/home/ubuntu", permission)
        become.run_as(USER, peer_key.remove_key, "/home/ubuntu", TOKEN)
    finally:
        become.run_as(worker, peer_receive.forget_key, TOKEN)


def cache(_scenario: Scenario) -> None:
    """The cached inspections of the user and of root."""
    cache_files.MOST_FILES = 1
    for account in (USER, ROOT):
        for number in range(2):
            become.run_as(account, cache_files.save, f"look-{number}.json", b"{}")
        become.run_as(account, cache_files.forget, "look-1.json")


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
    "upload-empty": Scenario(f"{WORK}/feat", upload, plant="mkdir {target}"),
    "upload-dangling": Scenario(f"{WORK}/feat", upload, owned=True, plant="mkdir {target}/spk1; ln -s /nowhere {target}/spk1/b.npz"),
    "upload-again": Scenario(f"{WORK}/feat", upload, plant="mkdir -m 755 {staging}; mkdir {staging}/.rsync-partial"),
    "upload-left": Scenario(f"{DATA}/feat", upload, owned=True, left="mkdir -m 700 {staging}"),
    "trial-home": Scenario(f"{WORK}/feat", link_and_upload, owned=True, trial=True),
    "trial-data": Scenario(f"{DATA}/feat", link_and_upload, trial=True),
    "fetch-begin": Scenario(f"{WORK}/feat", begin_fetch, layout="flat"),
    "link-stray": Scenario(f"{WORK}/feat", link, owned=True, plant="ln -s /nowhere {target}/b.npz"
                           "; ln -s {target}/../legacy/a.npz {target}/stray.npz"),
    "grant-modes": Scenario(f"{WORK}/feat", widen, layout="flat"),
    "peer-home": Scenario(f"{WORK}/feat", peer, more=KEYS, plant=f"mkdir -m 700 {OLD}; touch -d '2 days ago' {OLD}"),
    "peer-data": Scenario(f"{DATA}/feat", peer, more=KEYS),
    "cache": Scenario(f"{WORK}/feat", cache, more=("/home/ubuntu/.cache/trainprep.features", "/var/cache/trainprep.features")),
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


STRIKE = Strike(USER, ASIDE)


# --- What must stay as it was -----------------------------------------------------------------------------------------------


def outside(scenario: Scenario) -> dict[str, tuple[Any, ...]]:
    """Everything that is neither the target, the staging directory, the legacy directory nor the attacker's own."""
    found = {}
    ours = (WORK, ASIDE, scenario.target, scenario.staging, *scenario.more)
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
    scenario, stride, kinds = SCENARIOS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    if not os.path.isdir(SOURCE):
        lay_out_host()
    tempfile.gettempdir()  # the first time it tries them out
    wrap_all(STRIKE, rename)
    if scenario.trial:
        capabilities._CAPABLE = ()
    rclone.sessions.start_program = lambda *_arguments, **_options: None
    totals: collections.Counter[str] = collections.Counter()
    messages: collections.Counter[str] = collections.Counter()

    def turn(kind: str, at: int) -> None:
        with STRIKE.quiet():
            scenario.lay_out()
            before = outside(scenario)
        STRIKE.start(scenario, kind, at)
        try:
            scenario.run(scenario)
            totals["done"] += 1
        except scenario.refusals as error:
            totals["refused"] += 1
            messages[str(error)[:160]] += 1
        with STRIKE.quiet():
            after = outside(scenario)
            changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            if changed:
                totals["violations"] += 1
                seen = before.get(changed[0]), after.get(changed[0])
                messages[f"VIOLATION {kind} before call {at}: {changed[:3]}: {seen}"] += 1
        totals["turns"] += 1
        totals["exchanges"] += STRIKE.hits

    turn("", -1)
    calls = [number for number in range(STRIKE.calls) if number % stride == 0 or STRIKE.changing(number)]
    for order, at in enumerate(calls):
        for number in range(order, order + kinds):
            turn(ATTACKS[number % len(ATTACKS)], at)
    done = {"calls": len(calls), "totals": totals, "struck": STRIKE.noted(), "messages": messages.most_common(20)}
    print(json.dumps(done))


main()
