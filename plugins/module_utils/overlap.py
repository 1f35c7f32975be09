# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on many files, one by one where storage answers at once, overlapping where it makes one wait.

On a local disk threads only add cost. On a network file system nearly all of the time is spent waiting, and many
files can be waited for at once. Which of the two it is, is measured while the work is done.

Plain threads instead of concurrent.futures, which takes longer to load than a small directory to judge, and could
not be loaded later by a process that has become another user.
"""

from __future__ import annotations

import itertools
import threading
import time
from queue import SimpleQueue
from typing import Any, Callable, Generic, Iterable, Iterator, List, Optional, Tuple, TypeVar

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


class _Batch(Generic[Item]):
    """Items that one thread takes at once, and what became of them."""

    def __init__(self, items: List[Item]) -> None:
        self.items = items
        self.results: List[Any] = []
        self.done = threading.Event()

    def work(self, judge_one: Callable[[Item], Any]) -> None:
        self.results = [_attempt(judge_one, item) for item in self.items]
        self.done.set()


def _overlapped(source: Iterator[Item], judge_one: Callable[[Item], Any], threads: int) -> Iterator[Tuple[Item, Any]]:
    waiting: SimpleQueue[Optional[_Batch[Item]]] = SimpleQueue()

    def work() -> None:
        for batch in iter(waiting.get, None):
            batch.work(judge_one)

    workers = _start(work, threads)
    try:
        pending = _submit(waiting, source, threads)
        while pending:
            # The next round is under way before the last one is handed out, so that no thread waits for its end.
            following = _submit(waiting, source, threads)
            for batch in pending:
                if not workers:
                    batch.work(judge_one)
                batch.done.wait()
                yield from zip(batch.items, batch.results)
            pending = following
    finally:
        for _worker in workers:
            waiting.put(None)
        for worker in workers:
            worker.join()


def _start(work: Callable[[], None], threads: int) -> List[threading.Thread]:
    """As many threads as the host allows, which may be none."""
    workers: List[threading.Thread] = []
    for _turn in range(threads):
        worker = threading.Thread(target=work, daemon=True)
        try:
            worker.start()
        except RuntimeError:
            break
        workers.append(worker)
    return workers


def _submit(waiting: SimpleQueue[Optional[_Batch[Item]]], source: Iterator[Item], threads: int) -> List[_Batch[Item]]:
    items = list(itertools.islice(source, max(1, threads) * BATCH))
    batches = [_Batch(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
    for batch in batches:
        waiting.put(batch)
    return batches


def _attempt(judge_one: Callable[[Item], Any], item: Item) -> Any:
    try:
        return judge_one(item)
    except Exception as error:
        return error
