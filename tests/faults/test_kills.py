# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each system call that changes a disk is killed, or fails with each error that disks have; then all is run again.

Without ``--full`` these are at most `MOST` calls of an operation, from its first to its last.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import fault_cases, fault_uploads
from tests.support.fault_trainings import Retry, Stop, Training
from tests.support.faults import ERRORS, KILL, Modules, Point, Tally, plain
from tests.support.parts import spread

MOST = 8
LINKS = [fault_cases.Links, fault_cases.Removal, fault_cases.Access]
UPLOADS = [fault_uploads.Staging, fault_uploads.FirstStaging, fault_uploads.Publish, fault_uploads.PublishBeside, fault_uploads.Fetch]


@pytest.mark.parametrize("case", LINKS)
def test_links_and_access(case, place, tally, full):
    strike_everywhere(case(), place, tally, full)


@pytest.mark.parametrize("case", UPLOADS)
def test_uploads(case, uploaded, place, tally, full):
    strike_everywhere(case(*uploaded), place, tally, full)


@pytest.mark.parametrize("case", [Training, Stop])
def test_the_start_and_the_stop_of_a_training(case, place, tally, full):
    strike_everywhere(case(), place, tally, full)


def test_the_retry_of_a_training(place, tally, full):
    """The launcher is killed at each of its calls that change something, then the training is started again."""
    one, modules = Retry(), Modules(place)
    tried = tally(f"Kills: {one.name}")
    root = fault_cases.laid_out(one, place / "count")
    points = one.points(one.lay_out_run(root, modules))
    # Each record is written alike: in the short form only what changes names is struck.
    points = [point for point in points if full or point.call not in ("write", "fsync", "openat")]
    assert len(points) > 5, points
    for number, point in enumerate(points if full else spread(points, MOST)):
        root = fault_cases.laid_out(one, place / f"{number}")
        try:
            run = one.lay_out_run(root, modules)
            assert one.kill_launcher(run, point), f"the kill at {point.text} did not happen"
            one.clear(root)
            tried.runs += 2
            one.during_run(run, tried)
            again = one.run(modules, root)
            tried.check(again.code == 0 and one.reached(root), f"killed at {point.text[:160]}, a start leaves {fault_cases.names_in(root)}")
        finally:
            one.clear(root)
            shutil.rmtree(root)


def strike_everywhere(one: fault_cases.Case, place: Path, tally: Callable[[str], Tally], full: bool) -> None:
    """Counts the calls that change something, then one host for each of them and each fault."""
    tried = tally(f"Kills and errors: {one.name}")
    if one.needs_root and not fault_cases.ROOT:
        tried.not_run.append("it changes what only root may change")
        return
    modules = Modules(place)
    root = fault_cases.laid_out(one, place / "count")
    try:
        ran, points = modules.points(one.module, one.arguments(root), root)
    finally:
        one.clear(root)
    assert ran.code == 0 and points, ran
    for number, point in enumerate(points if full else spread(points, MOST)):
        # The short form: each of these points is killed, every third fails with one error or another.
        some = [ERRORS[number // 3 % len(ERRORS)]] if number % 3 == 0 else []
        for fault in (KILL, *(ERRORS if full else some)):
            host = place / f"{number}-{fault}"
            try:
                strike(one, modules, host, point, fault, tried)
            finally:
                one.clear(host)
            shutil.rmtree(host)


def strike(one: fault_cases.Case, modules: Modules, root: Path, point: Point, fault: str, tried: Tally) -> None:
    """One fault at one point, a run after it, and one more."""
    fault_cases.laid_out(one, root)
    before = one.snapshot(root)
    at = f"{fault} at {point.text[:160]}"
    seen = len(tried.violations)
    ran, struck = modules.faulted(one.module, one.arguments(root), point, fault, root)
    one.clear(root)
    tried.runs += 3
    assert struck, f"{at} did not happen"
    one.during(root, before, tried)
    if fault != KILL:
        tried.check(plain(ran), f"no plain answer: {ran}")
        tried.check(not one.claims(ran) or one.reached(root), f"success is claimed that is none: {ran.result}")
    again = one.run(modules, root)
    tried.check(again.code == 0, f"the next run fails: {again}")
    one.during(root, before, tried)
    tried.check(one.reached(root), f"the next run leaves {fault_cases.names_in(root)}: {again}")
    third = one.run(modules, root)
    tried.check(third.code == 0 and not third.result.get("changed"), f"a third run changes something: {third}")
    tried.violations[seen:] = [f"{at}: {violation}" for violation in tried.violations[seen:]]
