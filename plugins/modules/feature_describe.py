#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Describes what lies in directories that nobody has described yet; the work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_describe
short_description: Describe the feature files in given directories
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Looks at every file below the given directories and tells what it is by its content, as groups of files that have the same
    kind and the same arrays, up to the lengths in which the files differ.
  - Each group comes with an entry for the sets of M(trainprep.features.feature_facts) that accepts its files, ready to paste.
  - It prints what it found, with the entries as YAML.
  - It is bounded as the search before an upload is, in depth, time and file systems, and follows no links to directories but those
    that are given. Hidden files and folders are left out.
extends_documentation_fragment:
  - trainprep.features.naming
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.reads
options:
  paths:
    description: The directories to look into. V(~) is the training user's home, V(~name) that of another account.
    type: list
    elements: str
    required: true
  user:
    description:
      - The training user, whose home V(~) is.
      - By default the connecting user, as found on the host.
    type: str
seealso:
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Print what an earlier model left, with sets to paste
  trainprep.features.feature_describe:
    paths:
      - /home/ubuntu/old
"""

RETURN = r"""
groups:
  description:
    - At most ten groups of files that are alike, those with most files first.
    - C(features) counts files that are not the same as another, told by their checksums; C(duplicates) the rest. Files of formats
      without checksums count as features each.
    - C(entry) is a feature set that accepts these files, C(text) the same as YAML.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: npz
      arrays: {wav2vec_features: {dtype: float32, shape: [null, 768]}}
      files: 8690
      features: 8690
      duplicates: 0
      links: 0
      bytes: 4511180800
      directories: [{path: /home/ubuntu/old/wav2vec, files: 8690}]
      directories_left_out: 0
      entry:
        name: wav2vec_features
        target: /data/wav2vec_features
        legacy: [/home/ubuntu/old/wav2vec]
        patterns: ["*.npz"]
        reads: ["*.npz"]
        arrays: {wav2vec_features: {dtype: float32, shape: [null, 768]}}
      text: "- name: wav2vec_features\n  …"
groups_left_out:
  description: How many groups more there are.
  returned: success
  type: int
  sample: 0
damaged:
  description: Damaged files, as a count, their bytes, and at most ten samples with the reason.
  returned: success
  type: dict
  sample: {count: 1, bytes: 204800, samples: [{path: /home/ubuntu/old/a.npz, reason: is truncated (no directory at its end)}]}
other:
  description: Files that are of a kind that is not known or not read, likewise, and the most frequent endings of their names.
  returned: success
  type: dict
  sample: {count: 1, bytes: 20, endings: {.txt: 1}, samples: [{path: /home/ubuntu/old/a.txt, reason: is of a kind that is not known here}]}
links:
  description: Links to files, to directories (which were not followed), and to nothing.
  returned: success
  type: dict
  sample: {files: 0, directories: 1, dangling: 0}
unreadable:
  description: What could not be looked at.
  returned: success
  type: dict
  sample: {count: 0, samples: []}
cut_short:
  description: Where and why the look ended early.
  returned: success
  type: list
  elements: str
  sample: []
report:
  description: All of it in lines for a person.
  returned: success
  type: list
  elements: str
  sample: ["8690 npz files, 4,511.2 MB: wav2vec_features float32 [null, 768]"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._steps.describe import describe
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import NAMING
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Directories in, groups out."""
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "str", "required": True}, "user": {"type": "str"}, **NAMING},
        supports_check_mode=True,
    )
    with failing(module):
        result = describe(module.params["paths"], find_account(module.params["user"] or None))
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
