# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the report of one host. Runs on the controller: no connection, no remote execution."""

from __future__ import annotations

import shutil
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.plugin_utils._report.colours import coloured
from ansible_collections.trainprep.features.plugins.plugin_utils._report.gathered import add_host, record_of
from ansible_collections.trainprep.features.plugins.plugin_utils._report.model import mapping
from ansible_collections.trainprep.features.plugins.plugin_utils._report.text import failures, host_report
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import shipped_sets

display = Display()
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "facts": {"type": "dict"},
    "done": {"type": "list", "elements": "dict", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "report_dir": {"type": "str", "default": ""},
    "detail": {"type": "str", "choices": ["short", "full"], "default": "full"},
    "fail_on": {"type": "str", "choices": ["nothing", "obstacles", "unready"], "default": "nothing"},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print the block for this host once; return its lines in ``report``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        result.update(changed=False, report=[], state=options["state"], report_dir=options["report_dir"])
        facts = options["facts"]
        if facts is None:
            return result
        check_mode = bool(self._task.check_mode)
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        width = max(shutil.get_terminal_size((display.columns + 1, 24)).columns, 60)
        lines = host_report(host, facts, options["done"], check_mode, options["state"], width, options["detail"], shipped_note(facts))
        # One call, so that the blocks of hosts that run concurrently do not mix.
        display.display(coloured(lines))
        result["report"] = lines
        sentences = failures(facts, options["fail_on"], check_mode) if options["state"] == "present" else []
        message = "\n".join(sentences)
        record = record_of(facts, options["done"], options["state"], message)
        try:
            add_host(options["report_dir"], host, record, check_mode, str((task_vars or {}).get("ansible_play_name", "")))
        except OSError as error:
            display.warning(f"The report could not be written to {options['report_dir']}: {error.strerror or error}.")
        if sentences:
            # Ansible prints a failed result: with these lines in it, the report would be printed twice.
            result.pop("report")
            result.update(failed=True, msg=message)
        return result


def shipped_note(facts: dict[str, Any]) -> str:
    """Return a note if the facts are those of the sets that the role ships, else an empty text."""
    declared = [mapping(one).get("declared") for one in mapping(facts.get("feature_sets")).values()]
    return "shipped sets, since prepare_features_sets is not set" if declared == shipped_sets() else ""
