# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can the training user open every feature, and if not, what would a grant change about it?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence, Set

from .._system import accounts, paths, words
from . import probe

if TYPE_CHECKING:
    from .plan import SetPlan


@dataclass
class AccessReport:
    """What of a feature set the user cannot open.

    C(unreadable) counts distinct files, and a directory that cannot be listed though no feature is in it yet;
    C(to_grant) those among them that a grant would open. C(samples): at most ten of {path, reason}, distinct
    reasons only; a reason names the first component that blocks, and says why it is not to be granted, if so.
    """

    user: str
    unreadable: int = 0
    to_grant: int = 0
    samples: List[Dict[str, str]] = field(default_factory=list)


class AccessProbe:
    """What the account cannot open, set by set, told by a child that is the account; absent directories are passed over.

    It can be begun beside other work, while it is not yet known whether more will have to be asked.
    """

    def __init__(self, account: accounts.Account) -> None:
        self._account = account
        self._asked: Mapping[str, Sequence[probe.Directory]] = {}
        self._answer: Optional[Callable[[], Dict[str, probe.Answer]]] = None

    def begin(self, sets: Mapping[str, Sequence[probe.Directory]]) -> None:
        """Starts to ask, where there are features to ask for."""
        if any(names for directories in sets.values() for _path, names, _must_list in directories):
            self._asked, self._answer = sets, probe.begin_to_ask(self._account, sets)

    def reports(
        self, sets: Mapping[str, Sequence[probe.Directory]], sources: Mapping[str, Sequence[probe.Source]]
    ) -> Dict[str, AccessReport]:
        """What the account cannot open; asked anew where that is not what was begun with. To be called once.

        C(sources) are, by set, the declared legacy directories with their features: a link in a target that leads to one of
        them counts as that file. FeatureError without the right to become the user.
        """
        answers = self._answer() if self._answer is not None else {}
        if not any(sets.values()):
            answers = {name: probe.Answer([], []) for name in sets}
        elif sets != self._asked:
            answers = probe.ask(self._account, sets)
        return _report_all(self._account, answers, sources)


def _report_all(
    account: accounts.Account, answers: Mapping[str, probe.Answer], sources: Mapping[str, Sequence[probe.Source]]
) -> Dict[str, AccessReport]:
    if not any(answer.refused for answer in answers.values()):
        return {name: AccessReport(account.name) for name in answers}
    # Imported where something is refused: on a host where all is readable nothing is to be planned.
    from . import rules
    from .plan import plan_grants

    # As if setfacl were there: whether it is matters only once something is to be granted.
    plan = plan_grants(account, rules.Means(os.geteuid(), rules.GRANT, True), answers, sources)
    return {name: _report(account, answer, plan.sets[name]) for name, answer in answers.items()}


def _report(account: accounts.Account, answer: probe.Answer, plan: SetPlan) -> AccessReport:
    from .plan import key_of

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
