# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real file systems that are full, read-only, odd, or lack what others have: what can be done is done, the rest is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import disks, fault_cases, fault_uploads
from tests.support.faults import Modules, Tally, plain
from tests.support.parts import part

CASES: dict[str, Callable[..., fault_cases.Case]] = {
    "links": lambda *_: fault_cases.Links(),
    "removal": lambda *_: fault_cases.Removal(),
    "access": lambda *_: fault_cases.Access(),
    "staging": fault_uploads.Staging,
    "first-staging": fault_uploads.FirstStaging,
    "publish": fault_uploads.Publish,
    "publish-beside": fault_uploads.PublishBeside,
    "fetch": fault_uploads.Fetch,
}

# Sound file systems, on which everything works; as (kind, mkfs options, mount options).
SOUND = {
    "xfs": ("xfs", "", ""),
    "btrfs that compresses": ("btrfs", "", "compress-force=zstd"),
    "ext4 with 128-byte inodes": ("ext4", "-I 128", ""),
    "xfs that ignores case": ("xfs", "-n version=ci", ""),
}


@contextlib.contextmanager
def mounted(tried: Tally, place: Path, kind: str, make: str = "", mount: str = "", **more: Any) -> Iterator[Path | None]:
    """The file system, or None where this machine has none of the kind: the tally says so."""
    reason = disks.why_not(kind, make)
    if reason:
        tried.not_run.append(reason)
        yield None
        return
    context = disks.pass_through(place, **more) if kind == "fuse" else disks.loop(place, kind, make, mount, **more)
    with context as top:
        yield top


def works(one: fault_cases.Case, modules: Modules, root: Path, tried: Tally) -> None:
    """A host on which all is done, and a second run changes nothing."""
    fault_cases.laid_out(one, root)
    before = one.snapshot(root)
    seen = len(tried.violations)
    finishes(one, modules, root, before, tried)
    tried.violations[seen:] = [f"{one.name}: {violation}" for violation in tried.violations[seen:]]


def finishes(one: fault_cases.Case, modules: Modules, root: Path, before: Any, tried: Tally) -> None:
    ran = one.run(modules, root)
    tried.check(ran.code == 0, f"it fails: {ran}")
    one.during(root, before, tried)
    tried.check(one.reached(root), f"it leaves {fault_cases.names_in(root)}: {ran.result}")
    again = one.run(modules, root)
    tried.check(again.code == 0 and not again.result.get("changed"), f"a second run changes something: {again}")
    tried.runs += 2
    one.clear(root)


def refused_or_done(one: fault_cases.Case, modules: Modules, root: Path, before: Any, tried: Tally) -> bool:
    """A host whose disk does not let it: a plain sentence, no harm, no success claimed that is none. Whether it was done."""
    ran = one.run(modules, root)
    one.clear(root)
    tried.runs += 1
    tried.check(plain(ran), f"no plain answer: {ran}")
    one.during(root, before, tried)
    tried.check(not one.claims(ran) or one.reached(root), f"success is claimed that is none: {ran.result}")
    return one.claims(ran)


@pytest.mark.parametrize("kind", part(SOUND, "btrfs that compresses"))
def test_sound_file_systems(kind, uploaded, place, tally):
    tried = tally(f"File systems: {kind}")
    with mounted(tried, place, *SOUND[kind]) as top:
        for name, case in CASES.items() if top else ():
            works(case(*uploaded), Modules(place), top / name, tried)


@pytest.mark.parametrize("name", part(CASES, "links", "publish-beside"))
def test_a_disk_that_is_full_or_read_only_then_repaired(name, uploaded, place, tally):
    """Bytes run out, inodes run out, the disk is read-only: reported; once that is repaired, the next run finishes."""
    tried = tally("File systems: full, out of inodes, read-only; then repaired")
    one, modules = CASES[name](*uploaded), Modules(place)
    with mounted(tried, place, "ext4", "-N 400") as top:
        if top is None:
            return
        for trouble in ("bytes", "inodes", "read-only"):
            root = top / trouble
            fault_cases.laid_out(one, root)
            before = one.snapshot(root)
            seen = len(tried.violations)
            with troubled(top, trouble):
                refused_or_done(one, modules, root, before, tried)
            finishes(one, modules, root, before, tried)
            tried.violations[seen:] = [f"{one.name}, {trouble}: {violation}" for violation in tried.violations[seen:]]


