# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a look at a million files costs per file what a look at ten thousand costs, and how much memory it takes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import REPOSITORY, Row, save

# One look in a process of its own, so that its memory is its own: everything that the module does, without Ansible around it.
LOOK = """
import json, resource, sys, time
from ansible_collections.trainprep.features.plugins.module_utils._steps import facts
from ansible_collections.trainprep.features.plugins.module_utils._steps import inspect
from ansible_collections.trainprep.features.plugins.module_utils._system import mounts
from ansible_collections.trainprep.features.plugins.module_utils._spec import sets
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts
from ansible_collections.trainprep.features.plugins.module_utils._spec import arguments
directory = sys.argv[1]
wanted = sets.parse_sets([{"name": "many", "target": directory + "/target", "legacy": [directory + "/legacy"],
                           "arrays": {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}}])
user = accounts.find_account(None)
times = []
for turn in range(int(sys.argv[2])):
    start = time.perf_counter()
    found = facts.facts(inspect.inspect_host(wanted, user, arguments.Policy()), mounts.read_mountinfo())
    times.append(time.perf_counter() - start)
    if turn == 0:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
one = found["feature_sets"]["many"]
print(json.dumps({"seconds": min(times), "memory": memory, "features": one["features"], "facts": len(json.dumps(found))}))
"""


def lay_out(directory: Path, files: int, linked: bool) -> None:
    """Features of one frame each, every one with data of its own; linked into the target as well, as after a first run."""
    sys.path.insert(0, str(REPOSITORY))
    from tests.support.layout import Array, write_npz

    legacy, target = directory / "legacy", directory / "target"
    legacy.mkdir(parents=True)
    target.mkdir()
    for number in range(files):
        tail = number.to_bytes(8, "little")
        name = f"cremad_{number:07}.npz"
        write_npz(legacy / name, [Array("wav2vec_features", "<f4", (1, 768), 3072 - len(tail), tail)])
        if linked:
            os.symlink(legacy / name, target / name)


def look(directory: Path, turns: int) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "collections")}
    # The system's Python, as on a host, where there is one.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    command = [python, "-c", LOOK, str(directory), str(turns)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--directory", help="where to lay out the files (5 GB, 1.5 million inodes)", default=str(REPOSITORY / ".build"))
    parser.add_argument("--linked", action="store_true", help="each file is in the target as a link as well: two entries a file")
    parser.add_argument("--use", help="a directory in which few and many are laid out already")
    options = parser.parse_args()
    Path(options.directory).mkdir(exist_ok=True)
    place = Path(options.use or tempfile.mkdtemp(prefix="scan-", dir=options.directory))
    try:
        if not options.use:
            lay_out(place / "few", options.few, options.linked)
            lay_out(place / "many", options.many, options.linked)
        before = look(place / "few", 5)
        # As many looks as there are at the few: a first look at a million files also fills the kernel's caches.
        many = look(place / "many", 2)
        few = look(place / "few", 5)
    finally:
        if not options.use:
            shutil.rmtree(place, ignore_errors=True)
    assert (few["features"], many["features"]) == (options.few, options.many)
    few_seconds = min(before["seconds"], few["seconds"])
    each, each_of_many = few_seconds / options.few, many["seconds"] / options.many
    memory = (many["memory"] - few["memory"]) / (options.many - options.few)
    save("scan", [
        Row(f"time per file of a look at {options.many:,} files against {options.few:,}", each_of_many / each, "<=", 1.9,
            f"{1e6 * each_of_many:.0f} µs against {1e6 * each:.0f} µs a file; {many['seconds']:.1f} s in all"),
        Row(f"memory of a look at {options.many:,} files, KB a file", memory / 1000, "<=", 1,
            f"{many['memory'] / 1e6:.0f} MB in all; the facts are {many['facts']:,} bytes, {few['facts']:,} at {options.few:,} files"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
