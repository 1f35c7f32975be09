#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of feature_upload where the source is an rclone remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_fetch
short_description: Fetch features from an object store into a staging directory
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - The part of P(trainprep.features.feature_upload#module) that runs on the host where a set's C(source) is an rclone
    remote. It starts rclone, tells how far it is, and judges what has arrived.
  - Not meant to be called by itself.
extends_documentation_fragment:
  - trainprep.features.sets
options:
  fetch:
    description: The name of the set that is fetched. The others are only looked at, for what they hold already.
    type: str
    required: true
  state:
    description: Whether to start rclone, to look how far it is, or to classify what it has brought.
    type: str
    choices: [start, look, finish]
    required: true
  environment:
    description: Variables for rclone, among them the credentials.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row, outside check mode, with the same arguments, the second changes nothing.
    support: none
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: posix
seealso:
  - module: trainprep.features.feature_upload
"""

EXAMPLES = r"""
- name: Look how far a fetch is; feature_upload calls it again and again
  trainprep.features.feature_fetch:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        source: store:features/wav2vec
    fetch: wav2vec
    state: look
  become: true
"""

RETURN = r"""
fetch:
  description: What there is to fetch, how far rclone is, or what has arrived, by O(state).
  returned: success
  type: dict
  sample: {files: 12, bytes: 4800000, running: true, error: ""}
"""

import os
from dataclasses import asdict
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import staging_path
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import (
    SETS_ARGUMENTS,
    parse_sets_and_user,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display
from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import (
    finish_fetch,
    inspect_fetch,
    start_fetch,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import told
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Arguments in, one step of a fetch, its figures out."""
    module = AnsibleModule(
        argument_spec={
            **SETS_ARGUMENTS,
            "fetch": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["start", "look", "finish"], "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    with failing(module):
        sets, account = parse_sets_and_user(module.params)
        one = next(one for one in sets if one.name == module.params["fetch"])
        with told(staging_path(one.target)):
            fetch = _step(module, sets, account, one)
        module.exit_json(changed=bool(fetch.pop("changed", False)), fetch=fetch)


def _step(module: AnsibleModule, sets: List[FeatureSet], account: Account, one: FeatureSet) -> Dict[str, Any]:
    environment = dict(os.environ)
    environment.update({str(name): str(value) for name, value in module.params["environment"].items()})
    secrets = {str(name): str(value) for name, value in module.params["environment"].items()}
    if module.params["state"] == "look":
        return asdict(inspect_fetch(one, one.target, account, secrets))
    if module.params["state"] == "finish":
        return asdict(finish_fetch(one, one.target, account, sets))
    started = start_fetch(one, one.target, account, environment, secrets, module.check_mode, {})
    return {
        "changed": started.changed,
        "shown": display(started.staging),
        "busy": started.busy,
        "send_count": len(started.send),
        "send_bytes": started.send_bytes,
        "staged": started.staged,
        "staged_bytes": started.staged_bytes,
    }


if __name__ == "__main__":
    main()
