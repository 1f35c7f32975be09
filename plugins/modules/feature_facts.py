#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspects the directories of all feature sets in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_facts
short_description: Find features in targets and legacy directories
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Inspects the targets and legacy directories of all feature sets, recognises features by their content, and returns facts, with a
    status code for each set and for the host.
  - The status is V(0) for no features anywhere, V(1) for features in the target only, V(2) for features in legacy directories only,
    V(3) for features in both, and null if it is unknown.
  - It never fails because of a status.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.plan.remember
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.reads
seealso:
  - module: trainprep.features.feature_prepare
  - module: trainprep.features.feature_links
  - module: trainprep.features.feature_access
"""

EXAMPLES = r"""
- name: Inspect the host
  trainprep.features.feature_facts:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        legacy:
          - /home/ubuntu/audio_emotion/models/wav2vec
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    user: ubuntu

- name: Show the status
  ansible.builtin.debug:
    var: ansible_facts['feature_status']
"""

RETURN = r"""
ansible_facts:
  description: What was found.
  returned: always
  type: dict
  contains:
    feature_status:
      description: The host's status, 0 to 3, or null if it is unknown.
      type: int
      sample: 2
    features_ready:
      description: Whether every required set is ready.
      type: bool
    features_will_be_ready:
      description: Whether every required set is ready once the role has done what this inspection plans.
      type: bool
    feature_steps:
      description:
        - The pending steps of this host in their order, out of C(publish), C(link) (which also removes links), C(upload) and C(grant).
        - If a set has an obstacle, only C(publish). With O(trainprep.features.feature_prepare#module:state=absent), C(unlink).
      type: list
      elements: str
      sample: [link]
    feature_run:
      description: An identifier of the run of Ansible that these facts are of, the same for all hosts.
      type: str
      sample: 6f1ed002ab5595859014ebf0951522d9
    feature_digest:
      description:
        - SHA-256 over the digests of all sets, by name; null if a set has none. Equal on hosts whose trainers see the same data.
      type: str
      sample: 8d3f4c1e0b6a5d2f8d3f4c1e0b6a5d2f8d3f4c1e0b6a5d2f8d3f4c1e0b6a5d2f
    feature_sets:
      description:
        - By set name, its status, readiness, problems, warnings, counts and directories.
        - C(planned) are the problems that a run would clear, C(will_be_ready) is whether the set is ready after that run.
        - C(closed) of a legacy directory counts the folders in it that were not entered (O(sets[].hidden)). What lies there is
          C(discovered) if there are no features elsewhere.
        - C(copies) are names that are not linked, since another name is the same feature.
        - C(digest) is the SHA-256 over the names below the target and the identities of the features that the trainer sees there now.
          It is null, with the reason in C(digest_reason), if data would have to be read for it (a format without checksums, unless
          the set says C(verify=full)) or the target could not be scanned in full.
        - C(declared) is the set as it was given.
      type: dict
      sample:
        wav2vec:
          status: 2
          ready: false
          will_be_ready: true
          problems: ["/data/wav2vec_features lacks 1248 features that legacy directories hold"]
          planned: ["/data/wav2vec_features lacks 1248 features that legacy directories hold"]
          warnings: []
          features: 1248
          to_link: 1248
          to_remove: 0
          to_upload: false
          digest: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          digest_reason: null
          target: {path: /data/wav2vec_features, state: absent, features: 0, links: 0, dangling: 0, stray: 0, rejected: 0, bytes: 0}
          incoming: {state: absent, features: 0, complete: false}
          legacy:
            - {path: /home/ubuntu/audio_emotion/models/wav2vec, state: present, features: 1248, rejected: 0, bytes: 511180800}
          access: {user: ubuntu, unreadable: 0, to_grant: 0, samples: []}
          rejected: {count: 0, samples: []}
          copies: {count: 0, samples: []}
          conflicts: {count: 0, samples: []}
          discovered: {count: 0, cut_short: [], samples: []}
          declared: {name: wav2vec, target: /data/wav2vec_features}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._cache.lookup import lookup
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS, REMEMBER
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(argument_spec={**PLAN_ARGUMENTS, **REMEMBER}, supports_check_mode=True)
    result: Dict[str, Any] = {}
    with failing(module):
        found = lookup(module.params, find_account(module.params["user"]))
        if found is None:
            # Imported if needed: an unchanged host needs none of it.
            from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import (
                find_facts,
                request_of,
            )

            find_facts(module.params, request_of(module.params, module.check_mode), result)
            found = result["ansible_facts"]
        module.exit_json(changed=False, ansible_facts=found)


if __name__ == "__main__":
    main()
