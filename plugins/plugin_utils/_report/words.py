# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every report shares: outcomes, status, counts, sizes, text made safe to print; hosts compared by the digests of their data, and
grouped by what blocks them. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from ...module_utils._plan.status import STATUS_WORDS

# Outcomes of hosts and of sets, as text, table, page and JSON call them.
OUTCOME_WORDS = {
    "ready": "ready",
    "would_be_ready": "would be ready",
    "done": "state absent",
    "empty": "empty, allowed",
    "not_ready": "not ready",
    "failed": "failed",
    "unreachable": "unreachable",
    "not_looked_at": "not inspected",
}

STATE_WORDS = {
    "absent": "absent",
    "empty": "empty",
    "present": "no feature",
    "unreadable": "CANNOT BE READ",
}
MOST_NAMED = 10
MESSAGES = 3
SHORT = 12  # characters of a digest that are shown to people


def shouted(outcome: str) -> str:
    """Return the outcome as terminal text: ``READY``, ``NOT READY``, ``would be ready``."""
    words = OUTCOME_WORDS[outcome]
    return words.upper() if outcome in ("ready", "not_ready", "failed", "unreachable") else words


def status_words(status: int | None) -> str:
    return STATUS_WORDS.get(status, f"unknown status {plain(status)}")


def plain(value: object) -> str:
    """Return text that is safe in a terminal and in UTF-8 files.

    A file name may contain escape sequences, line breaks or undecodable bytes (surrogates): these become backslash escapes.
    """
    text = value if isinstance(value, str) else str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def number(value: object) -> int:
    """Return a count of a result, 0 if there is none (facts of another version, a skipped task)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """``8,690 features``, ``1 feature``, ``no feature``."""
    if amount == 0:
        return f"no {noun}"
    if amount == 1:
        return f"1 {noun}"
    return f"{amount:,} {plural or noun + 's'}"


def size(amount: int | float) -> str:
    """Return bytes in decimal units: ``3.6 GB``."""
    value = float(amount)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def fold(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Wrap at blanks only: a path stays in one piece, so that it can be copied. first, rest: what lines begin with."""
    return textwrap.wrap(
        text, max(width, 20), initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]


def sentence(text: object) -> str:
    """Return one printable sentence that ends with a full stop."""
    line = plain(" ".join(str(text).split()))
    return line if not line or line[-1] in ".!?:…" else line + "."


def differing_sets(seen: Iterable[tuple[str, str, str, int]]) -> list[dict[str, Any]]:
    """Return the sets whose data differs between hosts, each with its groups of equal hosts, the largest first.

    seen: a set's name, a host, the digest of the data in its target, and how many features these are.
    """
    sets: dict[str, dict[str, dict[str, Any]]] = {}
    for name, host, digest, features in seen:
        group = sets.setdefault(name, {}).setdefault(digest, {"digest": digest, "features": features, "hosts": []})
        group["hosts"].append(host)
    return [
        {"set": name, "groups": sorted(groups.values(), key=lambda group: -len(group["hosts"]))}
        for name, groups in sets.items()
        if len(groups) > 1
    ]


def differing_sentence(entry: dict[str, Any]) -> str:
    """Return one entry of C(differing_sets) as text."""
    groups = [
        f"{named(group['hosts'])}: {count(group['features'], 'feature')}, digest {group['digest'][:SHORT]}"
        for group in entry["groups"][:MOST_NAMED]
    ]
    more = f"; and {len(entry['groups']) - MOST_NAMED:,} more" if len(entry["groups"]) > MOST_NAMED else ""
    return f"The hosts do not train on the same data of {entry['set']}. {'; '.join(groups)}{more}."


def by_message(hosts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Group hosts that need attention by outcome and messages: at most three messages, ``more`` counts the rest."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        problems = [text for one in host["sets"] for text in one["problems"]] if host["outcome"] == "not_ready" else []
        groups.setdefault((host["outcome"], *dict.fromkeys(problems or [host["message"]])), []).append(host["host"])
    return [
        {"outcome": key[0], "hosts": names, "messages": key[1 : 1 + MESSAGES], "more": max(0, len(key) - 1 - MESSAGES)}
        for key, names in groups.items()
    ]


def named(hosts: list[str]) -> str:
    if len(hosts) <= MOST_NAMED:
        return listed(hosts)
    return ", ".join(hosts[:MOST_NAMED]) + f" and {len(hosts) - MOST_NAMED:,} more"
