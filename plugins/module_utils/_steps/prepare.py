# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first step of the role: one look, and where links are all that is due, these too."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from . import remember

LINK = "link"


def is_due_alone(found: remember.Inspected) -> bool:
    """Whether the plan of this look can be carried out at once: there is one, and nothing comes before, after or beside it."""
    return found.host is not None and found.facts["feature_steps"] == [LINK]


def link_as_planned(found: remember.Inspected, params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """The result of feature_links for the plan of this look, with the facts of a new one (not in check mode).

    params: those that the look was made with.
    """
    # Imported where it is needed: most hosts have nothing to link.
    from .._spec.sets import parse_sets, resolve_sets
    from . import link, refresh

    host = found.host
    if host is None:
        raise ValueError("there is a plan only where a host was scanned")
    result = link.carry_out(host, [one.plan for one in host.sets], check_mode)
    if check_mode:
        return result
    sets = resolve_sets(parse_sets(params["sets"]), host.account.home)
    return {**result, "ansible_facts": refresh.facts_now(sets, host.account, host.policy, params["sets"])}
