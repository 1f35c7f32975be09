# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last runs of a session as a table: what each was, how it differs from the one before, and how it ended."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import errors
from .._system import paths
from . import runs, verdict

MOST = 20
_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?\Z")
_TEXT = 200


def last_runs(directory: str, session: str) -> List[runs.Run]:
    """Return the last runs of a session, the newest first."""
    root = runs.runs_of(directory, session)
    try:
        found = [match for match in map(_NAME.match, os.listdir(root)) if match]
    except OSError:
        return []
    names = [one.group() for one in sorted(found, key=lambda one: (one.group(1), int(one.group(2) or 1)), reverse=True)]
    known = []
    for name in names[:MOST]:
        with contextlib.suppress(errors.FeatureError, OSError):  # one damaged record does not hide the other runs
            known.append(runs.read_run(os.path.join(root, name)))
    return known


def table(listed: Sequence[runs.Run], current: runs.RunState, best: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the table of these runs. current: the last one, which may be live. best: by the names of the runs whose curves were read."""
    live = current.run.name if current.run and current.process else ""
    return [row(run, run.name == live, best.get(run.name)) for run in listed]


def row(run: runs.Run, lives: bool, best: Any = None) -> Dict[str, Any]:
    """Return a run's line of the table; what its record does not tell is None."""
    record, state = run.record, run.state
    started, ended = state.get("started"), state.get("ended")
    by = _text((state.get("stopped") or {}).get("by"))
    code, signal = state.get("exit_code"), state.get("signal")
    observed = verdict.Observation(recorded=True, alive=lives, ended=ended is not None, exit_code=code, signal=signal, stopped=by)
    judgement = verdict.judge(observed, float("inf"))
    return {
        "run": run.name,
        "started": started,
        "ended": ended,
        "seconds": None if started is None or ended is None else max(0.0, ended - started),
        "state": judgement.state,
        "outcome": judgement.outcome,
        "stopped_by": by,
        "attempts": len(state.get("attempts") or []) + (ended is None),
        "commit": _text(record.get("commit")),
        "dirty": record.get("dirty"),
        "command_line": _text(record.get("command_line")),
        "changes": [str(_text(one)) for one in state.get("changes") or []][:MOST],
        "best": best,
        "digest": _text((record.get("data") or {}).get("digest")),
    }


def _text(value: Any) -> Optional[str]:
    """A text of a record, in which its user may have written anything."""
    return paths.display(str(value))[:_TEXT] if value else None
