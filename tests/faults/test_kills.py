# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each system call that changes a disk is killed, or fails with each error that disks have; then all is run again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import fault_cases
from tests.support.faults import ERRORS, KILL, Modules, Point, Tally
from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """(what an upload to this machine left that was not published, its source)."""
    root = tmp_path_factory.mktemp("uploaded")
    (root / "host" / "data").mkdir(parents=True)
    for name in crema_d_names(3):
        fault_cases.feature(root / "source" / name)
    one = fault_cases.one_set(root / "host", source=f"{root}/source")
    task = {"trainprep.features.feature_upload": {"sets": [one], "user": fault_cases.USER}}
    book = root / "playbook.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", "localhost,", "-e",
               f"ansible_python_interpreter={sys.executable}", str(book)]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    yield root / "host", root / "source"
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The launcher, as the role writes it."""
    root = tmp_path_factory.mktemp("launcher")
    role = REPOSITORY / "roles" / "deploy_training"
    command = [str(REPOSITORY / ".venv/bin/ansible"), "localhost", "-c", "local", "-m", "ansible.builtin.template", "-a",
               f"src={role}/templates/launcher.py.j2 dest={root}/launcher.py", "-e", f"@{role}/defaults/main.yml",
               "-e", f"ansible_python_interpreter={sys.executable}"]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return (root / "launcher.py").read_text()


LINKS = [fault_cases.Links, fault_cases.Removal, fault_cases.Access]
UPLOADS = [fault_cases.Staging, fault_cases.FirstStaging, fault_cases.Publish, fault_cases.PublishBeside, fault_cases.Fetch]


@pytest.mark.parametrize("case", LINKS)
def test_links_and_access(case, place, tally, full):
    strike_everywhere(case(), place, tally, full)


@pytest.mark.parametrize("case", UPLOADS)
def test_uploads(case, uploaded, place, tally, full):
    strike_everywhere(case(*uploaded), place, tally, full)


def test_the_start_of_a_training(launcher, place, tally, full):
    strike_everywhere(fault_cases.Training(launcher), place, tally, full)


def strike_everywhere(one: fault_cases.Case, place: Path, tally: Callable[[str], Tally], full: bool) -> None:
    """Counts the calls that change something, then one host for each of them and each fault."""
    tried = tally(f"Kills and errors: {one.name}")
    if one.needs_root and not fault_cases.ROOT:
        tried.not_run.append("it changes what only root may change")
        return
    modules = Modules(place)
    root = laid_out(one, place / "count")
    try:
        ran, points = modules.points(one.module, one.arguments(root), root)
    finally:
        one.clear(root)
    assert ran.code == 0 and points, ran
    for number, point in enumerate(points):
        # The short form: every point is killed, every third fails with one error or another.
        some = [ERRORS[number // 3 % len(ERRORS)]] if number % 3 == 0 else []
        for fault in (KILL, *(ERRORS if full else some)):
            host = place / f"{number}-{fault}"
            try:
                strike(one, modules, host, point, fault, tried)
            finally:
                one.clear(host)
            shutil.rmtree(host)


def laid_out(one: fault_cases.Case, root: Path) -> Path:
    root.mkdir()
    root.chmod(0o755)
    one.lay_out(root)
    return root


def strike(one: fault_cases.Case, modules: Modules, root: Path, point: Point, fault: str, tried: Tally) -> None:
    """One fault at one point, a run after it, and one more."""
    laid_out(one, root)
    before = one.snapshot(root)
    at = f"{fault} at {point.text[:160]}"
    seen = len(tried.violations)
    ran, struck = modules.faulted(one.module, one.arguments(root), point, fault, root)
    one.clear(root)
    tried.runs += 3
    assert struck, f"{at} did not happen"
    one.during(root, before, tried)
    if fault != KILL:
        spoken = ran.code == 0 or ("." in ran.message or ":" in ran.message)
        tried.check("Traceback" not in ran.stderr + json.dumps(ran.result) and bool(ran.result) and spoken, f"no plain answer: {ran}")
        tried.check(ran.code != 0 or one.reached(root), f"success is claimed that is none: {ran.result}")
    again = one.run(modules, root)
    tried.check(again.code == 0, f"the next run fails: {again}")
    one.during(root, before, tried)
    tried.check(one.reached(root), f"the next run leaves {fault_cases.names_in(root)}: {again}")
    third = one.run(modules, root)
    tried.check(third.code == 0 and not third.result.get("changed"), f"a third run changes something: {third}")
    tried.violations[seen:] = [f"{at}: {violation}" for violation in tried.violations[seen:]]
