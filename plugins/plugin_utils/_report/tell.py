# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's report: printed once, with what ends the run as failed."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from .marker import FEATURES, deaf
from .text import failures, host_report

display = Display()

REPORT_SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "report_dir": {"type": "str", "default": ""},
    "fail_on": {"type": "str", "choices": ["nothing", "obstacles", "unready"], "default": "nothing"},
}


def check_report_dir(report_dir: str) -> None:
    """AnsibleActionFail where the fleet's report was asked for and nothing would write it."""
    problem = deaf("prepare_features_report_dir", report_dir, FEATURES)
    if problem:
        raise AnsibleActionFail(problem)


def is_due_to_nothing(facts: dict[str, Any], options: dict[str, Any], check_mode: bool) -> bool:
    """Whether a host is ready as it is, so that its report and verdict can be told at once."""
    ready = facts.get("features_ready") is True and not facts.get("feature_steps")
    return bool(ready and options["state"] == "present" and not failures(facts, options["fail_on"], check_mode))


def tell(host: str, facts: dict[str, Any], done: dict[str, Any], options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Prints the block for a host; what the result of the action gains by it."""
    lines = host_report(host, facts, done, check_mode=check_mode, state=options["state"])
    # One call, so that the blocks of hosts that run side by side do not mix.
    display.display("\n".join(lines))
    return {"report": lines, "state": options["state"], "report_dir": options["report_dir"]}
