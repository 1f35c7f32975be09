# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of this repository, quick ones first, two at a time or as many as there are processors.

Each check's output goes to .build/test/NAME.log and is printed where it fails. The last line counts tests: those that pytest
counts, and one for each other check. A skipped test, and a working tree that the checks changed, fail the run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Dict, List, Sequence
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parents[1]
BUILD = REPOSITORY / ".build"
LOGS = BUILD / "test"
ON_HOSTS = ("matrix", "molecule", "system", "versions")


@dataclass(frozen=True)
class Check:
    """A command, run by the shell; a pytest run reports its tests as JUnit XML."""

    name: str
    command: str
    pytest: bool = False
    needs: str = "."  # a path without which there is nothing to check yet
    named: bool = False  # runs only where it is named


@dataclass
class Outcome:
    check: Check
    code: int
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_run: int = 0  # what this machine has no means for, which the tests name

    @property
    def good(self) -> bool:
        return self.code == 0 and not self.failed and not self.skipped


def checks() -> List[Check]:
    """All checks in the order in which they start: quick ones, then those with one process, so that the last ones fill all processors."""
    # Much of what runs on hosts is waiting.
    workers = max(2, os.cpu_count() or 2) + 1
    # Longest files first (tests/system/conftest.py).
    spread = f"-n {workers} --dist loadfile --no-loadscope-reorder --durations 20"
    listing = [
        Check("ruff", "ruff check ."),
        Check("yamllint", "yamllint --strict ."),
        Check("changelog", "antsibull-changelog lint"),
        Check("licences", "python scripts/check_licences.py && reuse lint --lines"),
        Check("mypy", "MYPYPATH=collections mypy --namespace-packages --explicit-package-bases"
                      " -p ansible_collections.trainprep.features.plugins"),
        Check("unit", "pytest tests/unit -n 2", pytest=True),
        # As long as all the others together: it runs next to them.
        Check("system", f"pytest tests/system {spread}", pytest=True),
        Check("ansible-lint", "ansible-lint --offline"),
        Check("docs", "antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck . && scripts/docs"),
        Check("galaxy", "scripts/check_galaxy"),
        Check("demo", "scripts/check_demo"),
        Check("sanity", "scripts/check_sanity"),
        Check("property", "pytest tests/property", pytest=True, needs="tests/property"),
        Check("corpus", "pytest tests/corpus", pytest=True, needs="tests/corpus"),
        Check("faults", "pytest tests/faults -n 2", pytest=True, needs="tests/faults"),
        # Every released ansible-core, and of every Python the set-up, the demo and the literal command; the rest of it is in `make matrix`.
        Check("versions", f"pytest tests/matrix -n {workers} --short", pytest=True),
        Check("matrix", "pytest tests/matrix -n 2 --durations 20", pytest=True, named=True),
        Check("molecule", f"scripts/molecule test --all --workers {workers}"),
    ]
    return [check for check in listing if (REPOSITORY / check.needs).exists()]


RUNNING: Dict[str, subprocess.Popen[bytes]] = {}
PRINTING = Lock()


