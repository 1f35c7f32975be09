# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import threading

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.parallel import (
    HELD,
    LONGEST_ROUND,
    ROUND,
    SAMPLE,
    SHARE,
    SLOW_SHARE,
    map_parallel,
)

# slow=-1: any storage counts as slow, and items are waited for together; infinite: never.
MODES = pytest.mark.parametrize("slow", [-1, float("inf")])
PROCESSES = pytest.mark.parametrize("processes", [1, 2, 3])
SHARED = SAMPLE + 3 * SHARE + 1


@MODES
@PROCESSES
@pytest.mark.parametrize("count", [0, 1, SAMPLE - 1, SAMPLE, SAMPLE + 1, 1000, SHARED, ROUND + 2 * SAMPLE + 3 * SHARE])
def test_every_item_once_and_in_order(slow, processes, count):
    assert list(map_parallel(iter(range(count)), lambda item: item * 2, slow=slow, processes=processes)) == [
        (item, item * 2) for item in range(count)
    ]


@MODES
@PROCESSES
def test_exceptions_are_results(slow, processes):
    def work_on(item):
        if item % 5 == 3:
            raise FileNotFoundError(item)
        return item

    for item, result in map_parallel(range(SHARED), work_on, slow=slow, processes=processes):
        assert isinstance(result, FileNotFoundError) if item % 5 == 3 else result == item


def test_waits_together_where_storage_is_slow():
    # Passes only if as many items as there are threads are under way at the same moment.
    together = threading.Barrier(4)

    def work_on(item):
        if item >= SAMPLE:
            together.wait(timeout=60)
        return item

    count = SAMPLE + 32
    found = map_parallel(range(count), work_on, threads=4, slow=-1, processes=1)
    assert [result for _item, result in found] == list(range(count))


def test_works_where_no_thread_can_be_started(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    count = SAMPLE + 100
    assert list(map_parallel(range(count), abs, slow=-1)) == [(item, item) for item in range(count)]


def test_stays_in_one_thread_where_storage_is_fast():
    threads = {result for _item, result in map_parallel(range(500), lambda item: threading.get_ident(), slow=float("inf"))}
    assert threads == {threading.get_ident()}


@MODES
def test_many_items_are_shared_by_processes_and_few_are_not(slow):
    def working(count, processes):
        return {result for _item, result in map_parallel(range(count), lambda item: os.getpid(), slow=slow, processes=processes)}

    assert len(working(SHARED, 3)) == 3
    few = 2 * (SLOW_SHARE if slow < 0 else SHARE) - 1
    assert working(SHARED, 1) == working(few, 3) == {os.getpid()}


@MODES
@pytest.mark.parametrize("ending", [lambda: os._exit(1), lambda: os.kill(os.getpid(), 9)], ids=["exit", "killed"])
def test_what_a_process_did_not_answer_is_done_here(slow, ending):
    here = os.getpid()

    def work_on(item):
        if os.getpid() != here and item == SHARED - 1:
            ending()
        return item

    assert list(map_parallel(range(SHARED), work_on, slow=slow, processes=2)) == [(item, item) for item in range(SHARED)]


def test_works_where_no_process_can_be_started(monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    assert list(map_parallel(range(SHARED), abs, processes=3)) == [(item, item) for item in range(SHARED)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_leaves_no_process_and_nothing_open_behind():
    before = os.listdir("/proc/self/fd")
    assert len(list(map_parallel(range(SHARED), abs, processes=3))) == SHARED
    assert len(os.listdir("/proc/self/fd")) == len(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@MODES
def test_takes_only_so_far_ahead(slow):
    taken = []

    def items():
        for item in range(100000):
            taken.append(item)
            yield item

    for handed, (_item, _result) in enumerate(map_parallel(items(), lambda item: item, slow=slow, processes=1)):
        assert len(taken) - handed <= (ROUND + SAMPLE if handed < ROUND else LONGEST_ROUND + SAMPLE)
        if handed > 5 * ROUND:
            break


def test_holds_only_so_much_open():
    taken = []

    def items():
        for item in range(5 * HELD):
            taken.append(item)
            yield item

    for handed, _pair in enumerate(map_parallel(items(), abs, held=lambda item: item)):
        assert len(taken) - handed <= HELD + SAMPLE


def test_an_error_of_the_source_is_raised():
    def items():
        yield from range(100)
        raise PermissionError("listing")

    for slow in (-1, float("inf")):
        with pytest.raises(PermissionError):
            list(map_parallel(items(), lambda item: item, slow=slow))
