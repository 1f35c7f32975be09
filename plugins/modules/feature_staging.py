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
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import (
    pack_choice,
    staging_path,
    unpack_manifest,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import (
    SETS_ARGUMENTS,
    parse_sets_and_user,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display
from ansible_collections.trainprep.features.plugins.module_utils._upload.plan import (
    Receiving,
    Reserved,
    prepare_receiving,
    search_path,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import told
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


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
    found: Dict[str, Any] = {}
    changed = False
    reserved: Dict[int, Reserved] = {}
    claimed: Dict[str, str] = {}
    with failing(module):
        sets, account = parse_sets_and_user(module.params)
        for one in sets:
            if one.name not in module.params["manifests"]:
                continue
            manifest = unpack_manifest(module.params["manifests"][one.name])
            with told(staging_path(one.target)):
                result = prepare_receiving(one, one.target, account, manifest, module.check_mode, reserved, sets, claimed)
            found[one.name] = _as_dict(result, pack_choice(manifest, result.send))
            changed = changed or result.changed
    rsync = shutil.which("rsync", path=search_path())
    module.exit_json(changed=changed, sets=found, rsync=rsync)


def _as_dict(result: Receiving, choice: str) -> Dict[str, Any]:
    return {
        "staging": result.staging,
        "shown": display(result.staging),
        "key": ":".join(str(number) for number in result.key or ()),
        "busy": result.busy,
        "send": choice,
        "send_count": len(result.send),
        "staged": result.staged,
        "staged_bytes": result.staged_bytes,
        "present": result.present,
        "elsewhere": result.elsewhere,
        "warnings": result.warnings,
    }


if __name__ == "__main__":
    main()
