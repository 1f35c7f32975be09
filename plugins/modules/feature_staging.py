#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of feature_upload."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_staging
short_description: Prepare a host for an upload of features
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - The part of P(trainprep.features.feature_upload#module) that runs on the host. It finds out which features the host
    lacks, whether they fit, makes the staging directory, and leaves there the list of what the source holds.
  - Not meant to be called by itself.
extends_documentation_fragment:
  - trainprep.features.sets
  - trainprep.features.naming
options:
  manifests:
    description: By name of the set, what its source holds, packed. Only these sets are prepared.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row, outside check mode, with the same arguments, the second changes nothing.
    support: full
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: posix
seealso:
  - module: trainprep.features.feature_upload
"""

EXAMPLES = r"""
- name: Ask what an upload of nothing would need; feature_upload calls it with what a source holds
  trainprep.features.feature_staging:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
    manifests: {}
  become: true
"""

RETURN = r"""
sets:
  description: By name of the set, where its upload gathers and what has to be sent there.
  returned: success
  type: dict
  sample:
    wav2vec:
      staging: /data/.wav2vec_features.incoming
      key: "2049:131073"
      upload: 3f9c0a51b2d4e687
      step_down: []
      busy: false
      send: AAAB
      send_count: 600
      staged: 0
      staged_bytes: 0
      present: 0
      elsewhere: 0
rsync:
  description: Path of the rsync on the host.
  returned: success
  type: str
  sample: /usr/bin/rsync
"""

import os
import shutil
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import (
    Manifest,
    pack_choice,
    unpack_manifest,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging_paths import staging_path
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import (
    SETS_ARGUMENTS,
    parse_sets_and_user,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.capabilities import (
    as_writer,
    choose_writer,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import (
    STEP_DOWN,
    Room,
    check_tools,
    needs_of,
    search_path,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import (
    Prepared,
    Request,
    prepare_upload,
    told,
)
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing

Manifests = Dict[str, str]


def main() -> None:
    """Arguments in, prepare each set, what has to be sent out."""
    module = AnsibleModule(
        argument_spec={
            **SETS_ARGUMENTS,
            "manifests": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    with failing(module):
        check_tools()
        manifests = module.params["manifests"]
        found = _prepare(module, manifests, stage=False) if module.check_mode or len(manifests) > 1 else {}
        if not module.check_mode and not any(one["busy"] for one in found.values()):
            # All sets have been checked before the first one is changed.
            found = _prepare(module, manifests, stage=True)
    changed = any(one.pop("changed") for one in found.values())
    module.exit_json(changed=changed, sets=found, rsync=shutil.which("rsync", path=search_path()))


def _prepare(module: AnsibleModule, manifests: Manifests, stage: bool) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    found: Dict[str, Any] = {}
    claimed: Dict[str, str] = {}
    rooms: Tuple[Room, ...] = ()
    for one in sets:
        if one.name not in manifests:
            continue
        manifest = unpack_manifest(manifests[one.name])
        writer = choose_writer(os.path.dirname(staging_path(one.target)), account, needs_of(one.target))
        if writer is not None:
            check_tools([STEP_DOWN])
        with told(staging_path(one.target)):
            request = Request(one, sets, account, manifest, claimed, rooms)
            prepared: Prepared = as_writer(writer, prepare_upload, request, stage)
        found[one.name] = {**_as_dict(prepared), **_planned(prepared, manifest), "step_down": _step_down(writer)}
        if prepared.plan is not None and prepared.room is not None:
            rooms += (prepared.room,)
            for name, wanted in prepared.plan.wanted.items():
                claimed[wanted.token] = display(os.path.join(one.target, name))
    return found


def _step_down(writer: Optional[Account]) -> List[str]:
    """What goes before a command of root's so that it runs as the user who may write there."""
    if writer is None:
        return []
    setpriv = shutil.which(STEP_DOWN[0], path=search_path()) or STEP_DOWN[0]
    return [setpriv, f"--reuid={writer.uid}", f"--regid={writer.gid}", f"--groups={','.join(map(str, writer.groups))}", "--"]


def _as_dict(prepared: Prepared) -> Dict[str, Any]:
    return {
        "staging": prepared.staging,
        "shown": display(prepared.staging),
        "key": ":".join(str(number) for number in prepared.key or ()),
        "upload": prepared.upload,
        "busy": prepared.plan is None,
        "changed": prepared.changed,
    }


def _planned(prepared: Prepared, manifest: Manifest) -> Dict[str, Any]:
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


if __name__ == "__main__":
    main()
