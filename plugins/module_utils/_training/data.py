# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the digests of the data on the run's record with those of now. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional


def compare_data(recorded: Any, found: Mapping[str, Mapping[str, Any]], digest: Optional[str]) -> Dict[str, Any]:
    """Return the comparison for C(training_info). C(changed) is None, with the reason, if that is unknown.

    recorded: C(data) of the run's record. found: the facts' sets of now. digest: of all of them.
    """
    at_start = recorded if isinstance(recorded, Mapping) else {}
    sets_at_start = at_start.get("sets")
    if not isinstance(sets_at_start, Mapping):
        sets_at_start = {}
    answer: Dict[str, Any] = {"digest": digest, "at_start": _text(at_start.get("digest")), "changed": None, "changed_sets": []}
    changed: List[str] = []
    reasons: List[str] = []
    for name, one in found.items():
        before, now = _text(sets_at_start.get(name)), one.get("digest")
        if before is None:
            reasons.append(f"the run's record has no digest of the data of set '{name}'")
        elif now is None:
            reasons.append(str(one.get("digest_reason") or f"the data of set '{name}' have no digest"))
        elif before != now:
            changed.append(name)
    # What has changed is known, also where more may have.
    answer["changed"] = True if changed else False if found and not reasons else None
    answer["changed_sets"] = changed
    answer["reason"] = None if answer["changed"] is not None else (reasons or ["no feature sets are known"])[0]
    return answer


def _text(value: Any) -> Optional[str]:
    """Return a digest of the record, bounded: the training user may have written anything there."""
    return str(value)[:128] if value else None
