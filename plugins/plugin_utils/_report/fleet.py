# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers the results of a run host by host, and makes the document that all fleet reports show.

The document's form is ``docs/report.schema.json``; ``docs/report.md`` explains it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .model import mapping, sequence, set_entry
from .words import differing_sets, plain, sentence, status_words

SCHEMA = 1
PREFIX = "trainprep.features."
REPORTS = PREFIX + "feature_report"
ACTIONS = frozenset(PREFIX + f"feature_{name}" for name in ("facts", "prepare", "links", "access", "upload", "transfer", "report"))
# Tasks that only state a decision: if one fails, nothing broke.
STATEMENTS = frozenset(("ansible.builtin.assert", "ansible.builtin.fail"))
OUTCOMES = ("ready", "would_be_ready", "done", "not_ready", "failed", "unreachable", "not_looked_at")


@dataclass
class HostRecord:
    """What the run returned for one host."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    done: list[Mapping[str, Any]] = field(default_factory=list)
    state: str = "present"
    changed: bool = False
    failure: str = ""
    broke: bool = False
    unreachable: str = ""

    def outcome(self, check_mode: bool) -> str:
        """Return one of OUTCOMES. ``done``: links were removed, readiness is not required."""
        if self.unreachable:
            return "unreachable"
        if not self.facts:
            return "failed" if self.failure else "not_looked_at"
        if self.broke:
            return "failed"
        if self.state == "absent" and not self.failure:
            return "done"
        if self.facts.get("features_ready") is True:
            return "failed" if self.failure else "ready"
        planned = check_mode and not self.failure and self.facts.get("features_will_be_ready") is True
        return "would_be_ready" if planned else "not_ready"


class Fleet:
    """Gathers the results of a run, as plain values from the callback."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostRecord] = {}
        self.report_dir = ""
        self.check_mode = False  # of the run; set by the callback

    def record(self, host: str) -> HostRecord:
        return self.hosts.setdefault(host, HostRecord())

    def saw(self, host: str, action: str, result: Mapping[str, Any]) -> None:
        """A result of one of the collection's own actions; a failed one has what was done before."""
        if action not in ACTIONS:
            return
        record = self.record(host)
        record.changed = record.changed or result.get("changed") is True
        # The last inspection is what is true at the end, whichever action made it.
        record.facts = mapping(result.get("ansible_facts")) or record.facts
        if action == REPORTS:
            record.state = str(result.get("state") or record.state)
            self.report_dir = str(result.get("report_dir") or "") or self.report_dir
        else:
            record.done.append(result)

    def failed(self, host: str, action: str, task: str, result: Mapping[str, Any]) -> None:
        """A failed task of any action; the first failure of a host is the one that is reported."""
        record = self.record(host)
        # A report that failed has printed what blocks; nothing broke.
        stated = action in STATEMENTS or (action == REPORTS and "state" in result)
        if action != REPORTS or stated:
            self.saw(host, action, result)
        record.facts = mapping(result.get("ansible_facts")) or record.facts
        if record.failure:
            return
        items = [mapping(item) for item in sequence(result.get("results"))]
        said = [item.get("msg") for item in items if item.get("failed")] or [result.get("msg")]
        text = next((str(text) for text in said if text), "it failed without a message")
        record.failure = text if action in ACTIONS or action in STATEMENTS else f"{task}: {text}"
        record.broke = not stated

    def lost(self, host: str, result: Mapping[str, Any]) -> None:
        self.record(host).unreachable = str(result.get("msg") or "it could not be reached")

    def rescued(self, host: str) -> None:
        record = self.record(host)
        record.failure, record.broke = "", False


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that orders ``gpu-2`` before ``gpu-10``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def document(fleet: Fleet, playbook: str, generated: str, run: str = "") -> dict[str, Any]:
    """Return the report of a fleet as plain data. generated: a UTC time in ISO 8601; run: the identifier of this run."""
    entries = [host_entry(name, record, fleet.check_mode) for name, record in fleet.hosts.items()]
    return assemble(entries, playbook, generated, fleet.check_mode, run)


def assemble(entries: list[dict[str, Any]], playbook: str, generated: str, check_mode: bool, run: str) -> dict[str, Any]:
    """Return the report of these hosts as plain data, hosts in natural order."""
    hosts = sorted(entries, key=lambda entry: natural(entry["host"]))
    # What the ready hosts train on: for others the report names what is wrong already, and what check mode plans has no digest yet.
    ready = [host for host in hosts if host["outcome"] == "ready" and not (check_mode and host["changed"])]
    sets = ((host["host"], one) for host in ready for one in host["sets"] if one["digest"])
    summary = {"hosts": len(hosts), "changed": sum(host["changed"] for host in hosts)}
    summary.update({outcome: sum(host["outcome"] == outcome for host in hosts) for outcome in OUTCOMES})
    return {
        "schema": SCHEMA,
        "run": run,
        "generated": generated,
        "playbook": plain(playbook),
        "check_mode": check_mode,
        "summary": summary,
        "shared": shared_targets(hosts),
        "differing": differing_sets((one["name"], host, one["digest"], one["directories"][0]["features"]) for host, one in sets),
        "hosts": hosts,
    }


def host_entry(name: str, record: HostRecord, check_mode: bool) -> dict[str, Any]:
    sets = mapping(record.facts.get("feature_sets"))
    status = record.facts.get("feature_status")
    return {
        "host": plain(name),
        "outcome": record.outcome(check_mode),
        "message": " ".join(
            sentence(line) for line in (record.unreachable or record.failure).splitlines() if line.strip()
        ),
        "status": status,
        "status_words": status_words(status) if record.facts else "",
        "ready": record.facts.get("features_ready") is True,
        "changed": record.changed,
        "sets": [set_entry(str(one), mapping(raw), record.done, check_mode, record.state, record.broke) for one, raw in sets.items()],
    }


def shared_targets(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return targets that several hosts mount from one network file system: one directory, reported once."""
    places: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for host in hosts:
        for directory in (directory for one in host["sets"] for directory in one["directories"]):
            system = directory["filesystem"]
            if directory["role"] == "target" and system and system.get("source"):
                places[directory["path"], system.get("type", ""), system["source"]][host["host"]] = None
    return [
        {"path": path, "type": kind, "source": source, "hosts": list(names)}
        for (path, kind, source), names in places.items()
        if len(names) > 1
    ]
