# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert facts and module results of one host to what a report shows of each set. Pure.

``facts`` is what ``trainprep.features.feature_facts`` sets (feature_status, features_ready, feature_sets). ``done``
maps each step (links, access, upload, publish) to the result of its module: a dict, a loop's result, a list of results,
or nothing if the step did not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import (
    STATE_WORDS,
    count,
    number,
    plain,
    size,
    status_words,
)

STEPS = ("links", "access", "upload", "publish")
COUNTERS = (
    "linked", "replaced", "removed", "kept", "granted", "directories", "widened", "refused",
    "sent", "sent_bytes", "resumed", "left_out", "published", "bytes",
)  # fmt: skip


@dataclass
class Directory:
    """One directory of a set. Counts are files, ``size`` is in bytes."""

    role: str
    path: str
    state: str
    features: int = 0
    links: int = 0
    other: int = 0
    damaged: int = 0
    dangling: int = 0
    stray: int = 0
    size: int = 0
    same_as: str | None = None
    owner: str = ""
    filesystem: dict[str, str] = field(default_factory=dict)

    def words(self) -> str:
        if self.same_as:
            return f"the same directory as {plain(self.same_as)}"
        parts: list[str] = []
        if self.features:
            text = count(self.features, "feature")
            notes = []
            if self.role == "target" and self.links:
                notes.append("all links" if self.links == self.features else count(self.links, "link"))
            if self.size:
                notes.append(size(self.size))
            parts.append(text + (f" ({', '.join(notes)})" if notes else ""))
        if self.other:
            parts.append(count(self.other, "file of another kind", "files of another kind"))
        if self.damaged:
            parts.append(count(self.damaged, "damaged file"))
        if self.dangling:
            parts.append(count(self.dangling, "dangling link"))
        if self.stray:
            parts.append(count(self.stray, "stray link"))
        if self.state not in ("present", "empty") or not parts:
            parts.insert(0, STATE_WORDS.get(self.state, plain(self.state)))
        elif not self.features:
            parts.insert(0, "no feature")
        return ", ".join(parts)


@dataclass
class SetView:
    """One set of one host. outcome: a key of OUTCOME_WORDS; did, to_do: sentences; counts: the steps' counters, summed."""

    name: str
    status: int | None
    outcome: str
    problems: list[str]
    warnings: list[str]
    features: int
    to_link: int
    directories: list[Directory]
    access: dict[str, Any]
    counts: dict[str, int]
    did: list[str]
    to_do: list[str]
    rejected: dict[str, Any]
    conflicts: dict[str, Any]
    required: str = "true"
    digest: str | None = None
    digest_reason: str | None = None

    @property
    def ready(self) -> bool:
        return self.outcome == "ready"

    @property
    def acted(self) -> bool:
        return bool(self.did)

    @property
    def words(self) -> str:
        return status_words(self.status)

    @property
    def found(self) -> int:
        """Return the number of distinct features in all directories."""
        return self.features

    @property
    def readable(self) -> str:
        """Return if the training user can read them: ``yes``, ``-`` (nothing to read), ``?``, or how many it cannot."""
        blocked = number(self.access.get("unreadable"))
        if blocked:
            return f"{blocked:,} not"
        if self.status is None:
            return "?"
        return "yes" if self.features else "-"


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def results_of(step: object) -> Iterator[Mapping[str, Any]]:
    """Yield the module results of one step: itself, the items of a loop, or the members of a list."""
    if isinstance(step, Mapping):
        if isinstance(step.get("results"), Sequence):
            yield from (item for item in step["results"] if isinstance(item, Mapping))
        else:
            yield step
    else:
        for item in sequence(step):
            yield from results_of(item)


def counts_of(done: Mapping[str, Any], name: str) -> dict[str, int]:
    total = dict.fromkeys(COUNTERS, 0)
    for step in STEPS:
        for result in results_of(done.get(step)):
            of_set = mapping(mapping(result.get("sets")).get(name))
            for counter in COUNTERS:
                total[counter] += number(of_set.get(counter))
    return total


