#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Grants the training user the least access that it lacks, all sets in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_access
short_description: Let the training user read the features
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Grants the training user the least access that it lacks, to pass the directories above the features, to list and pass the directories
    of features, and to read the features.
  - The access is granted by an ACL entry for that user alone, so no other user gains anything.
  - Only features in declared directories, these directories, and the directories above them are touched; never the root
    directory, never through a link that others than root can change, and below a directory that a user can write only objects
    that this same user owns.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.changes
seealso:
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Let user trainer read what earlier models of user ubuntu left
  trainprep.features.feature_access:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        legacy:
          - /home/ubuntu/audio_emotion/models/wav2vec
    user: trainer
  become: true
"""

RETURN = r"""
ansible_facts:
  description: What is true now, as M(trainprep.features.feature_facts) returns it; in check mode, what is true before.
  returned: always
  type: dict
sets:
  description:
    - By set name, what was granted, or would be in check mode. An object that two sets need counts for the first.
    - C(granted) counts files, C(directories) directories. C(widened) is how many of both were opened by mode bits, and so for others
      too. C(refused) counts features that stay closed.
    - C(warnings) say for whom mode bits opened what, and why something was refused, about ten messages at most.
    - C(samples) are at most ten of the changes, each with C(path), and its permissions C(old) and C(new).
  returned: success
  type: dict
  sample:
    wav2vec:
      granted: 8690
      directories: 4
      widened: 0
      refused: 0
      samples:
        - path: /home/ubuntu
          old: user::rwx,group::r-x,other::---
          new: user::rwx,user:trainer:--x,group::r-x,mask::r-x,other::---
      warnings: []
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._plan.steps import GRANT
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import do_step, request_of
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(argument_spec=PLAN_ARGUMENTS, supports_check_mode=True)
    result: Dict[str, Any] = {}
    with failing(module, result):
        do_step(GRANT, request_of(module.params, module.check_mode), result)
        for one in result["sets"].values():
            for warning in one["warnings"]:
                module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
