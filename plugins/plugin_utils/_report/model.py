# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert facts and module results of one host to what every report shows of each set: the set's part of report.json. Pure.

``facts`` is what ``trainprep.features.feature_facts`` sets (feature_status, features_ready, feature_sets). ``done`` holds the results of
the modules that acted: dictionaries, or results of loops over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .words import STATE_WORDS, count, number, plain, sentence, size, status_words

COUNTERS = (
    "linked", "replaced", "removed", "kept", "granted", "directories", "widened", "refused",
    "sent", "sent_bytes", "resumed", "left_out", "published", "bytes",
)  # fmt: skip


_NOT_FEATURES = {
    "other": ("file of another kind", "files of another kind"),
    "damaged": ("damaged file",),
    "dangling": ("dangling link",),
    "stray": ("stray link",),
}


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def results_of(done: Iterable[object]) -> Iterator[Mapping[str, Any]]:
    """Yield the results of single executions: those given, or their items if they are results of loops."""
    for result in map(mapping, done):
        yield from map(mapping, sequence(result["results"])) if "results" in result else [result]


def set_entry(
    name: str, raw: Mapping[str, Any], done: Iterable[object], check_mode: bool, state: str = "present", broke: bool = False
) -> dict[str, Any]:
    """Return everything a report shows of one set, fit to be printed. raw: its facts; broke: a step failed, whose message says why."""
    acts = [mapping(mapping(result.get("sets")).get(name)) for result in results_of(done)]
    counts = {counter: sum(number(act.get(counter)) for act in acts) for counter in COUNTERS}
    access, incoming = mapping(raw.get("access")), mapping(raw.get("incoming"))
    directories = [_directory("target", mapping(raw.get("target")))]
    directories += [_directory("legacy", mapping(item)) for item in sequence(raw.get("legacy"))]
    if incoming.get("state") not in (None, "absent"):
        directories.append(_directory("incoming", {"path": "staging directory", **incoming}))
    status = raw["status"] if isinstance(raw.get("status"), int) else None
    features, blocked = number(raw.get("features")), number(access.get("unreadable"))
    outcome = _outcome(raw, check_mode and not broke, state)
    # In check mode, the plan replaces the problems that it clears; after a step that failed, its message. With state absent, readiness is
    # not required.
    problems = () if state == "absent" and status is not None else sequence(raw.get("problems"))
    planned = sequence(raw.get("planned")) if check_mode or broke else ()
    warnings = [*sequence(raw.get("warnings")), *(text for act in acts for text in sequence(act.get("warnings")))]
    origin = next((str(one["fetched_from"]) for one in [*acts, raw] if one.get("fetched_from")), "")
    return {
        "name": plain(name),
        "status": status,
        "status_words": status_words(status),
        "outcome": outcome,
        "ready": outcome == "ready",
        "required": str(raw.get("required", "true")),
        "found": features,
        "to_link": number(raw.get("to_link")),
        "linked": counts["linked"],
        "uploaded": counts["sent"],
        "fetched_from": plain(origin) or None,
        "readable": f"{blocked:,} not" if blocked else "?" if status is None else "yes" if features else "-",
        "counts": counts,
        "digest": plain(raw["digest"]) if raw.get("digest") else None,
        "digest_reason": sentence(raw["digest_reason"]) if raw.get("digest_reason") else None,
        "directories": directories,
        "access": {
            "user": plain(access.get("user") or ""),
            "unreadable": blocked,
            "to_grant": number(access.get("to_grant")),
            "samples": _samples(access),
        },
        "did": did_sentences(counts, check_mode, origin),
        "problems": [sentence(text) for text in problems if text not in planned],
        "warnings": list(dict.fromkeys(map(sentence, warnings))),
        "to_do": [] if state == "absent" else advice(raw, counts, check_mode),
        "rejected": _counted(raw.get("rejected")),
        "conflicts": _counted(raw.get("conflicts")),
    }


def _counted(raw: object) -> dict[str, Any]:
    return {"count": number(mapping(raw).get("count")), "samples": _samples(raw)}


def _samples(counted: object) -> list[dict[str, str]]:
    return [{str(key): plain(value) for key, value in mapping(item).items()} for item in sequence(mapping(counted).get("samples"))]


