#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's first step: looks, and links where that is all there is to do, in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_prepare
short_description: Look at a host, and link its features where nothing else is due
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Looks at the host as M(trainprep.features.feature_facts) does. Where links are the only step that is due, carries that plan out as
    M(trainprep.features.feature_links) does, and looks again. Where anything else is due, it changes nothing.
  - With O(publish) it publishes first, as P(trainprep.features.feature_upload#module) does at its end, and looks then, without linking.
  - Where nothing is left to do after a look, the report and the verdict are told with the result, so that no further task has to.
  - It is the first task of the role C(prepare_features), which does the rest, and works without the role too.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.remember
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.changes
options:
  publish:
    description:
      - Sets whose staging directories are to be published, by name. It is the same execution as a look, and on the controller the same
        packed module, so that a role that looks, uploads and publishes packs one.
    type: list
    elements: str
    default: []
  done:
    description:
      - With O(publish), what was done before, by step, for the report; as O(trainprep.features.feature_report#module:done).
      - It stays on the controller.
    type: dict
    default: {}
  state:
    description:
      - With V(absent), links are left as they are, for M(trainprep.features.feature_links) to take them away, and nothing is searched for.
    type: str
    choices: [present, absent]
    default: present
  report_dir:
    description: Where the fleet's report is going to be written, as in M(trainprep.features.feature_report).
    type: str
    default: ""
  fail_on:
    description: What M(trainprep.features.feature_report) is going to end the host's run for. Where there is that, nothing is told here.
    type: str
    choices: [nothing, obstacles, unready]
    default: nothing
seealso:
  - module: trainprep.features.feature_facts
  - module: trainprep.features.feature_links
  - module: trainprep.features.feature_report
"""

EXAMPLES = r"""
- name: Link what earlier models left, where nothing else is due
  trainprep.features.feature_prepare:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        legacy:
          - /home/ubuntu/audio_emotion/models/wav2vec
    user: ubuntu
  become: true
  register: prepared

- name: Say what is left to do
  ansible.builtin.debug:
    var: prepared.due
"""

RETURN = r"""
ansible_facts:
  description: What is true now, as M(trainprep.features.feature_facts) returns it; in check mode, what is true before.
  returned: always, except with O(publish) in check mode
  type: dict
  sample: {feature_status: 3, features_ready: true, feature_sets: {}}
found_status:
  description: The status of the host before anything was done.
  returned: without O(publish)
  type: int
  sample: 2
due:
  description: Of the steps in C(feature_steps), those that are left to be done.
  returned: always, except with O(publish) in check mode
  type: list
  elements: str
  sample: []
sets:
  description:
    - By set name, what was linked, or would be in check mode, as M(trainprep.features.feature_links) returns it.
    - With O(publish), what was published, as M(trainprep.features.feature_transfer) returns it.
  returned: always
  type: dict
  sample:
    wav2vec: {linked: 1248, replaced: 0, removed: 0, kept: 0, created_target: true, samples: []}
step:
  description: What RV(sets) tells of, V(link) or V(publish).
  returned: always
  type: str
  sample: link
reported:
  description: Whether the report was told.
  returned: always
  type: bool
  sample: true
"""

import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS, REMEMBER
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import (
    is_due_alone,
    link_as_planned,
)
from ansible_collections.trainprep.features.plugins.module_utils._steps.remember import inspect_or_recall
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Arguments in; one look, before it what is to be published, after it perhaps links and another look; facts out."""
    module = AnsibleModule(
        argument_spec={
            **PLAN_ARGUMENTS,
            **REMEMBER,
            "publish": {"type": "list", "elements": "str", "default": []},
            "done": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "report_dir": {"type": "str", "default": ""},
            "fail_on": {"type": "str", "choices": ["nothing", "obstacles", "unready"], "default": "nothing"},
        },
        supports_check_mode=True,
    )
    if module.params["publish"]:
        _publish(module)
    if module.params["state"] == "absent":
        module.params["search_roots"] = []
    with failing(module):
        account = find_account(module.params["user"] or None)
        found = inspect_or_recall(module.params, account, module.check_mode)
    facts, status = found.facts, found.facts["feature_status"]
    result = {"changed": False, "step": "link", "ansible_facts": facts, "found_status": status, "due": facts["feature_steps"], "sets": {}}
    if module.params["state"] == "present" and is_due_alone(found):
        # A host that cannot be linked is told with what the look has found.
        with failing(module, ansible_facts=facts):
            result.update(link_as_planned(found, module.params, module.check_mode))
        result["due"] = [] if module.check_mode else result["ansible_facts"]["feature_steps"]
    module.exit_json(**result)


def _publish(module: AnsibleModule) -> None:
    from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import parse_arguments
    from ansible_collections.trainprep.features.plugins.module_utils._steps.refresh import facts_now
    from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish_sets

    os.umask(0o022)
    done: Dict[str, Any] = {}
    with failing(module, step="publish", sets=done):
        sets, account, policy = parse_arguments(module.params)
        result = {"step": "publish", **publish_sets(sets, account, module.params["publish"], done, module.check_mode)}
        if "failed" in result:
            module.fail_json(**result)
        if not module.check_mode:
            facts = facts_now(sets, account, policy, module.params["sets"])
            result.update(ansible_facts=facts, due=facts["feature_steps"])
        module.exit_json(**result)


if __name__ == "__main__":
    main()
