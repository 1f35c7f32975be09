#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn complete staging directories into the targets' content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_publish
short_description: Turn a complete staging directory into the target's content
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Publishes what P(trainprep.features.feature_upload#module) has gathered in a set's staging directory,
    C(.<target name>.incoming), once it is whole.
  - Each feature is compared with what the source held (name, size, identity) and classified again. One that is missing
    or differs means that nothing of the set is published.
  - The whole directory is renamed where the target is absent or empty; where it holds other files, each feature is
    moved by itself. Nothing is ever overwritten.
  - It may be killed at any time; run again, it finishes.
  - Sets without a staging directory are passed over.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.refresh_facts
options:
  names:
    description: Which of O(sets) to publish; by default all.
    type: list
    elements: str
  wait:
    description: How many seconds another upload or publication of the same set is waited for.
    type: float
    default: 60
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row, outside check mode, with the same arguments, the second changes nothing.
    support: full
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: posix
seealso:
  - module: trainprep.features.feature_upload
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Publish what feature_upload has gathered, in this run or in one that was killed
  trainprep.features.feature_publish:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    user: ubuntu
  become: true
"""

RETURN = r"""
ansible_facts:
  description: What is true now, as M(trainprep.features.feature_facts) returns it.
  returned: with O(refresh_facts=true), but not in check mode
  type: dict
  sample: {feature_status: 1, features_ready: true, feature_sets: {}}
sets:
  description: What was, or in check mode would be, published of each set that had something to publish or to refuse.
  returned: always
  type: dict
  sample:
    wav2vec:
      published: 600
      bytes: 240000000
      whole_directory: true
      refused: []
"""

import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import parse_arguments
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._steps.refresh import (
    REFRESH_FACTS,
    refresh_facts,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish_sets
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Arguments in, publish each set, counts out."""
    module = AnsibleModule(
        argument_spec={
            **PLAN_ARGUMENTS,
            **REFRESH_FACTS,
            "names": {"type": "list", "elements": "str"},
            "wait": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    done: Dict[str, Any] = {}
    with failing(module, sets=done):
        sets, account, policy = parse_arguments(module.params)
        result = publish_sets(sets, account, module.params["names"], done, module.check_mode, module.params["wait"])
        if "failed" in result:
            module.fail_json(**result)
        module.exit_json(**result, **refresh_facts(module, sets, account, policy))


if __name__ == "__main__":
    main()