@contextlib.contextmanager
def troubled(top: Path, trouble: str) -> Iterator[None]:
    if trouble == "read-only":
        disks.remount(top, "ro")
        yield
        disks.remount(top, "rw")
        return
    ballast = disks.fill(top, 0) if trouble == "bytes" else disks.fill_inodes(top, 1)
    yield
    if trouble == "bytes":
        ballast.unlink()
    else:
        for file in ballast.iterdir():
            file.unlink()
        ballast.rmdir()


# What some file systems lack: CIFS, FAT and object stores symlinks and hard links, NFS and FUSE ACLs, many of them owners and modes.
LACKING = {
    "no symlinks": {"without": {"symlink": "EPERM"}},
    "no hard links": {"without": {"link": "EPERM"}},
    "no ACLs": {"without": {"setxattr": "EOPNOTSUPP", "getxattr": "EOPNOTSUPP", "listxattr": "EOPNOTSUPP"}},
    "no owners and modes": {"without": {"chown": "EPERM", "chmod": "EPERM"}},
    "names that differ in case are one": {"insensitive": True},
}


@pytest.mark.parametrize("what", part(LACKING, "no hard links"))
def test_a_file_system_that_lacks_something(what, uploaded, place, tally):
    """Done where it does not matter; where it does, one sentence, and nothing half done."""
    tried = tally(f"File systems: {what}")
    modules = Modules(place)
    with mounted(tried, place, "fuse") as top:
        for name, case in CASES.items() if top else ():
            one, root = case(*uploaded), top / name
            disks.set_policy(place)
            fault_cases.laid_out(one, root)
            before = one.snapshot(root)
            seen = len(tried.violations)
            disks.set_policy(place, **LACKING[what])
            if refused_or_done(one, modules, root, before, tried):
                again = one.run(modules, root)
                tried.check(again.code == 0 and not again.result.get("changed"), f"a second run changes something: {again}")
            disks.set_policy(place)
            if name != "access":  # the kernel asks no ACLs of such a file system, which the look afterwards has told
                finishes(one, modules, root, before, tried)
            tried.violations[seen:] = [f"{one.name}: {violation}" for violation in tried.violations[seen:]]


# A file system that misbehaves for a while. Every so manieth call fails, as on a server that is restarted.
MISBEHAVING = {
    "slow": {"delay": 0.002},
    "stale handles": {"fail": {"getattr": ["ESTALE", 11], "open": ["ESTALE", 5], "readdir": ["ESTALE", 4]}},
    "read errors": {"fail": {"read": ["EIO", 3]}},
    "every read fails": {"fail": {"read": ["EIO", 1]}},
    "errors in every change": {"fail": {op: ["EIO", 2] for op in ("symlink", "rename", "unlink", "mkdir", "create", "write", "chmod")}},
    "short reads": {"short": 7},
}


