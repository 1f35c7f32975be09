# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare and group the hosts of a fleet: by the digests of their data, by what blocks them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .words import count, listed

MOST_NAMED = 10
MESSAGES = 3
SHORT = 12  # characters of a digest that are shown to people


class Seen(NamedTuple):
    """The data of one set in one host's target."""

    set_name: str
    host: str
    digest: str
    features: int


def differing_sets(seen: Iterable[Seen]) -> list[dict[str, Any]]:
    """Return the sets whose data differs between hosts, each with its groups of equal hosts, the largest first."""
    sets: dict[str, dict[str, dict[str, Any]]] = {}
    for one in seen:
        groups = sets.setdefault(one.set_name, {})
        group = groups.setdefault(one.digest, {"digest": one.digest, "features": one.features, "hosts": []})
        group["hosts"].append(one.host)
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
