# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host made ready for the upload of some sets: all of them are checked before the first one is changed."""

from __future__ import annotations

import os
import shutil
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .._scan import staging_paths
from .._scan.manifest import Manifest, pack_choice, unpack_manifest
from .._spec.sets import FeatureSet
from .._system import accounts, capabilities, owners, paths
from . import requirements, staging


def stage_sets(
    sets: Sequence[FeatureSet], account: accounts.Account, manifests: Mapping[str, str], check_mode: bool
) -> Dict[str, Any]:
    """What an upload has to know: C(changed); by set name where it gathers and what has to be sent there; the host's C(rsync).

    manifests: by name of the set, what its source holds, packed. FeatureError with what stands in the way.
    """
    requirements.check_tools()
    found = _prepare(sets, account, manifests, stage=False) if check_mode or len(manifests) > 1 else {}
    if not check_mode and not any(one["busy"] for one in found.values()):
        found = _prepare(sets, account, manifests, stage=True)
    changed = any(one.pop("changed") for one in found.values())
    return {"changed": changed, "sets": found, "rsync": shutil.which("rsync", path=requirements.search_path())}


def _prepare(sets: Sequence[FeatureSet], account: accounts.Account, manifests: Mapping[str, str], stage: bool) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    claimed: Dict[str, str] = {}
    rooms: Tuple[requirements.Room, ...] = ()
    for one in sets:
        if one.name not in manifests:
            continue
        manifest = unpack_manifest(manifests[one.name])
        beside = os.path.dirname(staging_paths.staging_path(one.target))
        writer = capabilities.choose_writer(beside, account, requirements.needs_of(one.target))
        if writer.uid != os.geteuid():
            requirements.check_tools([requirements.STEP_DOWN])
        with staging.told(staging_paths.staging_path(one.target)):
            request = staging.Request(one, sets, account, manifest, claimed, rooms)
            prepared: staging.Prepared = owners.as_owner(writer, staging.prepare_upload, request, stage)
        found[one.name] = {**_as_dict(prepared), **_planned(prepared, manifest), "step_down": _step_down(writer)}
        if prepared.plan is not None and prepared.room is not None:
            rooms += (prepared.room,)
            for name, wanted in prepared.plan.wanted.items():
                claimed[wanted.token] = paths.display(os.path.join(one.target, name))
    return found


def _step_down(writer: accounts.Account) -> List[str]:
    """What goes before a command of root's so that it runs as the user who may write there."""
    if writer.uid == os.geteuid():
        return []
    setpriv = shutil.which(requirements.STEP_DOWN[0], path=requirements.search_path()) or requirements.STEP_DOWN[0]
    return [setpriv, f"--reuid={writer.uid}", f"--regid={writer.gid}", f"--groups={','.join(map(str, writer.groups))}", "--"]


def _as_dict(prepared: staging.Prepared) -> Dict[str, Any]:
    return {
        "staging": prepared.staging,
        "shown": paths.display(prepared.staging),
        "key": ":".join(str(number) for number in prepared.key or ()),
        "upload": prepared.upload,
        "busy": prepared.plan is None,
        "changed": prepared.changed,
    }


def _planned(prepared: staging.Prepared, manifest: Manifest) -> Dict[str, Any]:
    plan = prepared.plan
    if plan is None:
        return {}
    return {
        "send": pack_choice(manifest, plan.send),
        "send_count": len(plan.send),
        "staged": len(plan.staged),
        "staged_bytes": plan.size_of(plan.staged),
        "present": plan.missing.present,
        "elsewhere": plan.missing.elsewhere,
        "warnings": list(plan.missing.warnings),
    }
