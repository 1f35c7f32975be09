# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks share: measuring in turns, hosts, and rows of the table. Only ratios within one run mean anything."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / ".build" / "bench"
sys.path.insert(0, str(REPOSITORY))


# Where hosts keep features lies on volumes: on a file system of the machine's disk, as on real hosts, and not on the container's
# overlay of two, where each file is opened twice.
ON_DISK = ("--volume", "/home", "--volume", "/data")
# A real host's number of files, and no holes in them, which are looked at twice; how long arrays are bears on no look.
LAYOUT = ("--root", "/", "--owner", "ubuntu", "--dense", "--frames", "1", "--scale")


@dataclass
class Row:
    """One line of the table. ``figure`` is a ratio or a count; ``better`` is ``<=`` or ``>=``; ``detail`` the times behind it."""

    measure: str
    figure: float
    better: str
    bound: float
    detail: str

    @property
    def holds(self) -> bool:
        return self.figure <= self.bound if self.better == "<=" else self.figure >= self.bound


def save(name: str, rows: Sequence[Row]) -> None:
    """Keeps the rows for the table, and prints them."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps([asdict(row) for row in rows], indent=2))
    for row in rows:
        classification = "ok  " if row.holds else "OVER"
        print(f"{classification} {row.measure}: {row.figure:.2f} ({row.better} {row.bound:g}); {row.detail}", flush=True)


def load() -> list[Row]:
    """The rows of all benchmarks that have run."""
    return [Row(**row) for path in sorted(RESULTS.glob("*.json")) for row in json.loads(path.read_text())]


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(times: int, *functions: Callable[[], object]) -> list[float]:
    """The median seconds of each, measured in turns: what else the machine does hits all alike. One round goes uncounted."""
    taken: list[list[float]] = [[] for _turn in functions]
    for turn in range(times + 1):
        for index, function in enumerate(functions):
            value = seconds(function)
            if turn:
                taken[index].append(value)
    return [statistics.median(values) for values in taken]


def processor(times: int, *functions: Callable[[], object]) -> list[float]:
    """As in_turns, but processor seconds: files that are in memory cost nothing else, and a busy machine blurs it less."""
    taken: list[list[float]] = [[] for _turn in functions]
    for turn in range(times + 1):
        for index, function in enumerate(functions):
            start = time.process_time()
            function()
            if turn:
                taken[index].append(time.process_time() - start)
    return [statistics.median(values) for values in taken]


def playbook_command(inventory: Path, book: Path | str) -> list[str]:
    return [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", str(inventory), str(book)]


def environment(**changes: str) -> dict[str, str]:
    """A user's environment with this repository's ansible.cfg, and nothing else of Ansible's."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_", "TRAINPREP_"))}
    return {**keep, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **changes}


def run(command: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Runs a command from the repository's root; a benchmark of something that fails is none."""
    done = subprocess.run(
        command, cwd=REPOSITORY, env=env or environment(), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def peak_memory(command: Sequence[str]) -> int:
    """The largest sum of proportional set sizes (bytes) over a command and all its descendants; pages shared count once."""
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_proportional(pid) for pid in _family(process.pid)))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return peak


def _family(pid: int) -> list[int]:
    members, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        members.append(one)
        try:
            waiting += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue
    return members


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def find_collection() -> None:
    """Makes Python find this checkout as the collection: only then can its plugins be imported."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(REPOSITORY / "collections")])


def inventory_of(path: Path, hosts: Sequence) -> Path:
    """An inventory of test hosts."""
    path.write_text(json.dumps({"all": {"hosts": {host.name: host.variables for host in hosts}}}))
    return path


def book_of(path: Path, *tasks: dict) -> Path:
    """A playbook with these tasks for all hosts, gathering no facts."""
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
    return path
