#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that a host can do by itself, in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_prepare
short_description: Inspect a host, and publish, link and grant what it needs
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Inspects the host as M(trainprep.features.feature_facts) does, then does everything that the host can do by itself, and inspects it
    again, in one execution.
  - Its steps, in this order, are V(publish) (a finished staging directory that an earlier upload left), V(link) (as
    M(trainprep.features.feature_links) does) and V(grant) (as M(trainprep.features.feature_access) does).
  - If a set has an obstacle (its status is null, names are in conflict, or it has nothing and no source), nothing but V(publish) is done.
  - It is the first task of the role C(prepare_features), and works without the role too.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.plan.remember
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.changes
options:
  state:
    description:
      - With V(absent), the only step is V(unlink), which removes exactly the links that V(present) would have made. Nothing is added.
    type: str
    choices: [present, absent]
    default: present
  uploaded:
    description:
      - Names of sets whose staging directories are published before anything else, because M(trainprep.features.feature_upload) has just
        filled them. It is an error if one is not complete; other incomplete ones wait for the upload that goes on.
    type: list
    elements: str
    default: []
seealso:
  - module: trainprep.features.feature_facts
  - module: trainprep.features.feature_links
  - module: trainprep.features.feature_access
  - module: trainprep.features.feature_report
"""

EXAMPLES = r"""
- name: Link what earlier models left, and let the user read it
  trainprep.features.feature_prepare:
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
  description:
    - What is true now, as M(trainprep.features.feature_facts) returns it; in check mode, what is true before.
    - After a failure, what is true then.
    - With O(peers), C(feature_training) tells whether a training that the role C(deploy_training) started is running.
  returned: if the host could be inspected
  type: dict
found_status:
  description: The status of the host before anything was done.
  returned: if the host could be inspected
  type: int
steps:
  description: The steps that were done, or would be in check mode. After a failure, the last one is the step that failed.
  returned: always
  type: list
  elements: str
  sample: [link, grant]
sets:
  description:
    - By set name, what the steps did, or would do in check mode, with the keys of M(trainprep.features.feature_links) and
      M(trainprep.features.feature_access), and C(published) and C(bytes) of what was published. Empty if no step was needed.
  returned: always
  type: dict
  sample:
    wav2vec: {linked: 1248, replaced: 0, removed: 0, kept: 0, created_target: true, samples: []}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._cache.lookup import lookup
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import (
    PLAN_ARGUMENTS,
    REMEMBER,
    STATE,
    UPLOADED,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Return the cached inspection of an unchanged host; run the driver on any other."""
    module = AnsibleModule(argument_spec={**PLAN_ARGUMENTS, **REMEMBER, **STATE, **UPLOADED}, supports_check_mode=True)
    result: Dict[str, Any] = {"changed": False, "sets": {}, "steps": []}
    with failing(module, result):
        known = lookup(module.params, find_account(module.params["user"])) if module.params["state"] == "present" else None
        if known is not None:
            result.update(ansible_facts=known, found_status=known["feature_status"])
        else:
            # Imported if needed: an unchanged host needs none of it.
            from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import (
                prepare,
                request_of,
            )

            prepare(module.params, request_of(module.params, module.check_mode), result)
        if module.params["peers"]:
            from ansible_collections.trainprep.features.plugins.module_utils._training.live import training_runs

            # Never from the cache: a host that is training is the last that others are fed from.
            result["ansible_facts"]["feature_training"] = training_runs()
    for one in result["sets"].values():
        for warning in one.get("warnings", []):
            module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
