# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report without the callback: each host's task adds its host to the files of this run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from .. import run_id
from .callbacks import FEATURES, is_listening
from .files import add_entry, write_report
from .fleet import HostRecord, assemble, host_entry
from .model import mapping, results_of

ROLE = "trainprep.features.prepare_features"


def add_host(directory: str, host: str, record: HostRecord, check_mode: bool, playbook: str) -> list[str]:
    """Add a host to report.json and report.html, unless the callback writes them; return their paths.

    OSError if the directory cannot be created or written.
    """
    if not directory or is_listening(FEATURES):
        return []
    run, generated = run_id.run_id(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def write(hosts: list[Any]) -> list[str]:
        return write_report(directory, assemble(hosts, playbook, generated, check_mode, run))

    return add_entry(directory, "report.json", run, host_entry(host, record, check_mode), write)


def run_noted(action: Any, task_vars: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a task of the role: a host that it fails does not reach the role's report, and is added to the fleet's here."""
    role = getattr(action._task, "_role", None)
    if role is None or role.get_name() != ROLE:
        return work()
    try:
        result = work()
    except AnsibleError as error:
        unreachable = isinstance(error, AnsibleConnectionFailure)
        record = HostRecord(unreachable=str(error)) if unreachable else HostRecord(failure=str(error), broke=True)
        _note(action, task_vars, record)
        raise
    if result.get("failed"):
        facts = {**mapping(task_vars.get("ansible_facts")), **mapping(result.get("ansible_facts"))}
        known = {name: value for name, value in facts.items() if name.startswith("feature")}
        changed = bool(result.get("changed"))
        _note(action, task_vars, HostRecord(facts=known, failure=str(result.get("msg")), broke=True, changed=changed))
    return result


def _note(action: Any, task_vars: Mapping[str, Any], record: HostRecord) -> None:
    directory = str(action._templar.template(task_vars.get("prepare_features_report_dir", "")))
    with contextlib.suppress(OSError):
        play = str(task_vars.get("ansible_play_name", ""))
        add_host(directory, str(task_vars["inventory_hostname"]), record, bool(action._task.check_mode), play)


def record_of(facts: Mapping[str, Any], done: Sequence[object], state: str, message: str) -> HostRecord:
    results = list(results_of(done))
    changed = any(result.get("changed") is True for result in results)
    return HostRecord(facts=mapping(facts), done=results, state=state, changed=changed, failure=message)