@pytest.mark.parametrize("how", part(MISBEHAVING, "stale handles"))
def test_a_file_system_that_misbehaves_for_a_while(how, uploaded, place, tally):
    """Also asked: a look never takes what it could not read for nothing, which would end in an upload."""
    tried = tally("File systems: latency, ESTALE, EIO, short reads; then repaired")
    modules = Modules(place)
    with mounted(tried, place, "fuse") as top:
        for name, case in CASES.items() if top else ():
            one, root = case(*uploaded), top / name
            disks.set_policy(place)
            fault_cases.laid_out(one, root)
            before = one.snapshot(root)
            seen = len(tried.violations)
            disks.set_policy(place, **MISBEHAVING[how])
            if name == "links":
                look(modules, one, root, tried)
            ran = one.run(modules, root)
            one.clear(root)
            disks.set_policy(place)
            tried.runs += 1
            tried.check(plain(ran), f"no plain answer: {ran}")
            one.during(root, before, tried)
            # What cannot be read in a staging directory is sent again, from where nothing is lost.
            tried.check(name == "staging" or not one.claims(ran) or one.reached(root), f"success is claimed that is none: {ran.result}")
            if name not in ("staging", "access"):
                finishes(one, modules, root, before, tried)
            tried.violations[seen:] = [f"{one.name}, {how}: {violation}" for violation in tried.violations[seen:]]


def look(modules: Modules, one: fault_cases.Case, root: Path, tried: Tally) -> None:
    ran = modules.run("feature_facts", {key: value for key, value in one.arguments(root).items() if key != "state"})
    tried.runs += 1
    tried.check(plain(ran), f"the look has no plain answer: {ran}")
    facts = ran.result.get("ansible_facts", {})
    for name, found in facts.get("feature_sets", {}).items():
        tried.check(found["status"] != 0, f"status 0 for {name}, whose features could not be read: {found}")
        damaged = [sample for sample in found["rejected"]["samples"]
                   if "other.npz" not in sample["path"] and "cannot be read" not in sample["reason"]]  # fmt: skip
        tried.check(not damaged, f"an intact file is called damaged: {damaged}")


ODD = ["-rf.npz", "new\nline.npz", "bad\udcff\udcfe.npz", "x" * 251 + ".npz", " space .npz", "ü'\"$(id).npz", "a\tb\x1b[31m.npz"]


def test_odd_names_are_linked_and_published(place, tally, upload):
    tried = tally("File systems: names of 255 bytes, with line breaks, leading dashes, invalid UTF-8")
    modules = Modules(place)

    class OddLinks(fault_cases.Links):
        def lay_out(self, root: Path) -> None:
            for name in ODD:
                fault_cases.feature(root / "old" / "tree" / name)
            (root / "old" / "flat").mkdir()
            (root / "data" / "tree").mkdir(parents=True)
            for name in ODD[2:4]:
                (root / "data" / "tree" / name).symlink_to(root / "gone" / name)

        def wanted(self, root: Path) -> dict[str, str]:
            return {f"tree/{name}": f"{root}/old/tree/{name}" for name in ODD}

        def early(self, root: Path) -> dict[str, str]:
            return {f"tree/{name}": f"{root}/gone/{name}" for name in ODD[2:4]}

        def allowed(self, root: Path) -> set[str]:
            return {*self.wanted(root), "tree/"}

    works(OddLinks(), modules, place / "links", tried)
    sent = upload(ODD)
    for case in (fault_uploads.Staging, fault_uploads.FirstStaging, fault_uploads.Publish, fault_uploads.PublishBeside):
        works(case(*sent), modules, place / case.__name__, tried)


def test_names_that_differ_in_case_alone_come_to_rest(place, tally):
    """The second has no place on such a disk: it stays unlinked, and no run claims to have done something about it."""
    tried = tally("File systems: names that differ in case are one")
    for name in ("a.npz", "A.npz"):
        fault_cases.feature(place / "old" / name)
    modules = Modules(place)
    with mounted(tried, place, "fuse", insensitive=True) as top:
        if top is None:
            return
        arguments = {"sets": [fault_cases.one_set(top, legacy=[f"{place}/old"])]}
        for changed in (True, False):
            ran = modules.run("feature_links", arguments)
            tried.runs += 1
            tried.check(ran.code == 0 and ran.result["changed"] is changed, f"changed is not {changed}: {ran}")
            tried.equal(len(fault_cases.links(top / "data" / "w")), 1, "links")
            tried.equal(ran.result["ansible_facts"]["feature_sets"]["w"]["to_link"], 1, "what the facts say is missing")
