# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read one bounded chunk of a run's log. Runs as the training user."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Mapping, Optional

from .._system import accounts
from . import log, pace, reading, runs, verdict

_CHUNK = 2 << 20  # bytes of the log that are taken at a time
_TAIL = 128 << 10  # bytes of the log in which the controller looks for the cause of a failure
_SAMPLE = 1 << 20  # bytes of the log from which the pace is taken


def read_on(account: accounts.Account, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the lines from C(offset) on that pass the filter, and the verdict as it was before they were read.

    In this order, so that a run that is over when the last chunk is read has said all it will ever say.
    """
    run_state = runs.observe(account, runs.working_directory(params["dir"], account), params["session"], params["run"])
    run = run_state.run
    age = reading.log_age(run)
    judgement = verdict.judge(reading.observation(run_state, age), params["stale_after"])
    if run is None:
        nothing = {"run": "", "text": "", "offset": 0, "more": False, "age": None, "expected": None, "tail": []}
        return {**judgement.as_dict(), "over": judgement.over, **nothing}
    offset = params["offset"]
    if params["begin"] == "now" and not params["run"]:
        offset = os.stat(run.log).st_size if os.path.exists(run.log) else 0
    data, more = reading.read_chunk(run, offset, _CHUNK, judgement.over)
    if more and not data.endswith(b"\n") and log.overwritten(data):
        # A progress bar longer than a chunk: what it shows is still to come, and what it showed is gone.
        data, text = data[: log.overwritten(data)], ""
    else:
        text = data.decode("utf-8", "replace")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    shown = [line for line in map(log.visible, lines) if log.wanted(line, params["filter"])]
    return {
        **judgement.as_dict(),
        "over": judgement.over,
        "run": run.name,
        "text": "\n".join(shown),
        "lines": len(shown),
        "expected": None if judgement.over or more else _expected(run, shown),
        "offset": offset + len(data),
        "more": more,
        "tail": reading.last_lines(run, _TAIL) if judgement.state == verdict.FAILED and not run.state.get("error") else [],
        "age": age,
    }


def _expected(run: runs.Run, shown: List[str]) -> Optional[Dict[str, Any]]:
    """Return the expected end: the index of the last line that names an epoch, and the seconds left."""
    index = next((at for at in range(len(shown) - 1, -1, -1) if log.place_of(shown[at]).epoch is not None), None)
    if index is None:
        return None
    left = pace.pace(reading.elapsed(run, time.time()), reading.epochs(run, _SAMPLE)).left
    return None if left is None else {"line": index, "left": left}
