# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts that feature_facts returns: the contract, filled from one inspection. Pure.

Their size does not grow with the number of files: counts, and at most ten samples of each.
"""

from __future__ import annotations

import stat
from typing import Any, Callable, Dict, List, Sequence, Tuple

from .._formats import classify
from .._plan import features_digest, readiness, steps
from .._plan.state import HostState, SetState
from .._scan import model
from .._system.accounts import group_name, user_name
from .._system.mounts import network_file_system
from .._system.paths import display
from .._system.words import SAMPLES, keep


def facts(host: HostState, mounts: str = "", wanted: str = "present") -> Dict[str, Any]:
    """Return all facts of one host, as documented in RETURN of feature_facts. Pure.

    mounts: the text of /proc/self/mountinfo. wanted: the state that the user asks for, C(present) or C(absent).
    """
    assessments = [readiness.assess(state, host) for state in host.sets]
    return {
        "feature_status": host.status,
        "features_ready": readiness.host_is_ready(host, assessments),
        "features_will_be_ready": readiness.host_will_be_ready(host, assessments),
        "feature_steps": steps.steps(wanted, [_needs(*one, host) for one in zip(host.sets, assessments)]),
        "feature_digest": features_digest.digest_of_run({state.name: state.digest.value for state in host.sets}),
        "feature_sets": {state.name: _set_facts(state, mounts, one) for state, one in zip(host.sets, assessments)},
    }


def _needs(state: SetState, assessment: readiness.Assessment, host: HostState) -> steps.SetNeeds:
    return steps.SetNeeds(
        staged=state.incoming.complete,
        links=not state.plan.is_empty,
        uploads=state.uploads,
        grants=host.policy.permissions != "check" and bool(state.access.to_grant),
        obstacle=bool(assessment.obstacles),
    )


def _set_facts(state: SetState, mounts: str, assessment: readiness.Assessment) -> Dict[str, Any]:
    plan = state.plan
    access = state.access
    return {
        "status": state.status,
        "ready": readiness.is_ready(state, assessment),
        "will_be_ready": readiness.set_will_be_ready(state, assessment),
        "problems": [problem.text for problem in assessment.problems],
        "planned": [problem.text for problem in assessment.problems if problem.planned],
        "warnings": list(assessment.warnings),
        "obstacles": list(assessment.obstacles),
        "features": state.distinct_features(),
        "to_link": plan.to_link,
        "to_remove": len(plan.to_remove),
        "to_change": not plan.is_empty,
        "to_upload": state.uploads,
        "leaks": len(state.leaks),
        "expected": state.feature_set.expected,
        "required": state.feature_set.required,
        "source": state.feature_set.source,
        "reads": list(state.feature_set.reads),
        "digest": state.digest.value,
        "digest_reason": state.digest.reason,
        "target": _target(state, mounts),
        "incoming": dict(vars(state.incoming)),
        "legacy": [_legacy(one) for one in state.legacy],
        "access": dict(vars(access)),
        "rejected": _rejected(state),
        "copies": _counted(plan.copies, lambda one: _at(state, one[0], f"is a copy of {display(one[1])}")),
        "conflicts": _counted(plan.conflicts, lambda one: _at(state, one[0], "claimed by " + " and ".join(map(display, one[1][:3])))),
        "discovered": {
            "count": sum(number for _path, number in state.discovery.directories),
            "cut_short": state.discovery.cut_short[:SAMPLES],
            "samples": [{"path": display(path), "features": number} for path, number in state.discovery.directories[:SAMPLES]],
        },
    }


def _counted(found: Sequence[Any], sample: Callable[[Any], Any]) -> Dict[str, Any]:
    return {"count": len(found), "samples": [sample(one) for one in found[:SAMPLES]]}


def _at(state: SetState, name: str, reason: str) -> Dict[str, str]:
    return {"path": display(f"{state.target}/{name}"), "reason": reason}


def _target(state: SetState, host_mounts: str) -> Dict[str, Any]:
    features = state.features
    info = state.scan.info
    return {
        "path": display(state.target),
        "state": state.scan.state,
        "features": len(features),
        "links": sum(entry.kind in (model.LINK, model.DANGLING) for entry in state.scan.entries),
        "dangling": sum(entry.kind == model.DANGLING for entry in state.scan.entries),
        "stray": len(state.plan.stray),
        "rejected": sum(not entry.is_feature and bool(entry.classification.kind) for entry in state.read),
        "damaged": sum(entry.classification.kind == classify.DAMAGED for entry in state.read),
        "bytes": sum(entry.size for entry in features),
        "owner": user_name(info.st_uid) if info else None,
        "group": group_name(info.st_gid) if info else None,
        "mode": f"{stat.S_IMODE(info.st_mode):04o}" if info else None,
        "filesystem": network_file_system(info.st_dev, host_mounts) if info else None,
    }


def _legacy(one: model.LegacyScan) -> Dict[str, Any]:
    return {
        "path": display(one.place.path),
        "state": one.state,
        "features": len(one.features),
        "rejected": len(one.rejected),
        "damaged": sum(entry.classification.kind == classify.DAMAGED for entry in one.rejected),
        "bytes": sum(entry.size for entry in one.features),
        "same_as": display(one.same_as) if one.same_as else None,
        "closed": _counted(one.closed, display),
    }


def _rejected(state: SetState) -> Dict[str, Any]:
    """Return the classified files that are no features, in the target and in legacy directories; every reason comes first once."""
    entries = [(one.place.path, entry) for one in state.legacy for entry in one.rejected]
    entries += [(state.target, entry) for entry in state.read if not entry.is_feature and entry.classification.kind]
    first: Dict[Tuple[str, str], model.Entry] = {}
    repeated: List[Dict[str, str]] = []
    for directory, entry in entries:
        if first.setdefault((directory, entry.classification.reason), entry) is not entry:
            keep(repeated, _sample(directory, entry))
    samples = [_sample(directory, entry) for (directory, _reason), entry in list(first.items())[:SAMPLES]]
    return {"count": len(entries), "samples": (samples + repeated)[:SAMPLES]}


def _sample(directory: str, entry: model.Entry) -> Dict[str, str]:
    return {"path": f"{display(directory)}/{display(entry.path)}", "reason": entry.classification.reason}
