# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random hosts whose oracle is a real trainer: a script with glob, rglob, os.walk and numpy.load, run as the training user.

READY has to be said exactly if that script finds features, can load all that it finds, sees nothing twice, and finds all that root
would; and the data's digest has to be that of what it loaded.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ansible_collections.trainprep.features.plugins.module_utils._plan import features_digest
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.plugins.module_utils._steps.inspect import inspect_host
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request, prepare
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account, find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import trainer, transfers
from tests.support.pairs import too_deep

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
SETS = ("train", "val")
ENDINGS = {"npz": ".npz", "npy": ".npy", "any": ".bin"}

FOLDERS = st.sampled_from(["", "", "s1/", "s1/deep/", "s2/", ".hidden/", ".Trash-1000/files/"])
NAMES = st.sampled_from(["a", "b", "c", ".d"])
CONTENTS = st.sampled_from(["red", "green", "blue", "grey", "pink", "other", "damaged", "empty"])
PLACES = st.sampled_from([*SETS, *SETS, "away", "old"])
LEADS = st.sampled_from([".", "..", "s1", "../away", "../train", "../val", "../away", "../old/s1", "../val/s1", "../nowhere"])
MODES = st.sampled_from([0o755, 0o711, 0o700, 0o644, 0o600, 0o311])

STEPS = st.one_of(
    st.tuples(st.just("file"), PLACES, FOLDERS, NAMES, CONTENTS),
    st.tuples(st.just("file"), PLACES, FOLDERS, NAMES, CONTENTS),
    st.tuples(st.just("file"), PLACES, FOLDERS, NAMES, CONTENTS),
    st.tuples(st.just("link"), st.sampled_from(SETS), FOLDERS, NAMES, PLACES, FOLDERS, NAMES),
    st.tuples(st.just("hard link"), st.sampled_from(SETS), FOLDERS, NAMES, PLACES, FOLDERS, NAMES),
    st.tuples(st.just("link to directory"), st.sampled_from(SETS), st.sampled_from(["", "s1/"]), st.sampled_from(["l", ".l", "s2"]), LEADS),
    st.tuples(st.just("odd"), st.sampled_from(SETS), FOLDERS, NAMES, st.sampled_from(["folder", "fifo", "device", "link to folder"])),
    st.tuples(st.just("mode"), PLACES, FOLDERS, st.one_of(st.none(), NAMES), MODES),
)
# Most hosts begin with a feature in each target, and meet few troubles: else few would be ready.
BEGINNING = [
    ("file", "train", "", "e", "violet"), ("file", "val", "", "f", "white"), ("file", "away", "", "g", "black"),
    ("link to directory", "train", "", "m", "../away"),
]  # fmt: skip
BEGINNINGS = st.sampled_from([0, 1, 2, 3, 4])
# What is done to a host, one after the other, with a look at what the trainer finds after each.
RUN = st.tuples(st.just("run"), st.sampled_from(["present", "present", "absent"]), st.booleans())
SOURCES = st.lists(st.tuples(FOLDERS, NAMES, st.sampled_from(["red", "green", "blue", "cyan"])), min_size=1, max_size=3,
                   unique_by=(lambda one: one[:2], lambda one: one[2]))  # fmt: skip
SENT = st.tuples(st.sampled_from(["upload", "receive"]), st.sampled_from(SETS), SOURCES, st.sampled_from([None, None, 1]))
EVENTS = st.lists(st.one_of(RUN, SENT), max_size=4)
HOSTS = st.tuples(
    st.sampled_from([*ENDINGS]), st.booleans(), st.sampled_from(["quick", "full"]), st.booleans(), BEGINNINGS, st.lists(STEPS, max_size=6),
    EVENTS,
)  # fmt: skip


