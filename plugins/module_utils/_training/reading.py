# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bounded reads of a run's log, and the observation from which the verdict follows."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import Iterator, List, Optional, Tuple

from .. import errors
from .._system import paths
from . import log, pace, runs, tmux, verdict

WINDOW = 64 << 10
_SHORT, _FEW = 32, 1000  # bytes of a line; lines in any case


def observation(run_state: runs.RunState, log_age: Optional[float], error: Optional[str] = None) -> verdict.Observation:
    """Return the run state as input for the verdict."""
    state = run_state.run.state if run_state.run else {}
    stopped = state.get("stopped")  # as the launcher has recorded it
    return verdict.Observation(
        recorded=run_state.run is not None,
        alive=run_state.process is not None,
        session=run_state.session.active,
        ended="ended" in state,
        exit_code=state.get("exit_code"),
        signal=state.get("signal"),
        error=state.get("error") or error,
        stopped=paths.display(str(stopped.get("by"))[:200]) if stopped is not None else None,
        rebooted=bool(state.get("boot_id")) and state.get("boot_id") != tmux.boot_id(),
        log_age=log_age,
    )


def log_age(run: Optional[runs.Run], now: Optional[float] = None) -> Optional[float]:
    """Return the seconds since the log last grew, or since the start if it never did."""
    if run is None:
        return None
    now = time.time() if now is None else now
    times = [float(run.state["started"])] if run.state.get("started") else []
    with contextlib.suppress(OSError):
        times.append(os.stat(run.log).st_mtime)
    return max(0.0, now - max(times)) if times else None


def elapsed(run: Optional[runs.Run], now: float) -> Optional[pace.Elapsed]:
    """Return the time from the run's first epoch, or its start, until its log last grew: the log describes that moment."""
    age = log_age(run, now)
    state = run.state if run else {}
    if age is None:
        return None
    # The launcher may notice the first epoch only after the log has stopped growing: then the start counts.
    for begun in (state.get("epoch_named"), state.get("started")):
        if begun is not None and now - age - begun > 0:
            return pace.Elapsed(now - age - begun, begun is state.get("epoch_named"))
    return None


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a run's log, or another file of its training; the descriptor is closed at the end."""
    handle = os.open(path, paths.OPEN_FILE)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise errors.FeatureError(f"{paths.display(path)} is not a regular file: remove that run's folder")
        yield handle
    finally:
        os.close(handle)


def read_chunk(run: runs.Run, offset: int, limit: int, over: bool) -> Tuple[bytes, bool]:
    """Return whole lines of the log from a byte offset, at most limit bytes, and whether more is there already.

    A line without its end is held back until the run is over, or until it alone fills the limit.
    """
    try:
        with opened(run.log) as handle:
            data = os.pread(handle, limit, offset)
    except FileNotFoundError:
        return b"", False
    full = len(data) == limit
    end = data.rfind(b"\n") + 1
    if (over and not full) or (full and not end):
        return data, full
    return data[:end], full


def sampled_lines(handle: int, limit: int) -> Iterator[Optional[str]]:
    """Yield the lines of a file, each state of a progress bar being one: all of them up to C(limit) bytes, else those of its end
    and of windows all over it, with None between them. Lines that a window cuts are left out, the first of too many short ones too."""
    for data, at_start, at_end in blocks(handle, limit):
        lines = log.split(data.decode("utf-8", "replace"))[0 if at_start else 1 : None if at_end else -1]
        most = max(_FEW, len(data) // _SHORT)
        if len(lines) > most:
            yield None
        yield from lines[-most:]
        if not at_end:
            yield None


def blocks(handle: int, limit: int) -> Iterator[Tuple[bytes, bool, bool]]:
    """Yield the file, or beyond C(limit) bytes windows all over it and its end; each with: at the start, at the end."""
    size = os.fstat(handle).st_size
    if size <= limit:
        yield os.pread(handle, limit, 0), True, True
        return
    tail = limit // 4
    count = (limit - tail) // WINDOW
    for number in range(count):
        yield os.pread(handle, WINDOW, number * (size - tail - WINDOW) // max(1, count - 1)), number == 0, False
    yield os.pread(handle, tail, size - tail), False, True


def epochs(run: runs.Run, limit: int) -> pace.Epochs:
    """Return the epochs that a bounded part of the log names."""
    with opened(run.log) as handle:
        found = pace.read_epochs(sampled_lines(handle, limit))
        found.sampled = os.fstat(handle).st_size > limit
    return found


def last_lines(run: runs.Run, size: int) -> List[str]:
    """Return the lines in the last C(size) bytes of the log, without a first one that is cut."""
    try:
        with opened(run.log) as handle:
            start = max(0, os.fstat(handle).st_size - size)
            data = os.pread(handle, size, start)
    except FileNotFoundError:
        return []
    lines = data.decode("utf-8", "replace").split("\n")
    if start and len(lines) > 1:
        lines = lines[1:]
    return lines[:-1] if lines and not lines[-1] else lines
