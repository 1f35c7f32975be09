# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that stores a cached inspection is killed, or cannot write it: the facts are the same, and nothing is left over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.fault_cases import USER, feature, one_set
from tests.support.faults import ERRORS, KILL, MODULES, Modules, Ran, everything, files, plain

# The module as it is, but that what changed a moment ago counts as old, and that what is kept lies in the test's own directory.
DRIVER = """
import runpy, sys
from ansible_collections.trainprep.features.plugins.module_utils._cache import files, store
place, module = sys.argv[1:3]
store.AGE = 0.1
files.place = lambda: place
del sys.argv[1:3]
runpy.run_module(module, run_name="__main__")
"""


class Remembering(Modules):
    """Modules that store their inspections below ``kept``."""

    def __init__(self, scratch: Path, kept: Path) -> None:
        super().__init__(scratch)
        self.kept = kept

    def start(self, module: str, arguments: Mapping[str, Any], strace: Sequence[str] = ()) -> subprocess.Popen[str]:
        place = str(self.kept / "trainprep.features")
        command = [*strace, sys.executable, "-c", DRIVER, place, f"{MODULES}.{module}", str(self._arguments(module, arguments))]
        return subprocess.Popen(command, cwd=self.scratch, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip


def facts(ran: Ran) -> Any:
    return ran.result.get("ansible_facts")


def test_the_cache_cannot_be_written_in_full(place, tally, full):
    tried = tally("Kills and errors: a cached inspection")
    host, kept = place / "host", place / "kept"
    for name in ("a.npz", "b.npz", "below/c.npz"):
        feature(host / "data" / "w" / name)
    modules = Remembering(place, kept)
    arguments = {"sets": [one_set(host, layout="tree")], "user": USER, "remember": True}
    time.sleep(0.5)

    def anew() -> None:
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(mode=0o700)

    anew()
    ran, points = modules.points("feature_facts", arguments, kept)
    wanted, before = facts(ran), files(host)
    whole = [path.relative_to(kept) for path in everything(kept)]
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(place)], text=True, capture_output=True, check=True).stdout.strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs", "zfs"):
        tried.not_run.append(f"nothing is cached on {kind}")
        return
    assert wanted["features_ready"] and not wanted["feature_steps"] and points and len(whole) == 2, (ran, whole)
    for number, point in enumerate(points):
        for fault in (KILL, *(ERRORS if full else [ERRORS[number % len(ERRORS)]])):
            anew()
            at = f"{fault} at {point.text[:160]}"
            ran, struck = modules.faulted("feature_facts", arguments, point, fault, kept)
            assert struck, f"{at} did not happen"
            if fault != KILL:
                tried.check(plain(ran) and ran.code == 0 and facts(ran) == wanted, f"{at}: the look itself fails: {ran}")
            for turn in ("the next", "a third"):
                ran = modules.run("feature_facts", arguments)
                tried.check(facts(ran) == wanted, f"{at}: {turn} look says something else: {ran}")
            tried.equal([path.relative_to(kept) for path in everything(kept)], whole, f"{at}: what is kept then")
            tried.equal(files(host), before, f"{at}: the host's files")
            tried.runs += 3