@functools.cache
def raw(kind: str, content: str) -> bytes:
    """The bytes of a file; features of one kind have one size, whatever they hold."""
    if content == "empty":
        return b""
    number = sum(content.encode())
    if kind == "any":
        return bytes([number % 256]) * 200_000
    data = np.full((1, 768) if content != "other" else (5,), number, "<f4")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, f"x.{kind}")
        if kind == "npy":
            np.save(path, data)
        else:
            np.savez(path, **{"wav2vec_features" if content != "other" else "facenet": data})
        written = path.read_bytes()
    return written[: len(written) // 2] if content == "damaged" else written


class Host:
    # A directory whose feature, an archive, cannot be linked.
    deep: ClassVar[Path]

    def __init__(self, root: Path, kind: str, tree: bool, verify: str, legacy: bool) -> None:
        self.root, self.kind, self.tree, self.legacy = root, kind, tree, legacy
        self.pattern = "*" + ENDINGS[kind]
        self.sets = [
            {"name": name, "target": str(root / name), "legacy": [str(root / "old")] if legacy else [], "verify": verify,
             "patterns": [self.pattern], "reads": [self.pattern], "layout": "tree" if tree else "flat",
             "format": "any" if kind == "any" else "auto", "arrays": {} if kind == "any" else ARRAYS}
            for name in SETS
        ]  # fmt: skip
        self.failing = {**self.sets[0], "name": "deep", "target": str(root / "deep"), "legacy": [str(self.deep)]}
        for name in (*SETS, "away", "old"):
            (root / name).mkdir()

    def path(self, place: str, folder: str, name: str) -> Path:
        return self.root / place / folder / (name + ENDINGS[self.kind])

    def do(self, what: str, place: str, folder: str, *more: Any) -> None:
        """One step; impossible ones are passed over."""
        try:
            if what == "mode":
                name, mode = more
                path = self.path(place, folder, name) if name else self.root / place / folder
                if not path.is_symlink() and path != self.root:
                    path.chmod(mode)
                return
            (self.root / place / folder).mkdir(parents=True, exist_ok=True)
            if what == "link to directory":
                (self.root / place / folder / more[0]).symlink_to(more[1])
                return
            path = self.path(place, folder, more[0])
            if os.path.lexists(path):
                return
            if what == "file":
                path.write_bytes(raw(self.kind, more[1]))
            elif what == "odd":
                {"folder": path.mkdir, "fifo": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/null"),
                 "link to folder": lambda: path.symlink_to(self.root / "away")}[more[1]]()  # fmt: skip
            elif what == "link":
                path.symlink_to(self.path(*more[1:]))
            elif self.path(*more[1:]).is_file():
                os.link(self.path(*more[1:]), path)
        except (OSError, RuntimeError):
            return  # something else has the name, or a loop of links

    def happen(self, account: Account, outcomes: Counter[str], what: str, *more: Any) -> None:
        """A run of the host's own steps, or something that gathers for a set: an upload or what another host hands over."""
        try:
            if what == "run":
                state, fails = more
                result: dict[str, Any] = {}
                sets = [*self.sets, self.failing] if fails else self.sets
                prepare({"remember": False}, Request(parse_sets(sets), account, Policy(), state), result)
                outcomes["published"] += any(one.get("published", 0) > 0 for one in result["sets"].values())
            else:
                self.gather(account, what, *more)
                outcomes["gathered"] += 1
        except (FeatureError, OSError):
            outcomes[f"{what} refused"] += 1

    def gather(self, account: Account, what: str, name: str, files: list[tuple[str, str, str]], most: int | None) -> None:
        sets = parse_sets(self.sets)
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch, "source")
            for folder, base, content in files:
                path = source / (folder if self.tree else "") / (base + ENDINGS[self.kind])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(raw(self.kind, content))
            if what == "upload":
                transfers.send(sets, account, name, source, most)
            else:
                (one,) = [one for one in sets if one.name == name]
                transfers.hand_over(replace(one, target=str(source)), sets, account)

    def said(self, account: Account) -> dict[str, Any]:
        try:
            return dict(facts(inspect_host(parse_sets(self.sets), account, Policy(search_roots=()))))
        except FeatureError:
            return {"feature_sets": {}}

    def seen(self, user: str) -> dict[str, Any]:
        found = trainer.train_as(user, [one["target"] for one in self.sets], self.pattern, self.tree)
        return {one["name"]: found[one["target"]] for one in self.sets}

    def leads_above(self, name: str) -> bool:
        """True if a trainer that follows links leaves the target upwards, and reads all that is there, the other sets included."""
        links = [Path(folder, one) for folder, folders, _files in os.walk(self.root / name) for one in folders]
        ends = [link.resolve() for link in links if link.is_symlink() and "/." not in f"{link}"]
        return self.tree and any(end != self.root / name and (self.root / name).is_relative_to(end) for end in ends)


