#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links features into the targets that lack them, all sets in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_links
short_description: Link features of legacy directories into the targets
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Links each feature of the legacy directories into the target, if the target lacks it.
  - The plan is complete, and free of conflicts, before the first link is made. A regular file is never replaced or removed.
  - A target that is absent is created, owned by the training user, with mode 0755. One that exists keeps its owner and mode.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.changes
options:
  state:
    description:
      - With V(present), missing links are made.
      - With V(absent), exactly the links that V(present) would have made are removed.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Link what earlier models left
  trainprep.features.feature_links:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        legacy:
          - /home/ubuntu/audio_emotion/models/wav2vec
    user: ubuntu
  become: true
"""

RETURN = r"""
ansible_facts:
  description: What is true now, as M(trainprep.features.feature_facts) returns it; in check mode, what is true before.
  returned: always
  type: dict
sets:
  description:
    - By set name, what was done, or would be done in check mode.
    - C(linked) counts links made, those in place of dangling ones included, C(replaced) only the latter, C(removed) links removed, C(kept)
      wanted names that the target holds already. C(created_target) is whether the target was created.
    - C(samples) are at most ten of the actions, each with C(action), C(path) and C(text).
  returned: success
  type: dict
  sample:
    wav2vec: {linked: 1248, replaced: 0, removed: 0, kept: 0, created_target: true, samples: []}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._plan.steps import LINK, UNLINK
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS, STATE
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import do_step, request_of
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(argument_spec={**PLAN_ARGUMENTS, **STATE}, supports_check_mode=True)
    result: Dict[str, Any] = {}
    with failing(module, result):
        do_step(UNLINK if module.params["state"] == "absent" else LINK, request_of(module.params, module.check_mode), result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
