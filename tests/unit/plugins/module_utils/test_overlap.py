# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.overlap import BATCH, SAMPLE, judge_all

# slow=-1: any storage counts as slow, and the work overlaps from the second sample on; infinite: never.
MODES = pytest.mark.parametrize("slow", [-1, float("inf")])


@MODES
@pytest.mark.parametrize("count", [0, 1, SAMPLE - 1, SAMPLE, SAMPLE + 1, SAMPLE + BATCH, 1000])
def test_every_item_once_and_in_order(slow, count):
    assert list(judge_all(iter(range(count)), lambda item: item * 2, slow=slow)) == [
        (item, item * 2) for item in range(count)
    ]


@MODES
def test_exceptions_are_results(slow):
    def judge_one(item):
        if item % 5 == 3:
            raise FileNotFoundError(item)
        return item

    for item, result in judge_all(range(100), judge_one, slow=slow):
        assert isinstance(result, FileNotFoundError) if item % 5 == 3 else result == item


def test_overlaps_where_storage_is_slow():
    # Passes only if as many items as there are threads are under way at the same moment.
    together = threading.Barrier(4)

    def judge_one(item):
        if item >= SAMPLE:
            together.wait(timeout=60)
        return item

    count = SAMPLE + 4 * BATCH
    assert [result for _item, result in judge_all(range(count), judge_one, threads=4, slow=-1)] == list(range(count))


def test_works_where_no_thread_can_be_started():
    count = SAMPLE + 100
    assert list(judge_all(range(count), abs, threads=0, slow=-1)) == [(item, item) for item in range(count)]


def test_stays_in_one_thread_where_storage_is_fast():
    threads = {result for _item, result in judge_all(range(500), lambda item: threading.get_ident(), slow=float("inf"))}
    assert threads == {threading.get_ident()}


@MODES
def test_takes_only_so_far_ahead(slow):
    taken = []

    def items():
        for item in range(100000):
            taken.append(item)
            yield item

    for handed, (_item, _result) in enumerate(judge_all(items(), lambda item: item, threads=4, slow=slow)):
        assert len(taken) - handed <= max(SAMPLE, 2 * 4 * BATCH) + 1
        if handed > 2000:
            break


def test_an_error_of_the_source_is_raised():
    def items():
        yield from range(100)
        raise PermissionError("listing")

    for slow in (-1, float("inf")):
        with pytest.raises(PermissionError):
            list(judge_all(items(), lambda item: item, slow=slow))
