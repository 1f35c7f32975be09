# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a run as a table: what was seen, and the state, the outcome and the sentence that follow."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.verdict import (
    FAILED,
    KILLED,
    NEVER,
    RUNNING,
    STOPPED,
    STUCK,
    SUCCEEDED,
    VANISHED,
    Observation,
    duration,
    judge,
)

NO_RECORD = "running, though not started by deploy_training: there is no record of it"
NO_SESSION = "running, though its tmux session is gone"
STUCK_FOR_15 = "stuck: the process lives, but its log has not grown for 15 min"
RESTARTED = "vanished: the host was restarted during the run, and no end is on record"
GONE = "vanished: no process and no end on record (tmux server or launcher killed, or out of memory)"

# What was seen, the state, the outcome, the sentence, healthy, over. The log is stale after 900 seconds.
VERDICTS = [
    ({}, NEVER, "", "never started: this host has no record of a run", False, True),
    ({"session": True}, NEVER, "", "never started: this host has no record of a run", False, True),
    ({"rebooted": True}, NEVER, "", "never started: this host has no record of a run", False, True),
    ({"recorded": True}, VANISHED, "", GONE, False, True),
    ({"recorded": True, "session": True, "log_age": 5.0}, VANISHED, "", GONE, False, True),
    ({"recorded": True, "rebooted": True}, VANISHED, "", RESTARTED, False, True),
    ({"recorded": True, "alive": True, "session": True}, RUNNING, "", "running", True, False),
    ({"recorded": True, "alive": True, "session": True, "log_age": 0.0}, RUNNING, "", "running", True, False),
    ({"recorded": True, "alive": True, "session": True, "log_age": 900.0}, RUNNING, "", "running", True, False),
    ({"recorded": True, "alive": True, "session": True, "log_age": 900.5}, STUCK, "", STUCK_FOR_15, False, False),
    ({"recorded": True, "alive": True}, RUNNING, "", NO_SESSION, True, False),
    ({"alive": True}, RUNNING, "", NO_RECORD, True, False),
    ({"alive": True, "session": True, "log_age": 1.0}, RUNNING, "", NO_RECORD, True, False),
    ({"alive": True, "log_age": 901.0}, STUCK, "", STUCK_FOR_15, False, False),
    ({"ended": True, "exit_code": 0}, SUCCEEDED, "exit code 0", "succeeded (exit code 0)", True, True),
    ({"ended": True, "exit_code": 0, "error": "x"}, SUCCEEDED, "exit code 0", "succeeded (exit code 0)", True, True),
    ({"ended": True, "exit_code": 0, "alive": True, "log_age": 901.0}, SUCCEEDED, "exit code 0", "succeeded (exit code 0)", True, True),
    ({"ended": True, "exit_code": 1}, FAILED, "exit code 1", "failed (exit code 1)", False, True),
    ({"ended": True, "exit_code": 2, "error": "no GPU"}, FAILED, "exit code 2", "failed (exit code 2: no GPU)", False, True),
    ({"ended": True, "rebooted": True, "exit_code": 1}, FAILED, "exit code 1", "failed (exit code 1)", False, True),
    ({"ended": True, "signal": 9}, KILLED, "signal 9", "killed (signal 9, SIGKILL)", False, True),
    ({"ended": True, "signal": 15, "error": "x"}, KILLED, "signal 15", "killed (signal 15, SIGTERM)", False, True),
    ({"ended": True, "signal": 15, "session": True, "alive": True}, KILLED, "signal 15", "killed (signal 15, SIGTERM)", False, True),
    ({"ended": True, "exit_code": 137}, FAILED, "exit code 137", "failed (exit code 137)", False, True),
    ({"ended": True, "signal": 999}, KILLED, "signal 999", "killed (signal 999)", False, True),
    ({"ended": True, "signal": 15, "stopped": "a@b"}, STOPPED, "signal 15", "stopped by a@b (signal 15)", True, True),
    ({"ended": True, "exit_code": 1, "stopped": "a@b"}, STOPPED, "exit code 1", "stopped by a@b (exit code 1)", True, True),
    ({"ended": True, "signal": 0}, KILLED, "signal 0", "killed (signal 0)", False, True),
]


@pytest.mark.parametrize(("seen", "state", "outcome", "sentence", "healthy", "over"), VERDICTS)
def test_verdicts(seen, state, outcome, sentence, healthy, over):
    found = judge(Observation(**seen), 900)
    assert (found.state, found.outcome, found.sentence) == (state, outcome, sentence)
    assert (found.healthy, found.over) == (healthy, over)


MINUTE, HOUR, DAY = 60, 3600, 86400
DURATIONS = [
    (-1, "0 s"), (0, "0 s"), (0.9, "0 s"), (1, "1 s"), (119.9, "119 s"), (2 * MINUTE, "2 min"), (3 * MINUTE - 1, "2 min"),
    (3 * MINUTE, "3 min"),
    (2 * HOUR - 1, "119 min"), (2 * HOUR, "2 h"), (2 * HOUR + 59, "2 h"), (2 * HOUR + MINUTE, "2 h 1 min"),
    (3 * HOUR + 20 * MINUTE, "3 h 20 min"),
    (2 * DAY - 1, "47 h 59 min"), (2 * DAY, "2 d"), (2 * DAY + HOUR - 1, "2 d"), (2 * DAY + HOUR, "2 d 1 h"),
    (2 * DAY + 4 * HOUR, "2 d 4 h"),
    (3 * DAY - 1, "2 d 23 h"), (3 * DAY, "3 d"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_lengths_of_time(seconds, text):
    assert duration(seconds) == text