def _directory(role: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target or legacy entry of the facts as a report shows it. Counts are files, ``size`` is in bytes."""
    damaged = number(raw.get("damaged"))
    owner = ":".join(str(raw.get(key)) for key in ("owner", "group") if raw.get(key))
    found: dict[str, Any] = {
        "role": role,
        "path": plain(raw.get("path", "")),
        "state": plain(raw.get("state", "unknown")),
        **{key: number(raw.get(key)) for key in ("features", "links", "dangling", "stray")},
        "other": max(0, number(raw.get("rejected")) - damaged),
        "damaged": damaged,
        "size": number(raw.get("bytes")),
        "same_as": plain(raw["same_as"]) if raw.get("same_as") else None,
        "owner": plain(f"{owner} {raw.get('mode') or ''}".strip()),
        "filesystem": {key: plain(value) for key, value in mapping(raw.get("filesystem")).items()} or None,
    }
    return {**found, "words": _content(found)}


def _content(found: Mapping[str, Any]) -> str:
    """Return the content of a directory as text: ``8,690 features (3.6 GB), 12 files of another kind``."""
    if found["same_as"]:
        return f"the same directory as {found['same_as']}"
    parts: list[str] = []
    if found["features"]:
        text = count(found["features"], "feature")
        notes = []
        if found["role"] == "target" and found["links"]:
            notes.append("all links" if found["links"] == found["features"] else count(found["links"], "link"))
        if found["size"]:
            notes.append(size(found["size"]))
        parts.append(text + (f" ({', '.join(notes)})" if notes else ""))
    parts += [count(found[key], *nouns) for key, nouns in _NOT_FEATURES.items() if found[key]]
    if found["state"] not in ("present", "empty") or not parts:
        parts.insert(0, STATE_WORDS.get(found["state"], found["state"]))
    elif not found["features"]:
        parts.insert(0, "no feature")
    return ", ".join(parts)


def did_sentences(counts: Mapping[str, int], check_mode: bool, origin: str = "") -> list[str]:
    """Return what was done for a set, or would be in check mode. origin: the host that an upload came from, if it was one."""

    def said(counter: str, past: str, base: str, noun: str, more: str = "", plural: str | None = None) -> list[str]:
        verb = f"would {base}" if check_mode else past
        return [f"{verb} {count(counts[counter], noun, plural)}{more}"] if counts[counter] else []

    replaced = f", {counts['replaced']:,} of them in place of dangling links" if counts["replaced"] else ""
    sent = f" from {plain(origin)}" if origin else ""
    sent += f" ({size(counts['sent_bytes'])})" if counts["sent_bytes"] else ""
    sent += f", {counts['resumed']:,} were there from an earlier try" if counts["resumed"] else ""
    folders = said("directories", "granted access to", "grant access to", "directory", plural="directories")
    more = f" and {count(counts['directories'], 'directory', 'directories')}" if folders else ""
    return [
        *said("linked", "linked", "link", "feature", replaced),
        *said("removed", "removed", "remove", "link"),
        *said("sent", *(("received", "receive") if origin else ("uploaded", "upload")), "feature", sent),
        *said("left_out", "left out", "leave out", "file", " of the source that are not features"),
        *said("published", "published", "publish", "feature", " from the staging directory"),
        *(said("granted", "granted access to", "grant access to", "file", more) or folders),
        *said("widened", "widened the mode of", "widen the mode of", "object"),
        *([f"left alone {count(counts['refused'], 'object')} whose access may not be changed"] if counts["refused"] else []),
    ]


def _outcome(raw: Mapping[str, Any], check_mode: bool, state: str) -> str:
    if state == "absent":
        return "done"
    if raw.get("ready") is True:
        return "ready"
    if check_mode and raw.get("will_be_ready") is True:
        return "would_be_ready"
    return "not_ready" if sequence(raw.get("problems")) or not isinstance(raw.get("status"), int) else "empty"


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
        elif check_mode and (counts["granted"] or counts["directories"] or counts["widened"]):
            todo.append(f"Run without --check to grant {user} access.")
        else:
            how = "prepare_features_permissions=grant (or widen, if there are no ACLs)"
            todo.append(f"Run with {how} to let {user} read.")
    return todo
