# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can the training user open every feature, and if not, what would a grant change about it?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Set

from .._system import accounts, paths, words
from . import probe, rules
from .plan import SetPlan, key_of, plan_grants


@dataclass
class AccessReport:
    """What of a feature set the user cannot open.

    C(unreadable) counts distinct files, and a directory that cannot be listed though no feature is in it yet;
    C(to_grant) those among them that a grant would open. C(samples): at most ten of {path, reason}, distinct
    reasons only; a reason names the first component that blocks, and why it is not granted, if so.
    """

    user: str
    unreadable: int = 0
    to_grant: int = 0
    samples: List[Dict[str, str]] = field(default_factory=list)


def access_reports(
    account: accounts.Account, sets: Mapping[str, Sequence[probe.ToRead]], sources: Mapping[str, Sequence[probe.LinkSource]]
) -> Dict[str, AccessReport]:
    """Return what the account cannot open, set by set; absent directories are skipped.

    sources: by set, the declared legacy directories with their features: a link in a target that leads to one of them counts as that
    file. FeatureError without the right to become the user.
    """
    found = probe.ask(account, sets) if any(sets.values()) else {}
    if not any(one.refused for one in found.values()):
        return {name: AccessReport(account.name) for name in sets}
    # As if setfacl were there: whether it is matters only once something is to be granted.
    plan = plan_grants(account, rules.Means(os.geteuid(), rules.GRANT, True), found, sources)
    return {name: _report(account, one, plan.sets[name]) for name, one in found.items()}


def _report(account: accounts.Account, answer: probe.ProbeResult, plan: SetPlan) -> AccessReport:
    first: Dict[int, str] = {}
    seen: Set[paths.InodeKey] = set()
    for refused in answer.refused:
        for name, reason in zip(refused.names or [""], refused.reasons):
            path = os.path.join(refused.path, name) if name else refused.path
            first.setdefault(reason, path)
            seen.add(key_of(path))
    result = AccessReport(account.name, len(seen), len(plan.opens | plan.hopeless))
    # One blocked directory explains more than many closed files.
    for number in sorted(first, key=lambda number: (answer.reasons[number].file, number))[:words.SAMPLES]:
        path, text = first[number], answer.reasons[number].text
        why = plan.refused.get(key_of(path))
        result.samples.append({"path": paths.display(path), "reason": f"{text}; not granted: {why}" if why else text})
    return result
