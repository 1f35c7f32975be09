# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on the last run: from an observation to a state, a health and a message. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, Dict, Optional

RUNNING, SUCCEEDED, FAILED, KILLED = "running", "succeeded", "failed", "killed"
VANISHED, STUCK, NEVER, STOPPED = "vanished", "stuck", "never started", "stopped"

HEALTHY = (RUNNING, SUCCEEDED, STOPPED)
ENDED = (SUCCEEDED, FAILED, KILLED, VANISHED, STOPPED)


@dataclass(frozen=True)
class Observation:
    """What was observed of the last run. Ages are in seconds; None if there is nothing to measure.

    C(alive): the run's own process, or another one in its session, lives. C(ended): an end is on record, with
    C(exit_code) or C(signal). C(stopped): who asked for the end.
    C(rebooted): the host was started after the run. C(log_age): since the log grew.
    """

    recorded: bool = False
    alive: bool = False
    session: bool = False
    ended: bool = False
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    error: Optional[str] = None
    stopped: Optional[str] = None
    rebooted: bool = False
    log_age: Optional[float] = None


@dataclass(frozen=True)
class Judgement:
    """The verdict. C(outcome) is V(exit code N), V(signal N) or empty; C(sentence) is the message for the user."""

    state: str
    outcome: str
    sentence: str

    def as_dict(self) -> Dict[str, Any]:
        """The verdict's part of a module's result."""
        return {"state": self.state, "healthy": self.healthy, "outcome": self.outcome, "sentence": self.sentence}

    @property
    def healthy(self) -> bool:
        """True if the monitor lets the host pass."""
        return self.state in HEALTHY

    @property
    def over(self) -> bool:
        """True if the run has ended or never began."""
        return self.state in ENDED or self.state == NEVER


def judge(observed: Observation, stale_after: float) -> Judgement:
    """Return the verdict. A recorded end takes precedence over any process, a process over its absence."""
    if observed.ended:
        return _judge_end(observed)
    if observed.alive:
        if observed.log_age is not None and observed.log_age > stale_after:
            return Judgement(STUCK, "", f"stuck: the process lives, but its log has not grown for {duration(observed.log_age)}")
        if not observed.recorded:
            return Judgement(RUNNING, "", "running, though not started by deploy_training: there is no record of it")
        return Judgement(RUNNING, "", "running" if observed.session else "running, though its tmux session is gone")
    if not observed.recorded:
        return Judgement(NEVER, "", "never started: this host has no record of a run")
    if observed.rebooted:
        return Judgement(VANISHED, "", "vanished: the host was restarted during the run, and no end is on record")
    return Judgement(VANISHED, "", "vanished: no process and no end on record (tmux server or launcher killed, or out of memory)")


def outcome_of(exit_code: Optional[int], number: Optional[int]) -> str:
    """Return a recorded end: V(exit code N) or V(signal N)."""
    return f"exit code {exit_code}" if number is None else f"signal {number}"


def _judge_end(observed: Observation) -> Judgement:
    outcome = outcome_of(observed.exit_code, observed.signal)
    if observed.stopped:
        return Judgement(STOPPED, outcome, f"stopped by {observed.stopped} ({outcome})")
    if observed.signal is not None:
        return Judgement(KILLED, outcome, f"killed ({outcome}{signal_name(observed.signal)})")
    if observed.exit_code == 0:
        return Judgement(SUCCEEDED, outcome, f"succeeded ({outcome})")
    return Judgement(FAILED, outcome, f"failed ({outcome}{': ' + observed.error if observed.error else ''})")


def signal_name(number: int) -> str:
    """Return a signal's name behind a comma, or an empty text."""
    try:
        return f", {signal.Signals(number).name}"
    except ValueError:
        return ""


def duration(seconds: float) -> str:
    """Return a length of time as text: V(45 s), V(12 min), V(3 h 20 min), V(2 d 4 h)."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
