# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on many files: distributed to the host's processors, and waiting for many at once if storage is slow.

On a local disk the time goes into Python and system calls, which processes share and threads only contend for. On a
network file system nearly all of the time is spent waiting, and many files can be waited for at once. Which of the
two it is, is measured while the work is done.

Plain forks and threads instead of concurrent.futures, which takes longer to load than a small directory to classify, and
could not be loaded later by a process that has become another user.
"""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import threading
import time
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, TypeVar

Item = TypeVar("Item")
WorkOn = Callable[[Item], Any]

# How many items are measured together, and from how many seconds an item on storage counts as slow.
SAMPLE = 16
SLOW = 0.0004
# How many items a process waits for at once on slow storage: with more, Python's threads mostly wait for each other.
THREADS = 16
# Items that are in memory at once: in the first round, and at most in a later one, since a fork costs the more the more there is
# already in memory. The least that are worth a process of their own, on fast and on slow storage.
ROUND, LONGEST_ROUND = 8192, 1 << 19
SHARE, SLOW_SHARE = 512, 64
# More processes than this bring little, and a training may be running next to them.
PROCESSES = 4
# What the items of a round may hold open (directories), well below what a process may have open.
HELD = 256


def map_parallel(
    items: Iterable[Item],
    work_on: WorkOn[Item],
    held: Callable[[Item], Any] = lambda item: None,
    threads: int = THREADS,
    slow: float = SLOW,
    processes: Optional[int] = None,
    share: int = SHARE,
    sample: int = SAMPLE,
) -> Iterator[Tuple[Item, Any]]:
    """Each item with what C(work_on) makes of it, in order; an OSError it raises is the result, any other exception is raised here.

    C(work_on) may run in a forked copy of this process: only its result, of built-in types and classes of this
    package, comes back. Only the caller's thread takes from C(items), one round ahead of what was handed out.
    held: what an item keeps open, equal for items that keep open the same. threads: how many items a process waits for
    at once; slow: seconds for an item from which it waits; processes: at most, by default as many as there are
    processors, and on slow storage, on which they only wait, all that are of use. share: how many items are worth a process;
    sample: how many are timed first.
    """
    source = iter(items)
    length = ROUND
    while True:
        first: List[Item] = list(itertools.islice(source, sample))
        results, seconds = [], []
        for item in first:
            started = time.perf_counter()
            results.append(_attempt(work_on, item))
            seconds.append(time.perf_counter() - started)
        yield from zip(first, _without_bugs(results))
        if len(first) < sample:
            return
        # The median: on a busy machine single items wait for the processor, and threads would not help.
        waiting = sorted(seconds)[sample // 2] > slow
        taken = _take_round(source, held, length)
        length = min(2 * length, LONGEST_ROUND)
        if not taken:
            return
        most = (PROCESSES if waiting else min(PROCESSES, _processors())) if processes is None else processes
        shares = _shares(taken, most, min(SLOW_SHARE, share) if waiting else share)
        yield from zip(taken, _without_bugs(_share_out(shares, work_on, threads if waiting else 0)))


def _without_bugs(results: List[Any]) -> List[Any]:
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, OSError):
            raise result
    return results


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _take_round(source: Iterator[Item], held: Callable[[Item], Any], length: int) -> List[Item]:
    taken: List[Item] = []
    holding: Set[Any] = set()
    for item in source:
        taken.append(item)
        holding.add(held(item))
        if len(taken) >= length or len(holding) >= HELD:
            break
    return taken


def _shares(items: List[Item], processes: int, least: int) -> List[List[Item]]:
    """The items, of which there are some, in as many parts of nearly one size as are worth a process each."""
    number = max(1, min(processes, len(items) // least))
    size = -(-len(items) // number)
    return [items[start : start + size] for start in range(0, len(items), size)]


def _share_out(shares: List[List[Item]], work_on: WorkOn[Item], threads: int) -> List[Any]:
    """The results of a round: the first share is worked on here, each other one in a copy of this process."""
    copies = [_Copy(share, work_on, threads) for share in shares[1:]]
    results = _work(shares[0], work_on, threads)
    for copy in copies:
        results += copy.results()
    return results


class _Copy:
    """A forked process that works on one share, which is done here if that fails."""

    def __init__(self, share: Sequence[Item], work_on: WorkOn[Item], threads: int) -> None:
        self._task = (share, work_on, threads)
        self._child = 0
        try:
            self._reader, writer = os.pipe()
        except OSError:
            return
        try:
            self._child = os.fork()
        except OSError:
            os.close(self._reader)
            os.close(writer)
            return
        if self._child == 0:
            _answer(self._task, writer)
        os.close(writer)

    def results(self) -> List[Any]:
        if not self._child:
            return _work(*self._task)
        try:
            with os.fdopen(self._reader, "rb") as stream:
                answer = stream.read()
        finally:
            ended = os.waitpid(self._child, 0)[1]
        if ended:
            return _work(*self._task)
        found: List[Any] = pickle.loads(answer)
        return found


def _answer(task: Tuple[Sequence[Any], WorkOn[Any], int], writer: int) -> None:
    """The whole life of a copy: it never returns, and runs no handler or buffer of its parent."""
    code = 1
    # A collection would touch, and so copy, all that the parent holds.
    gc.disable()
    try:
        answer = pickle.dumps(_work(*task), protocol=4)
        with os.fdopen(writer, "wb") as stream:
            stream.write(answer)
        code = 0
    finally:
        os._exit(code)


def _work(share: Sequence[Item], work_on: WorkOn[Item], threads: int) -> List[Any]:
    if not threads or len(share) < SAMPLE:
        return [_attempt(work_on, item) for item in share]
    results: List[Any] = [None] * len(share)
    # Shared by all threads: next() on it is a single step of the interpreter.
    waiting = iter(range(len(share)))

    def work() -> None:
        for index in waiting:
            results[index] = _attempt(work_on, share[index])

    workers = _start(work, min(threads, len(share)) - 1)
    work()
    for worker in workers:
        worker.join()
    return results


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


def _attempt(work_on: WorkOn[Item], item: Item) -> Any:
    try:
        return work_on(item)
    except Exception as error:
        return error
