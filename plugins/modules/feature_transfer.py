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
options:
  step:
    description:
      - With V(stage), find out what the host lacks of O(sources), make the staging directories, and start a receiver for each.
      - With V(fetch), have rclone fetch a set from an object store into its staging directory.
      - With V(publish), turn complete staging directories into the targets' content.
      - With V(reach), find out which hosts this one can reach by SSH, and make a key pair for one transfer.
      - With V(offer), let another host receive a set from this one, once.
      - With V(forget), remove that key pair.
      - With V(receive), receive a set from another host into its staging directory.
    type: str
    choices: [stage, fetch, publish, reach, offer, receive, forget]
    required: true
  peer:
    description:
      - With V(reach), V(offer), V(receive) and V(forget), the other host and the transfer.
    type: dict
    default: {}
  sources:
    description: With O(step=stage), the packed manifest of the source of each set to upload, by the set's name.
    type: dict
    default: {}
  connecting_uid:
    description:
      - With O(step=stage), the user on the host who may use the receivers.
      - Without it the upload is only planned.
    type: int
  streams:
    description: With O(step=stage), how many transfers each receiver serves; with 0, none is started.
    type: int
    default: 1
  fetch:
    description: With O(step=fetch), the name of the set.
    type: str
  state:
    description: With O(step=fetch), whether to start rclone, wait for its end, or classify what it fetched.
    type: str
    choices: [start, wait, finish]
    default: wait
  patience:
    description: With O(state=wait), the seconds after which a running rclone is reported.
    type: float
    default: 0
  environment:
    description: With O(step=fetch), variables for rclone, credentials included.
    type: dict
    default: {}
  names:
    description: With O(step=publish), which of O(sets) to publish; by default all.
    type: list
    elements: str
  wait:
    description: With O(step=publish), the seconds to wait for another upload or publication of the same set.
    type: float
    default: 60
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: partial
    details: With O(step=publish).
  idempotent:
    description: When run twice in a row, outside check mode, with the same arguments, the second changes nothing.
    support: partial
    details: With O(step=publish).
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: posix
seealso:
  - module: trainprep.features.feature_upload
"""

EXAMPLES = r"""
- name: Publish what an upload that was killed has completed
  trainprep.features.feature_transfer:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    step: publish
  become: true
"""

RETURN = r"""
stage:
  description: By set, what has to be sent, and the socket of its receiver.
  returned: with O(step=stage)
  type: dict
  sample: {}
python:
  description: The host's Python interpreter.
  returned: with O(step=stage)
  type: str
  sample: /usr/bin/python3
fetch:
  description: What there is to fetch, how far rclone is, or what it fetched, by O(state).
  returned: with O(step=fetch)
  type: dict
  sample: {files: 12, bytes: 4800000, running: true, error: ""}
reach:
  description: The hosts that this one can reach, with the address of this one that each sees, and the public key of the transfer.
  returned: with O(step=reach)
  type: dict
  sample: {addresses: {gpu-1: 10.0.0.7}, key: ssh-ed25519 AAAA}
offer:
  description: The packed manifest of what this host holds, and the public keys of its sshd.
  returned: with O(step=offer)
  type: dict
  sample: {manifest: "", host_keys: [ssh-ed25519 AAAA]}
receive:
  description: What was staged and received.
  returned: with O(step=receive)
  type: dict
  sample: {busy: false, send_count: 600, send_bytes: 240000000, staged: 0}
publish:
  description: What was published, or in check mode would be, of each set that had something to publish or to refuse.
  returned: with O(step=publish)
  type: dict
  sample:
    wav2vec: {published: 600, bytes: 240000000, whole_directory: true, refused: [], changed: true}
"""

import os
from dataclasses import asdict
from functools import partial
from typing import Any, Callable, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import parse_sets_and_user
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import SETS_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_steps
from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import (
    finish_fetch,
    start_fetch,
    wait_for_fetch,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish_sets
from ansible_collections.trainprep.features.plugins.module_utils._upload.stage_sets import stage_sets
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SETS_ARGUMENTS,
            "step": {"type": "str", "choices": list(_STEPS), "required": True},
            "sources": {"type": "dict", "default": {}},
            "peer": {"type": "dict", "default": {}},
            "connecting_uid": {"type": "int"},
            "streams": {"type": "int", "default": 1},
            "fetch": {"type": "str"},
            "state": {"type": "str", "choices": ["start", "wait", "finish"], "default": "wait"},
            "patience": {"type": "float", "default": 0},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "names": {"type": "list", "elements": "str"},
            "wait": {"type": "float", "default": 60},
        },
        required_if=[("step", "fetch", ["fetch"])],
        supports_check_mode=True,
    )
    os.umask(0o022)
    done: Dict[str, Any] = {}
    with failing(module, publish=done):
        result = _STEPS[module.params["step"]](module, done)
        if result.get("failed"):
            module.fail_json(**result)
        module.exit_json(**result)


def _stage(module: AnsibleModule, _done: Dict[str, Any]) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    uid = None if module.check_mode else module.params["connecting_uid"]
    return dict(stage_sets(sets, account, module.params["sources"], uid, module.params["streams"]))


def _publish(module: AnsibleModule, done: Dict[str, Any]) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    result = publish_sets(sets, account, module.params["names"], done, module.check_mode, module.params["wait"])
    return {**result, "publish": result.pop("sets")}


def _fetch(module: AnsibleModule, _done: Dict[str, Any]) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    one = next(one for one in sets if one.name == module.params["fetch"])
    environment = {str(name): str(value) for name, value in module.params["environment"].items()}
    if module.params["state"] == "wait":
        return {"fetch": asdict(wait_for_fetch(one, account, environment, module.params["patience"]))}
    if module.params["state"] == "finish":
        return {"fetch": asdict(finish_fetch(one, account, sets))}
    started = asdict(start_fetch(one, account, environment, not module.check_mode))
    shown, count = display(started.pop("staging")), started.pop("send")
    return {"changed": started.pop("changed"), "fetch": {**started, "shown": shown, "send_count": count}}


def _peer(step: str, module: AnsibleModule, _done: Dict[str, Any]) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    found: Dict[str, Any] = peer_steps.STEPS[step](sets, account, module.params["peer"], module.check_mode)
    return {"changed": bool(found.pop("changed", False)), step: found}


_STEPS: Dict[str, Callable[[AnsibleModule, Dict[str, Any]], Dict[str, Any]]] = {
    "stage": _stage,
    "fetch": _fetch,
    "publish": _publish,
    **{step: partial(_peer, step) for step in peer_steps.STEPS},
}


if __name__ == "__main__":
    main()
