# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on many files, one by one where storage answers at once, overlapping where it makes one wait.

On a local disk threads only add cost. On a network file system nearly all of the time is spent waiting, and many
files can be waited for at once. Which of the two it is, is measured while the work is done.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Tuple, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")

# How many items are measured together, and from how many seconds an item on storage counts as slow.
SAMPLE = 16
SLOW = 0.0004
THREADS = 32
# Items that one thread takes at once. Two such rounds are in memory, whatever the number of items.
BATCH = 8


def judge_all(
    items: Iterable[Item], judge_one: Callable[[Item], Any], threads: int = THREADS, slow: float = SLOW
) -> Iterator[Tuple[Item, Any]]:
    """Each item with what C(judge_one) makes of it, in order; an Exception it raises is the result.

    Only the caller's thread takes from C(items), and only two rounds ahead of what was handed out. threads: how many
    items are waited for at once; slow: seconds for an item from which they overlap.
    """
    source = iter(items)
    while True:
        sample: List[Item] = list(itertools.islice(source, SAMPLE))
        results, seconds = [], []
        for item in sample:
            started = time.perf_counter()
            results.append(_attempt(judge_one, item))
            seconds.append(time.perf_counter() - started)
        yield from zip(sample, results)
        if len(sample) < SAMPLE:
            return
        # The median: on a busy machine single items wait for the processor, and threads would not help.
        if sorted(seconds)[SAMPLE // 2] > slow:
            break
    yield from _overlapped(source, judge_one, threads)


def _overlapped(source: Iterator[Item], judge_one: Callable[[Item], Any], threads: int) -> Iterator[Tuple[Item, Any]]:
    # Imported where it is used: fast storage, the usual case, should not pay for it at every start.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=threads) as pool:
        pending = _submit(pool, judge_one, source, threads)
        while pending:
            # The next chunk is under way before the last one is handed out, so that no thread waits for its end.
            following = _submit(pool, judge_one, source, threads)
            for batch, results in pending:
                yield from zip(batch, results.result())
            pending = following


def _submit(
    pool: ThreadPoolExecutor, judge_one: Callable[[Item], Any], source: Iterator[Item], threads: int
) -> List[Tuple[List[Item], Future[List[Any]]]]:
    chunk = list(itertools.islice(source, threads * BATCH))
    batches = [chunk[start : start + BATCH] for start in range(0, len(chunk), BATCH)]
    return [(batch, pool.submit(_judge_batch, judge_one, batch)) for batch in batches]


def _judge_batch(judge_one: Callable[[Item], Any], batch: List[Item]) -> List[Any]:
    return [_attempt(judge_one, item) for item in batch]


def _attempt(judge_one: Callable[[Item], Any], item: Item) -> Any:
    try:
        return judge_one(item)
    except Exception as error:
        return error
