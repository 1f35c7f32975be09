#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn complete staging directories into the targets' content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_publish
short_description: Turn a complete staging directory into the target's content
version_added: 0.1.0
author: trainprep.features contributors (@trainprep)
description:
  - Publishes what P(trainprep.features.feature_upload#module) has gathered in a set's staging directory,
    C(.<target name>.incoming), once it is whole.
  - Each feature is compared with what the source held (name, size, identity) and judged again. One that is missing
    or differs means that nothing of the set is published.
  - The whole directory is renamed where the target is absent or empty; where it holds other files, each feature is
    moved by itself. Nothing is ever overwritten.
  - It may be killed at any time; run again, it finishes.
options:
  sets:
    description:
      - The feature sets, as in the role variable C(prepare_features_sets).
      - Sets without a staging directory are passed over.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the set.
        type: str
        required: true
      target:
        description: The directory that the trainer reads.
        type: str
        required: true
      legacy:
        description: Directories where an earlier model left features.
        type: list
        elements: str
        default: []
      patterns:
        description: File names that may belong to this set.
        type: list
        elements: str
        default: ["*.npz"]
      exclude:
        description: File names that do not belong to this set.
        type: list
        elements: str
        default: []
      reads:
        description: What the trainer globs in the target.
        type: list
        elements: str
        default: ["*.npz"]
      arrays:
        description: Array name to C(dtype) and C(shape) that a feature must have; empty means any intact archive.
        type: dict
        default: {}
      verify:
        description: V(quick) looks at the structure of a file, V(full) at the checksum of every array too.
        type: str
        choices: [quick, full]
        default: quick
      layout:
        description: Whether features lie at the top of the target or keep their sub-folders.
        type: str
        choices: [flat, tree]
        default: flat
      expected:
        description: At least this many features.
        type: int
      required:
        description: Whether the set must hold features; V(any) means at least one of the sets so marked.
        type: raw
        default: true
      mount:
        description: A path that must be a mount point before anything is decided.
        type: str
      source:
        description: A directory on the controller, or an rclone remote.
        type: str
  user:
    description:
      - The training user, who will own what is published.
      - Without it the connecting user, found on the host.
    type: str
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
- name: Publish what a killed run had uploaded
  trainprep.features.feature_publish:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    user: trainer
  become: true
"""

RETURN = r"""
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
      warnings: []
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils.account import find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.module_utils.paths import expand_home
from ansible_collections.trainprep.features.plugins.module_utils.publish import publish
from ansible_collections.trainprep.features.plugins.module_utils.sets import SET_OPTIONS, parse_sets


def main() -> None:
    """Arguments in, publish each set, counts out."""
    module = AnsibleModule(
        argument_spec={
            "sets": {"type": "list", "elements": "dict", "required": True, "options": SET_OPTIONS},
            "user": {"type": "str"},
            "wait": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    done = {}
    diff = []
    try:
        account = find_account(module.params["user"])
        for one in parse_sets(module.params["sets"]):
            target = expand_home(one.target, account.home)
            result = publish(one, target, account, module.check_mode, module.params["wait"])
            if not result.changed and not result.refused:
                continue
            done[one.name] = {
                "published": result.published,
                "bytes": result.bytes,
                "whole_directory": result.whole_directory,
                "refused": result.refused,
                "warnings": result.warnings,
                "changed": result.changed,
            }
            if result.changed:
                diff.append({
                    "before_header": target,
                    "after_header": target,
                    "before": "",
                    "after": f"{result.published} uploaded features, {result.bytes} bytes\n",
                })
    except FeatureError as error:
        module.fail_json(msg=str(error), sets=done)
    changed = any(one["changed"] for one in done.values())
    refused = [sentence for one in done.values() for sentence in one["refused"]]
    if refused:
        module.fail_json(msg=" ".join(refused), sets=done, changed=changed)
    module.exit_json(changed=changed, sets=done, diff=diff)


if __name__ == "__main__":
    main()