def run(check: Check) -> Outcome:
    """Runs one check in a process group of its own; its log holds all it says."""
    report = LOGS / f"{check.name}.xml"
    command = check.command + (f" --junit-xml {report}" if check.pytest else "")
    environment = {**os.environ, "PATH": f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}", "NO_COLOR": "1",
                   "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(BUILD / "ansible"),
                   "PYTHONDONTWRITEBYTECODE": ""}  # else each process of pytest compiles all tests again
    started = time.monotonic()
    with (LOGS / f"{check.name}.log").open("w") as log:
        process = subprocess.Popen(["bash", "-c", command], cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        RUNNING[check.name] = process
        code = process.wait()
        del RUNNING[check.name]
    outcome = Outcome(check, code, time.monotonic() - started)
    if check.pytest:
        count(outcome, report)
        lines = (LOGS / f"{check.name}.log").read_text(errors="replace").splitlines()
        outcome.not_run = sum(line.startswith("not run: ") for line in lines)
    else:
        outcome.passed, outcome.failed = int(code == 0), int(code != 0)
    return outcome


def count(outcome: Outcome, report: Path) -> None:
    """Takes the numbers from pytest's report; a run that has no report, or tested nothing, failed."""
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            number = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
            bad = number["failures"] + number["errors"]
            outcome.failed += bad
            outcome.skipped += number["skipped"]
            outcome.passed += number["tests"] - bad - number["skipped"]
    if outcome.passed + outcome.failed + outcome.skipped == 0 or (outcome.code and not outcome.failed):
        outcome.failed += 1


def tell(outcome: Outcome) -> None:
    """One line per check, and what it said where it failed."""
    parts = [f"{outcome.passed} passed"] if outcome.check.pytest else []
    parts += [f"{outcome.failed} failed"] if outcome.failed and outcome.check.pytest else []
    parts += [f"{outcome.skipped} skipped"] if outcome.skipped else []
    parts += [f"{outcome.not_run} not run on this machine"] if outcome.not_run else []
    with PRINTING:
        print(f"{'ok  ' if outcome.good else 'FAIL'} {outcome.check.name:<14}{outcome.seconds:6.1f} s  {', '.join(parts)}".rstrip(),
              flush=True)
        if not outcome.good:
            log = LOGS / f"{outcome.check.name}.log"
            lines = log.read_text(errors="replace").splitlines()
            print(f"---- the end of {log.relative_to(REPOSITORY)}", *lines[-80:], "----", sep="\n", flush=True)


def tree() -> str:
    """What git says differs from the last commit."""
    return subprocess.run(["git", "status", "--porcelain"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


def engine() -> str:
    """Sees to Docker's engine and the hosts' image; returns what keeps it from that, for a person to read."""
    done = subprocess.run([sys.executable, "-m", "tests.support.image"], cwd=REPOSITORY, check=False, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    return done.stderr.strip() if done.returncode else ""


def tools() -> None:
    """Install what unit tests run before the first of them starts; print what a person has to install."""
    command = "from tests.support.image import TOOLS, install; install(TOOLS)"
    done = subprocess.run([sys.executable, "-c", command], cwd=REPOSITORY, check=False, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1], flush=True)


def stop_all(*_signal: object) -> None:
    """Ends what was started. A run that was killed harder than this leaves containers: the next one removes them."""
    for process in list(RUNNING.values()):
        os.killpg(process.pid, signal.SIGTERM)
    os._exit(130)


def main(names: Sequence[str]) -> int:
    listing = checks()
    if list(names) == ["list"]:
        print(*(check.name for check in listing), sep="\n")
        return 0
    unknown = set(names) - {check.name for check in listing}
    if unknown:
        sys.exit(f"There is no check {', '.join(sorted(unknown))}: see scripts/test list.")
    wanted = [check for check in listing if (check.name in names if names else not check.named)]
    signal.signal(signal.SIGTERM, stop_all)
    signal.signal(signal.SIGINT, stop_all)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    before, started = tree(), time.monotonic()
    tools()
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        # The image is made while the quick checks run.
        building = pool.submit(engine) if any(check.name in ON_HOSTS for check in wanted) else None

        def guarded(check: Check) -> Outcome:
            missing = building.result() if building and check.name in ON_HOSTS else ""
            if missing:
                (LOGS / f"{check.name}.log").write_text(missing + "\n")
            outcome = Outcome(check, 1, 0.0, failed=1) if missing else run(check)
            tell(outcome)
            return outcome

        outcomes = list(pool.map(guarded, wanted))
    return summary(outcomes, before, time.monotonic() - started)


def summary(outcomes: List[Outcome], before: str, seconds: float) -> int:
    """Prints the last lines; returns the exit code."""
    passed, failed, skipped = (sum(getattr(outcome, key) for outcome in outcomes) for key in ("passed", "failed", "skipped"))
    after, left = tree(), leftover()
    for bad, words in ((after != before, f"the checks changed the working tree:\n{after}"), (left, f"containers are left: {left}")):
        if bad:
            print(f"FAIL {words}")
            failed += 1
    names = [outcome.check.name for outcome in outcomes if not outcome.good]
    print(f"\n{len(outcomes)} checks in {seconds:.0f} s" + (f"; not good: {', '.join(names)}" if names else ", all good"))
    if skipped:
        print("A skipped test counts as a failure: the logs are in .build/test.")
    not_run = sum(outcome.not_run for outcome in outcomes)
    more = [f", {number} {words}" for number, words in ((skipped, "skipped"), (not_run, "not run on this machine")) if number]
    print(f"{passed} passed, {failed} failed" + "".join(more))
    return 1 if failed or skipped or names else 0


def leftover() -> str:
    """Containers of tests whose process has ended; those of other runs on this machine have live owners."""
    if not shutil.which("docker"):
        return ""
    label = "trainprep.features.owner"
    form = '{{.Names}} {{.Label "' + label + '"}}'
    done = subprocess.run(["docker", "ps", "-a", "--filter", f"label={label}", "--format", form], check=False, capture_output=True,
                          text=True)
    pairs = [line.split() for line in done.stdout.splitlines()]
    return " ".join(name for name, owner in pairs if not Path("/proc", owner.rsplit(":", 1)[1]).exists())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
