#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module entry point: directories in, groups of files out."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: feature_files_info
short_description: Gather what feature files are in given directories
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Classifies every file below the given directories by content, and groups files of the same kind with the same arrays. Lengths
    that differ within a group are C(null).
  - Suggests, for each group, a feature set for M(trainprep.features.feature_facts) that accepts its files.
  - Prints the groups, then one YAML block with all suggested sets, ready to paste.
  - The scan is limited in depth, time and to the directories' file systems. Links to directories are followed only if they are
    given as O(paths). Hidden files and folders are left out.
extends_documentation_fragment:
  - trainprep.features.naming
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.reads
options:
  paths:
    description:
      - The directories to scan, as a list or as text with commas.
      - V(~) is the training user's home, V(~name) that of another account.
    type: list
    elements: str
    required: true
  user:
    description:
      - The training user, whose home directory V(~) stands for.
      - By default the connecting user, as found on the host.
    type: str
seealso:
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Print what an earlier model left, and sets that accept it
  trainprep.features.feature_files_info:
    paths:
      - /home/ubuntu/old
"""

RETURN = r"""
groups:
  description:
    - At most ten groups of files, the largest first.
    - C(features) counts distinct files by their checksums, C(duplicates) the rest. Each file of a format without checksums counts as
      a feature.
    - C(entry) is a feature set that accepts these files.
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
        arrays: {wav2vec_features: {dtype: float32, shape: [null, 768]}}
groups_left_out:
  description: Number of groups beyond the first ten.
  returned: success
  type: int
damaged:
  description: Damaged files as count, bytes, and at most ten samples with the reason.
  returned: success
  type: dict
  sample: {count: 1, bytes: 204800, samples: [{path: /home/ubuntu/old/a.npz, reason: is truncated (no directory at its end)}]}
other:
  description: Files of an unknown or unsupported kind, likewise, and the most frequent endings of their names.
  returned: success
  type: dict
  sample: {count: 1, bytes: 20, endings: {.txt: 1}, samples: [{path: /home/ubuntu/old/a.txt, reason: is of a kind that is not known here}]}
links:
  description: Links to files, links to directories (not followed), and dangling links.
  returned: success
  type: dict
  sample: {files: 0, directories: 1, dangling: 0}
unreadable:
  description: What could not be read.
  returned: success
  type: dict
cut_short:
  description: Where and why the scan ended early.
  returned: success
  type: list
  elements: str
text:
  description: One YAML block with all suggested sets; empty if there are none.
  returned: success
  type: str
  sample: "prepare_features_sets:\n  - name: wav2vec_features\n    …"
report:
  description: The printed lines.
  returned: success
  type: list
  elements: str
  sample: ["8,690 npz files, 4,511.2 MB: wav2vec_features float32 [null, 768]"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._steps.files_info import files_info
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import NAMING
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "str", "required": True}, "user": {"type": "str"}, **NAMING},
        supports_check_mode=True,
    )
    with failing(module):
        result = files_info(module.params["paths"], find_account(module.params["user"]))
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
