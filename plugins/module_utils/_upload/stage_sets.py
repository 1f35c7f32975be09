# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made ready for the upload of some sets: all of them are checked before the first one is changed."""

from __future__ import annotations

import mmap
import os
import shutil
import sys
from functools import partial
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .._scan.manifest import Manifest, pack_choice, unpack_manifest
from .._spec.sets import FeatureSet
from .._system import accounts, become, paths
from . import receiver, requirements, staging, targets
from .plan import UploadPlan


def stage_sets(
    sets: Sequence[FeatureSet], account: accounts.Account, manifests: Mapping[str, str], connecting_uid: Optional[int], streams: int
) -> Dict[str, Any]:
    """Return C(changed), the connecting user's C(python), and by set (C(stage)) what has to be sent and where a receiver waits for it.

    manifests: by name of the set, what its source holds, packed. connecting_uid: who sends, in so many streams; without one this only
    plans. FeatureError if the upload cannot work.
    """
    requirements.check_tools()
    held = targets.Targets(sets, account, dry_run=connecting_uid is None)
    planned = prepare_sets(sets, account, manifests, held) if connecting_uid is None or len(manifests) > 1 else {}
    if connecting_uid is None or _is_busy(planned):
        return _answer(planned)
    rsync = shutil.which("rsync", path=requirements.search_path()) or "rsync"
    pulse = receiver.make_pulse()
    try:
        staged = prepare_sets(sets, account, manifests, held, partial(_start_receiver, connecting_uid, streams, rsync, pulse))
    except BaseException:
        receiver.stop(pulse)
        raise
    if _is_busy(staged):
        receiver.stop(pulse)
    return _answer(staged)


def _is_busy(found: Mapping[str, Any]) -> bool:
    return any(one["busy"] for one in found.values())


def _answer(found: Dict[str, Any]) -> Dict[str, Any]:
    changes = [one.pop("changed") for one in found.values()]
    return {"changed": any(changes), "python": sys.executable, "stage": found}


def _start_receiver(uid: int, streams: int, rsync: str, pulse: mmap.mmap, fd: int, plan: UploadPlan) -> Optional[receiver.Address]:
    # A stream without a file does not connect, so it is not waited for.
    serving = min(streams, len(plan.send))
    return receiver.start_receiver(fd, uid, serving, rsync, pulse) if serving else None


def prepare_sets(
    sets: Sequence[FeatureSet],
    account: accounts.Account,
    manifests: Mapping[str, str],
    held: targets.Targets,
    begin: Optional[staging.Begin] = None,
) -> Dict[str, Any]:
    """Plan and, with C(begin), begin the upload of each set, as the accounts of its site; by set, what has to be sent."""
    found: Dict[str, Any] = {}
    claimed: Dict[str, str] = {}
    rooms: Tuple[requirements.Room, ...] = ()
    for one in sets:
        if one.name not in manifests:
            continue
        manifest = unpack_manifest(manifests[one.name])
        site = requirements.find_site(one.target, account)
        with staging.refusals_named(site.staging):
            request = staging.StagingRequest(one, held.held(one, manifest), site, manifest, claimed, rooms)
            prepared: staging.Prepared = become.run_as(site.keeper, staging.prepare_upload, request, begin is not None, begin)
        found[one.name] = _as_dict(prepared, manifest)
        if prepared.plan is not None and prepared.room is not None:
            rooms += (prepared.room,)
            for name, wanted in prepared.plan.wanted.items():
                claimed[wanted.token] = paths.display(os.path.join(one.target, name))
    return found


def _as_dict(prepared: staging.Prepared, manifest: Manifest) -> Dict[str, Any]:
    plan = prepared.plan
    receiving = prepared.begun._asdict() if isinstance(prepared.begun, receiver.Address) else None
    found = {"shown": paths.display(prepared.staging), "busy": plan is None, "changed": prepared.changed, "receiver": receiving}
    if plan is None:
        return found
    return {
        **found,
        "send": pack_choice(manifest, plan.send),
        "send_count": len(plan.send),
        "send_bytes": plan.size_of(plan.send),
        "staged": len(plan.staged),
        "staged_bytes": plan.size_of(plan.staged),
        "present": plan.missing.present,
        "elsewhere": plan.missing.elsewhere,
        "warnings": list(plan.missing.warnings),
    }
