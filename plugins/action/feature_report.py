# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the report of one host. Runs on the controller: no connection, no remote execution."""

import shutil
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils._report.files import add_host, record_of
from ..plugin_utils._report.model import mapping
from ..plugin_utils._report.text import coloured, failures, host_report
from ..plugin_utils.role_arguments import shipped_sets

display = Display()
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "report_dir": {"type": "str", "default": ""},
    "detail": {"type": "str", "choices": ["short", "full"], "default": "full"},
    "fail_on": {"type": "str", "choices": ["nothing", "obstacles", "unready"], "default": "nothing"},
}
_VALIDATOR = ArgumentSpecValidator(ARGUMENT_SPEC)
# Now, in the main process: otherwise the worker of each host would do it.
shipped_sets()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print the block for this host once; return its lines in ``report``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options, facts, done = checked(self._task.args)
        result.update(changed=False, report=[], state=options["state"], report_dir=options["report_dir"])
        if facts is None:
            facts = (task_vars or {}).get("ansible_facts") or {}
        check_mode = bool(self._task.check_mode)
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        done = [(task_vars or {}).get(one) if isinstance(one, str) else one for one in done]
        if not all(done):
            msg = f"this run has not inspected the features of {host}: let the role run from its first task (without --start-at-task)"
            return {**result, "failed": True, "msg": msg}
        width = max(shutil.get_terminal_size((display.columns + 1, 24)).columns, 60)
        lines = host_report(host, facts, done, check_mode, options["state"], width, options["detail"], shipped_note(facts))
        # One call, so that the blocks of hosts that run concurrently do not mix.
        display.display(coloured(lines))
        result["report"] = lines
        sentences = failures(facts, options["fail_on"], check_mode) if options["state"] == "present" else []
        message = "\n".join(sentences)
        record = record_of(facts, done, options["state"], message)
        try:
            add_host(options["report_dir"], host, record, check_mode, str((task_vars or {}).get("ansible_play_name", "")))
        except OSError as error:
            display.warning(f"The report could not be written to {options['report_dir']}: {error.strerror or error}.")
        if sentences:
            # Ansible prints a failed result: with these lines in it, the report would be printed twice.
            result.pop("report")
            result.update(failed=True, msg=message)
        return result


def checked(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any] | None, list[Any]]:
    """Return the options, the facts (None if not given) and what was done. AnsibleActionFail if one is of a wrong type."""
    rest = dict(arguments)
    # Ansible's check would copy the facts of a host twice.
    facts, done = rest.pop("facts", None), rest.pop("done", None) or []
    if not isinstance(facts or {}, Mapping) or not isinstance(done, list):
        raise AnsibleActionFail("facts must be a dictionary and done a list of registered results")
    validated = _VALIDATOR.validate(rest)
    if validated.error_messages:
        raise AnsibleActionFail("; ".join(validated.error_messages))
    return validated.validated_parameters, facts, done


def shipped_note(facts: Mapping[str, Any]) -> str:
    """Return a note if the facts are those of the sets that the role ships, else an empty text."""
    declared = [mapping(one).get("declared") for one in mapping(facts.get("feature_sets")).values()]
    return "shipped sets, since prepare_features_sets is not set" if declared == shipped_sets() else ""
