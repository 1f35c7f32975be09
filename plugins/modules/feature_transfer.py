#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of feature_upload."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_transfer
short_description: The host's side of feature_upload
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Internal. P(trainprep.features.feature_upload#module) runs it on the host.
extends_documentation_fragment:
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.attributes.posix
options:
  step:
    description:
      - With V(stage), find out what the host lacks of the sources, make the staging directories, and start a receiver for each.
      - With V(fetch), have rclone fetch a set from an object store into its staging directory.
      - With V(reach), find out which hosts this one can reach by SSH, and make a key pair for one transfer.
      - With V(offer), let another host receive a set from this one, once.
      - With V(forget), remove that key pair.
      - With V(receive), receive a set from another host into its staging directory.
    type: str
    choices: [stage, fetch, reach, offer, receive, forget]
    required: true
  request:
    description: What the step needs (e.g. the packed manifests of the sources, the set to fetch, the other host), by step.
    type: dict
    default: {}
  environment:
    description: With O(step=fetch), variables for rclone, credentials included.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows what it changes.
    support: none
seealso:
  - module: trainprep.features.feature_upload
"""

EXAMPLES = r"""
- name: Find out whether the host can receive uploads
  trainprep.features.feature_transfer:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    step: stage
    request: {sources: {}}
  check_mode: true
  become: true
"""

RETURN = r"""
fetch:
  description: Each step returns what P(trainprep.features.feature_upload#module) needs, in a key of its own name.
  returned: with O(step=fetch)
  type: dict
  sample: {shown: /data/.wav2vec_features.incoming, busy: false, send_count: 600, send_bytes: 240000000, staged: 0, staged_bytes: 0}
"""

import os
from typing import Any, Callable, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import parse_sets_and_user
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import SETS_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload import session
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing

Sets = List[FeatureSet]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SETS_ARGUMENTS,
            "step": {"type": "str", "choices": list(_STEPS), "required": True},
            "request": {"type": "dict", "default": {}},
            "environment": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    with failing(module):
        if module.params["step"] in _LEAVE_PROCESSES and not module.check_mode:
            session.outlive_connection("trainprep-upload")
        sets, account = parse_sets_and_user(module.params)
        module.exit_json(**_STEPS[module.params["step"]](module, sets, account, module.params["request"]))


# What a step needs is imported by it: a host compiles all that it imports, in each execution.
def _stage(module: AnsibleModule, sets: Sets, account: Account, request: Dict[str, Any]) -> Dict[str, Any]:
    from ansible_collections.trainprep.features.plugins.module_utils._upload.stage_sets import stage_sets

    uid = None if module.check_mode else request.get("connecting_uid")
    return dict(stage_sets(sets, account, request["sources"], uid, request.get("streams", 1)))


def _fetch(module: AnsibleModule, sets: Sets, account: Account, request: Dict[str, Any]) -> Dict[str, Any]:
    from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import (
        finish_fetch,
        start_fetch,
        wait_for_fetch,
    )

    one = next(one for one in sets if one.name == request["set"])
    environment = {str(name): str(value) for name, value in module.params["environment"].items()}
    if request["state"] == "wait":
        return {"fetch": wait_for_fetch(one, account, environment, request.get("patience", 0.0))}
    if request["state"] == "finish":
        return {"fetch": finish_fetch(one, account, sets)}
    started = start_fetch(one, account, environment, not module.check_mode)
    return {"changed": started.pop("changed"), "fetch": started}


def _peer(module: AnsibleModule, sets: Sets, account: Account, request: Dict[str, Any]) -> Dict[str, Any]:
    from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_steps

    step = module.params["step"]
    found: Dict[str, Any] = peer_steps.STEPS[step](sets, account, request, module.check_mode)
    return {"changed": bool(found.pop("changed", False)), step: found}


_STEPS: Dict[str, Callable[..., Dict[str, Any]]] = {
    "stage": _stage,
    "fetch": _fetch,
    **dict.fromkeys(("reach", "offer", "forget", "receive"), _peer),
}
# These may leave a receiver, a sender or an rclone, for which the next step's connection may come late.
_LEAVE_PROCESSES = ("stage", "fetch", "offer")


if __name__ == "__main__":
    main()
