# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a play did, one JSON object a line, to the file named by TRAINPREP_EVENTS: the tests read it."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: events
type: aggregate
short_description: Events for the tests
description: Writes one JSON object per task result to the file named by E(TRAINPREP_EVENTS).
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "events"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **event):
        path = os.environ.get("TRAINPREP_EVENTS")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(event, default=str) + "\n")

    def _result(self, result, event):
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        data = result.result if hasattr(result, "result") else result._result
        role = task._role.get_name() if task._role else None
        self._write(event=event, host=host.get_name(), task=task.get_name(), name=task.name, role=role,
                    action=task.action, ignored=bool(task.ignore_errors), result=dict(data))

    def v2_runner_on_ok(self, result):
        data = result.result if hasattr(result, "result") else result._result
        self._result(result, "changed" if data.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result(result, "failed")

    def v2_runner_on_skipped(self, result):
        self._result(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._result(result, "unreachable")

    def v2_playbook_on_stats(self, stats):
        self._write(event="recap", hosts={host: stats.summarize(host) for host in stats.processed})