def reasons_against(seen: dict[str, Any], by_root: dict[str, Any], above: set[str]) -> dict[str, list[str]]:
    """By set, why a training on what was seen is wrong. above: the sets whose trainer reads what is not theirs at all."""
    loaded = {name: {path: one["loaded"][path] for path in one["glob"]} for name, one in seen.items()}
    times = Counter(
        identity for name, found in loaded.items() if name not in above for what, identity in found.values() if what == "feature"
    )
    reasons: dict[str, list[str]] = {name: ["leads above the target"] for name in above}
    for name, found in loaded.items():
        if name in above:
            continue
        reasons[name] = [f"{path}: {what[1]}" for path, what in found.items() if what[0] == "error"]
        reasons[name] += [f"{path} is seen twice" for path, what in found.items() if what[0] == "feature" and times[what[1]] > 1]
        if not any(what == "feature" for what, _identity in found.values()):
            reasons[name].append("no feature")
        if seen[name]["glob"] != by_root[name]["glob"]:
            reasons[name].append("the user finds fewer files than there are")
    return reasons


def digest_of(one: dict[str, Any]) -> str:
    total = hashlib.sha256()
    for path in sorted(one["glob"]):
        what, identity = one["loaded"][path]
        if what == "feature":
            data = bytes.fromhex(identity)
            total.update(os.fsencode(path) + b"\0" + bytes([len(data)]) + data)
    return total.hexdigest()


def compare(host: Host, account: Account, outcomes: Counter[str]) -> None:
    said = host.said(account)
    try:
        seen, by_root = host.seen(USER), host.seen("root" if os.geteuid() == 0 else USER)
    except trainer.EndlessError:
        assert not all(one["ready"] for one in said["feature_sets"].values()), "READY, and the trainer's glob does not end"
        outcomes["endless"] += 1
        return
    reasons = reasons_against(seen, by_root, {name for name in SETS if host.leads_above(name)})
    for name, one in said["feature_sets"].items():
        outcomes["ready" if one["ready"] else "not ready"] += 1
        if one["ready"]:
            assert not reasons[name], f"{name} is READY, and the trainer: {reasons[name]}"
            found = seen[name]
            assert one["target"]["features"] == sum(found["loaded"][path][0] == "feature" for path in found["glob"])
            if one["digest"] is not None:
                outcomes["digests"] += 1
                assert one["digest"] == digest_of(found), f"{name}: the digest is not of what the trainer loaded"
            check_other_readers(found, " ".join(one["warnings"]), outcomes)
        elif not host.legacy and one["incoming"]["state"] == "absent":
            # With legacy directories, and what gathers, there are more reasons: conflicts, links that dangle into them.
            assert reasons[name], f"{name} is not READY ({one['problems']}), and the trainer has no trouble"
    if all(one["ready"] for one in said["feature_sets"].values()) and said.get("feature_digest"):
        values = {name: digest_of(one) for name, one in seen.items()}
        assert said["feature_digest"] == features_digest.digest_of_run(values)


def check_other_readers(found: dict[str, Any], warnings: str, outcomes: Counter[str]) -> None:
    """If os.walk or rglob find other files than glob, a warning names one."""
    more = (set(found["rglob"]) | set(found["walk"])) - set(found["glob"])
    fewer = [path for path in found["glob"] if path not in found["walk"] and found["loaded"][path][0] == "feature"]
    assert all(path.startswith(".") or "/." in path for path in more)
    if more:
        outcomes["hidden"] += 1
        assert any(path in warnings for path in more), f"glob does not find {more}: {warnings}"
    if fewer:
        outcomes["behind links"] += 1
        assert any(path.split("/")[0] in warnings for path in fewer), f"only glob finds {fewer}: {warnings}"


SEEN = ("ready", "not ready", "digests", "hidden", "behind links", "gathered", "published", "run refused")


def test_ready_is_what_a_trainer_finds(runs: int, tmp_path: Path) -> None:
    Host.deep = tmp_path / "deep"
    too_deep(Host.deep)
    outcomes: Counter[str] = Counter()
    account = find_account(USER)

    @settings(max_examples=runs, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(HOSTS)
    def random_hosts(drawn: tuple[str, bool, str, bool, int, list[Any], list[Any]]) -> None:
        kind, tree, verify, legacy, beginning, steps, events = drawn
        root = Path(tempfile.mkdtemp(prefix="trainprep-"))
        try:
            root.chmod(0o755)
            host = Host(root, kind, tree, verify, legacy)
            for step in [*BEGINNING[:beginning], *steps]:
                host.do(*step)
            compare(host, account, outcomes)
            last = [("run", "present", False)] if legacy or events else []
            for event in [*last, *events, *last] if legacy else [*events, *last]:
                host.happen(account, outcomes, *event)
                compare(host, account, outcomes)
            outcomes["hosts"] += 1
        finally:
            shutil.rmtree(root)

    random_hosts()
    print(f"compared with a trainer as {USER}: {dict(outcomes)}")
    # Hosts of one outcome alone would show nothing.
    assert min(outcomes[kind] for kind in SEEN) > 0