def step_sentences(done: Mapping[str, Any], name: str, key: str) -> list[str]:
    """Return the sentences (``warnings``, ``refused``) of the steps for one set, each once."""
    said: list[str] = []
    for step in STEPS:
        for result in results_of(done.get(step)):
            for text in sequence(mapping(mapping(result.get("sets")).get(name)).get(key)):
                if str(text) not in said:
                    said.append(str(text))
    return said


def origin_of(raw: Mapping[str, Any], done: Mapping[str, Any], name: str) -> str:
    """Return the host that a set was fetched from in this run; empty if it was none."""
    uploads = [mapping(mapping(result.get("sets")).get(name)) for result in results_of(done.get("upload"))]
    return next((str(one["fetched_from"]) for one in [*uploads, raw] if one.get("fetched_from")), "")


def did_sentences(counts: Mapping[str, int], check_mode: bool, origin: str = "") -> list[str]:
    """Return what was done for a set, or would be in check mode. origin: the host that an upload came from, if it was one."""

    def verb(past: str, base: str) -> str:
        return f"would {base}" if check_mode else past

    said = []
    if counts["linked"]:
        more = f", {counts['replaced']:,} of them in place of dangling links" if counts["replaced"] else ""
        said.append(f"{verb('linked', 'link')} {count(counts['linked'], 'feature')}{more}")
    elif counts["replaced"]:
        said.append(f"{verb('replaced', 'replace')} {count(counts['replaced'], 'dangling link')}")
    if counts["removed"]:
        said.append(f"{verb('removed', 'remove')} {count(counts['removed'], 'link')}")
    if counts["sent"]:
        amount = f" ({size(counts['sent_bytes'])})" if counts["sent_bytes"] else ""
        resumed = f", {counts['resumed']:,} were there from an earlier try" if counts["resumed"] else ""
        sender = f" from the host {plain(origin)}" if origin else ""
        said.append(f"{verb('uploaded', 'upload')} {count(counts['sent'], 'feature')}{amount}{sender}{resumed}")
    if counts["left_out"]:
        left = verb("left out", "leave out")
        said.append(f"{left} {count(counts['left_out'], 'file')} of the source that are not features")
    if counts["published"]:
        published = count(counts["published"], "feature")
        said.append(f"{verb('published', 'publish')} {published} from the staging directory")
    if counts["granted"]:
        folders = f" and {count(counts['directories'], 'directory', 'directories')}" if counts["directories"] else ""
        said.append(f"{verb('granted', 'grant')} access to {count(counts['granted'], 'file')}{folders}")
    elif counts["directories"]:
        said.append(f"{verb('granted', 'grant')} access to {count(counts['directories'], 'directory', 'directories')}")
    if counts["widened"]:
        said.append(f"{verb('widened', 'widen')} the mode of {count(counts['widened'], 'object')}")
    if counts["refused"]:
        said.append(f"left alone {count(counts['refused'], 'object')} whose access may not be changed")
    return said


def directory_of(role: str, raw: Mapping[str, Any]) -> Directory:
    """Return a target or legacy entry of the facts. Without a count of damaged files, all rejected ones are 'other'."""
    rejected, damaged = number(raw.get("rejected")), number(raw.get("damaged"))
    owner = ":".join(str(raw.get(key)) for key in ("owner", "group") if raw.get(key))
    return Directory(
        role=role,
        path=str(raw.get("path", "")),
        state=str(raw.get("state", "unknown")),
        features=number(raw.get("features")),
        links=number(raw.get("links")),
        other=number(raw.get("other")) or max(0, rejected - damaged),
        damaged=damaged,
        dangling=number(raw.get("dangling")),
        stray=number(raw.get("stray")),
        size=number(raw.get("bytes")),
        same_as=raw.get("same_as") or None,
        owner=f"{owner} {raw.get('mode') or ''}".strip(),
        filesystem={key: str(value) for key, value in mapping(raw.get("filesystem")).items()},
    )


