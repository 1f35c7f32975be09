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
  - trainprep.features.naming
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
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging_paths import staging_path
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import parse_sets_and_user
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import SETS_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._system.capabilities import choose_writer
from ansible_collections.trainprep.features.plugins.module_utils._system.owners import as_owner
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display
from ansible_collections.trainprep.features.plugins.module_utils._upload.fetch import (
    finish_fetch,
    inspect_fetch,
    start_fetch,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.rclone import find_rclone
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import needs_of
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
        fetch = _step(module)
        module.exit_json(changed=bool(fetch.pop("changed", False)), fetch=fetch)


def _step(module: AnsibleModule) -> Dict[str, Any]:
    sets, account = parse_sets_and_user(module.params)
    one = next(one for one in sets if one.name == module.params["fetch"])
    handed_on = {str(name): str(value) for name, value in module.params["environment"].items()}
    writer = choose_writer(os.path.dirname(staging_path(one.target)), account, needs_of(one.target))
    rclone = find_rclone(str(one.source), handed_on, _home(writer))
    with told(staging_path(one.target)):
        if module.params["state"] == "look":
            return asdict(as_owner(writer, inspect_fetch, one, account, rclone))
        if module.params["state"] == "finish":
            return asdict(as_owner(writer, finish_fetch, one, account, sets))
        started = asdict(as_owner(writer, start_fetch, one, account, rclone, not module.check_mode))
    return {**started, "shown": display(started.pop("staging")), "send_count": started.pop("send")}


def _home(writer: Account) -> str:
    """Where rclone's configuration and credentials lie: those of the user that it runs as."""
    return writer.home if writer.uid != os.geteuid() else os.environ.get("HOME", "/")


if __name__ == "__main__":
    main()
