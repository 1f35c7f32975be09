# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several at once: hosts that share a volume, controllers that do not know of each other, trainings that write what is scanned."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import fault_cases, fault_uploads
from tests.support.fault_cases import USER, feature, one_set
from tests.support.faults import Modules, plain
from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names
from tests.support.waiting import run

HOSTS = 8


def test_eight_hosts_on_one_volume(uploaded, place, tally, full):
    """Each round 8 modules start at once on a volume in one state or another, and each does what its host asks for."""
    tried = tally("Races: 8 hosts at once on one volume, in mixed states")
    modules, chance = Modules(place), random.Random(20261127)
    for number in range(50 if full else 5):
        one = chance.choice([fault_cases.Links(), fault_cases.Removal(), fault_uploads.Publish(*uploaded),
                             fault_uploads.PublishBeside(*uploaded), fault_uploads.Staging(*uploaded)])  # fmt: skip
        root = fault_cases.laid_out(one, place / str(number))
        before = one.snapshot(root)
        seen = len(tried.violations)
        started = [modules.start(one.module, one.arguments(root)) for _host in range(HOSTS)]
        ended = [modules.finish(process) for process in started]
        tried.runs += HOSTS
        for ran in ended:
            tried.check(plain(ran), f"no plain answer: {ran}")
        one.during(root, before, tried)
        tried.check(any(ran.code == 0 for ran in ended), f"nobody did it: {ended[0]}")
        again = one.run(modules, root)
        tried.runs += 1
        tried.check(again.code == 0 and one.reached(root), f"the run after it leaves {fault_cases.names_in(root)}: {again}")
        third = one.run(modules, root)
        tried.check(third.code == 0 and not third.result.get("changed"), f"a third run changes something: {third}")
        tried.violations[seen:] = [f"{one.name}: {violation}" for violation in tried.violations[seen:]]


def test_a_legacy_tree_that_changes_while_it_is_scanned_and_linked(place, tally, full):
    tried = tally("Races: a legacy tree is written, renamed and deleted while it is scanned and linked")
    old, names = place / "old", crema_d_names(40)
    for name in names[:20]:
        feature(old / name)
    modules = Modules(place)
    arguments = {"sets": [one_set(place, legacy=[str(old)])], "user": USER}
    stopped = threading.Event()
    writer = threading.Thread(target=rewrite, args=(old, names, stopped))
    writer.start()
    try:
        for number in range(50 if full else 6):
            ran = modules.run("feature_facts" if number % 2 else "feature_links", arguments)
            tried.runs += 1
            tried.check(plain(ran), f"no plain answer: {ran}")
            for sample in ran.result.get("ansible_facts", {}).get("feature_sets", {}).get("w", {}).get("rejected", {}).get("samples", []):
                half = any(word in sample["reason"] for word in ("truncated", "empty", "shorter", "not an archive", "changed"))
                tried.check(half, f"a feature is called {sample['reason']}")
    finally:
        stopped.set()
        writer.join()
    settled = modules.run("feature_links", {**arguments, "prune": "dangling"})
    again = modules.run("feature_links", {**arguments, "prune": "dangling"})
    tried.runs += 2
    tried.check(settled.code == 0 and again.code == 0, f"it fails when nobody writes any more: {settled} {again}")
    # A run that prunes links that dangle may leave names to the next one.
    third = modules.run("feature_links", {**arguments, "prune": "dangling"})
    tried.check(third.code == 0 and not third.result.get("changed"), f"it does not come to rest: {third}")
    found = fault_cases.links(place / "data" / "w")
    tried.equal(found, {path.name: str(path) for path in sorted(old.glob("cremad_*.npz"))}, "the links")


def rewrite(old: Path, names: list[str], stopped: threading.Event) -> None:
    chance = random.Random(1)
    while not stopped.is_set():
        path = old / chance.choice(names)
        what = chance.randrange(4)
        if what == 0 and not path.exists():
            feature(path)
        elif what == 1 and path.exists():
            path.unlink()
        elif what == 2 and path.exists():
            moved = old / f"moved_{path.name}"
            path.rename(moved)
            moved.rename(path)
        elif path.exists():
            # Written again in place, as an extractor does.
            data = path.read_bytes()
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                file.write(data[len(data) // 2 :])


def test_two_controllers_at_once(place, tally, full):
    """Both link one set and upload another to the same host, not knowing of each other."""
    tried = tally("Races: two controllers at once")
    names = crema_d_names(30)
    for name in names:
        feature(place / "source" / name)
    for number in range(5 if full else 1):
        root = place / str(number)
        feature(root / "old" / "one.npz", "one")
        (root / "data").mkdir()
        sets = [
            one_set(root, source=f"{place}/source"),
            {"name": "linked", "target": f"{root}/data/linked", "legacy": [f"{root}/old"]},
        ]
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(lambda which, root=root, sets=sets: play(root, sets, f"controller{which}"), range(2)))
        tried.runs += 2
        for code, said in ended:
            tried.check("Traceback" not in said and "MODULE FAILURE" not in said, said[-800:])
            tried.check(code == 0 or ".w.incoming" in said or "locked" in said, f"it failed without a reason: {said[-800:]}")
        tried.check(any(code == 0 for code, _said in ended), "both failed")
        code, said = play(root, sets, "after")
        tried.equal(code, 0, "the run after it")
        tried.check("changed=0" in said, "the run after it changes something")
        tried.runs += 1
        found = fault_cases.names_in(root / "data")
        tried.equal(found, sorted(["linked/", "linked/one.npz", "w/", *(f"w/{name}" for name in names)]), "the host")


def play(root: Path, sets: list[dict[str, object]], name: str) -> tuple[int, str]:
    """Runs the role on this machine; returns the exit code and the output."""
    variables = {"prepare_features_sets": sets, "prepare_features_search_roots": [], "prepare_features_become": False,
                 "ansible_python_interpreter": sys.executable}  # fmt: skip
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(root / f"{name}.tmp")}
    command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", "localhost,", "-c", "local", "prepare_features.yml", "-e",
               json.dumps(variables)]  # fmt: skip
    done = run(command, cwd=REPOSITORY, env=environment, seconds=300)
    return done.returncode, done.stdout
