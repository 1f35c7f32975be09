# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true once a module has done its work, told by the same execution: what a second one costs is mostly its start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Mapping, Sequence

from .._spec.policy import Policy
from .._spec.sets import FeatureSet
from .._system import accounts, mounts
from . import facts, inspect

REFRESH_FACTS: Dict[str, Any] = {"refresh_facts": {"type": "bool", "default": False}}


def refresh_facts(module: Any, sets: Sequence[FeatureSet], account: accounts.Account, policy: Policy) -> Dict[str, Any]:
    """What the module's result gains: the facts of a new look where it was asked for one, outside check mode."""
    if not module.params["refresh_facts"] or module.check_mode:
        return {}
    return {"ansible_facts": facts_now(sets, account, policy, module.params["sets"])}


def facts_now(
    sets: Sequence[FeatureSet], account: accounts.Account, policy: Policy, declared: Sequence[Mapping[str, Any]]
) -> Dict[str, Any]:
    """The facts of a look after the work: nothing is planned to go, and nothing searched for, since that was done before."""
    now = inspect.inspect_host(sets, account, replace(policy, prune="none", search_roots=()))
    return facts.facts(now, mounts.read_mountinfo(), declared)
