# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the fleet report: ``report.json`` and the self-contained page ``report.html``; at the end of a run, or without the callback
host by host."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from jinja2 import Environment, StrictUndefined, TemplateError
from markupsafe import Markup

from .. import run_id
from .callbacks import FEATURES, is_listening
from .fleet import HostRecord, assemble, host_entry
from .model import mapping, results_of
from .table import ATTENTION
from .words import OUTCOME_WORDS, by_message, count, differing_sentence, named

TEMPLATE = Path(__file__).with_name("page.html.j2")
STYLE = Path(__file__).with_name("page.css")
ROLE = "trainprep.features.prepare_features"


def to_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2) + "\n"


def page_environment() -> Environment:
    """Return the template environment of the pages. It escapes all values: a file name may contain markup."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(style=Markup(STYLE.read_text(encoding="utf-8")), count=count)
    return environment


def to_html(report: Mapping[str, Any], training_page: bool = False) -> str:
    """Return the document as one HTML page. training_page: True if a page of the trainings is in the same directory."""
    environment = page_environment()
    environment.filters.update(named=named, by_message=by_message, differing=differing_sentence)
    environment.globals.update(OUTCOME_WORDS=OUTCOME_WORDS, ATTENTION=ATTENTION)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(report=report, training_page=training_page)


def write_report(directory: str, report: Mapping[str, Any]) -> list[str]:
    """Write both files and return their paths. OSError if the directory cannot be created or written."""
    training_page = (Path(directory).expanduser() / "training.html").is_file()
    return write_files(directory, {"report.json": to_json(report), "report.html": to_html(report, training_page)})


def link_to_trainings(directory: str) -> None:
    """Give an existing page of the features its link to the page of the trainings, if its report can be read."""
    folder = Path(directory).expanduser()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, TemplateError):
        if (folder / "report.html").is_file():
            _write_whole(folder / "report.html", to_html(json.loads((folder / "report.json").read_text(encoding="utf-8")), True))


def add_entry(directory: str, name: str, run: str, entry: Mapping[str, Any], write: Callable[[list[Any]], list[str]]) -> list[str]:
    """Write a report of the hosts that this run has in that file already, and of this one; return what C(write) returns.

    A report of another run is replaced. OSError if the directory cannot be created or written.
    """
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return write([*(one for one in _hosts_of(folder / name, run) if one["host"] != entry["host"]), entry])
    finally:
        os.close(lock)


def _hosts_of(path: Path, run: str) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["run"] == run:
            return list(found["hosts"])
    return []


def write_files(directory: str, files: Mapping[str, str]) -> list[str]:
    """Write texts by file name and return their paths. OSError if the directory cannot be created or written."""
    folder = Path(directory).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        _write_whole(folder / name, text)
        written.append(str(folder / name))
    return written


def _write_whole(path: Path, text: str) -> None:
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(file.fileno(), 0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


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