def view_of(name: str, raw: Mapping[str, Any], done: Mapping[str, Any], check_mode: bool, state: str = "present") -> SetView:
    counts = counts_of(done, name)
    directories = [directory_of("target", mapping(raw.get("target")))]
    directories += [directory_of("legacy", mapping(item)) for item in sequence(raw.get("legacy"))]
    incoming = mapping(raw.get("incoming"))
    if incoming.get("state") not in (None, "absent"):
        directories.append(directory_of("incoming", {"path": "staging directory", **incoming}))
    status = raw.get("status")
    outcome = _outcome(raw, check_mode, state)
    planned = sequence(raw.get("planned")) if check_mode else ()
    problems = () if state == "absent" and isinstance(status, int) else sequence(raw.get("problems"))
    return SetView(
        name=name,
        status=status if isinstance(status, int) else None,
        outcome=outcome,
        # In check mode, the plan replaces the problems that it clears. With state absent, readiness is not required.
        problems=[str(text) for text in problems if text not in planned],
        warnings=[str(text) for text in [*sequence(raw.get("warnings")), *step_sentences(done, name, "warnings")]],
        features=number(raw.get("features")),
        to_link=number(raw.get("to_link")),
        directories=directories,
        access=dict(mapping(raw.get("access"))),
        counts=counts,
        did=did_sentences(counts, check_mode, origin_of(raw, done, name)),
        to_do=advice(raw, counts, check_mode),
        rejected=dict(mapping(raw.get("rejected"))),
        conflicts=dict(mapping(raw.get("conflicts"))),
        required=str(raw.get("required", "true")),
        digest=raw.get("digest") or None,
        digest_reason=raw.get("digest_reason") or None,
    )


def _outcome(raw: Mapping[str, Any], check_mode: bool, state: str) -> str:
    if state == "absent":
        return "done"
    if raw.get("ready") is True:
        return "ready"
    if check_mode and raw.get("will_be_ready") is True:
        return "would_be_ready"
    return "not_ready" if sequence(raw.get("problems")) or not isinstance(raw.get("status"), int) else "empty"


def views_of(facts: Mapping[str, Any], done: Mapping[str, Any], check_mode: bool, state: str = "present") -> list[SetView]:
    """Return the sets of one host in the order of their declaration."""
    sets = mapping(facts.get("feature_sets"))
    return [view_of(str(name), mapping(raw), done, check_mode, state) for name, raw in sets.items()]


def advice(raw: Mapping[str, Any], counts: Mapping[str, int], check_mode: bool) -> list[str]:
    """Return the next steps for a set, as sentences, unless its problems name them themselves."""
    todo: list[str] = []
    status, access = raw.get("status"), mapping(raw.get("access"))
    again = "Run without --check" if check_mode else "Run again"
    if raw.get("ready") is True or (check_mode and raw.get("will_be_ready")) or status is None or sequence(raw.get("obstacles")):
        # Nothing to do, this run's plan does it, or the problems name what to change first.
        return todo
    if number(raw.get("to_link")):
        todo.append(f"{again} to link what the target lacks.")
    lacks = number(raw.get("expected")) - number(raw.get("features"))
    if lacks > 0 and status and raw.get("source") and not raw.get("to_upload"):
        todo.append(f"Run with prepare_features_top_up=true to complete the set from its source ({plain(raw['source'])}).")
    if raw.get("to_upload") and not counts["published"]:
        todo.append(f"{again} to upload from the set's source.")
    if number(access.get("unreadable")):
        user = plain(access.get("user") or "the training user")
        if not number(access.get("to_grant")):
            todo.append(f"Let {user} pass and read what is named above: it is more than the role may change.")
        elif check_mode:
            todo.append(f"Run without --check to grant {user} access.")
        else:
            how = "prepare_features_permissions=grant (or widen, where there are no ACLs)"
            todo.append(f"Run with {how} to let {user} read.")
    return todo
