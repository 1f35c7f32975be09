# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a host where nothing changed since the last one, proof of access included, against find over the same directories."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import REPOSITORY, Row, save
from scan import lay_out

# In a process of its own, as the module is: lookups only, as often as asked for; the first run fills the cache.
RECALL = """
import json, resource, sys, time
from ansible_collections.trainprep.features.plugins.module_utils._cache import files, lookup, store
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts
directory = sys.argv[1]
files.place = lambda: directory + "/cache/trainprep.features"
params = {"remember": True, "sets": [{"name": "many", "target": directory + "/target", "legacy": [directory + "/legacy"],
                                     "arrays": {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}}]}
user = accounts.find_account(None)
store.AGE = 1.0
if sys.argv[2] == "look":
    from ansible_collections.trainprep.features.plugins.module_utils._steps import prepare
    prepare.find_facts(params, prepare.request_of({**params, "user": user.name}, False), {})
start = time.perf_counter()
found = lookup.lookup(params, user)
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "memory": memory, "features": found["feature_sets"]["many"]["features"]}))
"""


def recall(directory: Path, how: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")}
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    command = [python, "-c", RECALL, str(directory), how]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def find(directory: Path) -> float:
    start = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        subprocess.run(["find", directory / "target", directory / "legacy", "-printf", "%i %s %C@ %p\\n"], check=True, stdout=nothing)
    return time.perf_counter() - start


@dataclass
class Measured:
    """Of one turn: seconds of find and of a look at few files, and at many; and the last answers."""

    few_find: float
    few: float
    many_find: float
    many: float
    of_few: dict
    of_many: dict


def measure(few: Path, many: Path, turns: int) -> list[Measured]:
    """Few files are looked at before and after the many, so often that the machine is as fast for them as for the many, in the mean.

    The least of each would be of the machine's best tenth of a second for the few, and of its usual speed for the many.
    """
    for directory in (few, many):
        recall(directory, "look")
    found = []
    for _turn in range(turns):
        finds, looks = [], []
        for half in range(2):
            for _time in range(8):
                finds.append(find(few))
                looks.append(recall(few, "recall"))
            if not half:
                many_find, of_many = find(many), recall(many, "recall")
        mean = statistics.mean(look["seconds"] for look in looks)
        found.append(Measured(statistics.mean(finds), mean, many_find, of_many["seconds"], looks[-1], of_many))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--directory", help="where to lay out the files (5 GB, 2 million inodes)", default=str(REPOSITORY / ".build"))
    parser.add_argument("--use", help="a directory in which few and many are laid out already")
    options = parser.parse_args()
    Path(options.directory).mkdir(exist_ok=True)
    place = Path(options.use or tempfile.mkdtemp(prefix="unchanged-", dir=options.directory))
    try:
        if not options.use:
            for name, files in (("few", options.few), ("many", options.many)):
                lay_out(place / name, files, linked=True)
                (place / name / "cache").mkdir(mode=0o700)
        # What is still to be written would take a processor's time from what is measured.
        os.sync()
        time.sleep(3)
        turns = measure(place / "few", place / "many", 5)
    finally:
        if not options.use:
            shutil.rmtree(place, ignore_errors=True)
    of_few, of_many = turns[-1].of_few, turns[-1].of_many
    assert (of_few["features"], of_many["features"]) == (options.few, options.many)
    few_find, few, many_find, many = (
        statistics.median(getattr(turn, name) for turn in turns) for name in ("few_find", "few", "many_find", "many")
    )
    by_few = statistics.median(turn.few / turn.few_find for turn in turns)
    by_many = statistics.median(turn.many / turn.many_find for turn in turns)
    growth = statistics.median(turn.many / turn.few for turn in turns) * options.few / options.many
    memory = (of_many["memory"] - of_few["memory"]) / (options.many - options.few)
    save("unchanged", [
        Row(f"look at an unchanged host of {options.few:,} linked features against find", by_few, "<=", 1.5,
            f"{1000 * few:.0f} ms against {1000 * few_find:.0f} ms, access proved anew"),
        Row(f"the same with {options.many:,}", by_many, "<=", 1.5, f"{many:.2f} s against {many_find:.2f} s"),
        Row(f"its growth per file from {options.few:,} to {options.many:,}", growth, "<=", 1.15,
            f"{1e6 * many / options.many:.1f} µs against {1e6 * few / options.few:.1f} µs a file"),
        Row(f"its memory at {options.many:,} files, KB a file", memory / 1000, "<=", 0.4, f"{of_many['memory'] / 1e6:.0f} MB in all"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
