# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do all hosts of a fleet train on the same data? Told from the digests of their sets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import count, listed

MOST_NAMED = 10
SHORT = 12  # characters of a digest that are shown to people


class Seen(NamedTuple):
    """What one host's target holds for one set."""

    set_name: str
    host: str
    digest: str
    features: int


def differing_sets(seen: Iterable[Seen]) -> list[dict[str, Any]]:
    """The sets of which not all hosts hold the same data, each with its groups of hosts that do, the largest first."""
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
    """One entry of C(differing_sets) in words."""
    groups = [
        f"{named(group['hosts'])}: {count(group['features'], 'feature')}, digest {group['digest'][:SHORT]}"
        for group in entry["groups"][:MOST_NAMED]
    ]
    more = f"; and {len(entry['groups']) - MOST_NAMED:,} more" if len(entry["groups"]) > MOST_NAMED else ""
    return f"The hosts do not train on the same data of {entry['set']}. {'; '.join(groups)}{more}."


def named(hosts: list[str]) -> str:
    """Hosts by name, the first ten."""
    if len(hosts) <= MOST_NAMED:
        return listed(hosts)
    return ", ".join(hosts[:MOST_NAMED]) + f" and {len(hosts) - MOST_NAMED:,} more"
