#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the folder that a training's project is sent into; the work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: training_project
short_description: Make the folder that a training's project is sent into
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - A part of M(trainprep.features.training_run) with O(trainprep.features.training_run#module:project), which calls it. Nothing else
    has to.
  - Removes what a start that was killed has left there, and makes an empty folder beside the session's runs, as the training user.
extends_documentation_fragment:
  - trainprep.features.training
  - trainprep.features.naming
  - trainprep.features.attributes.linux
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: none
  diff_mode:
    description: Would show what changes.
    support: none
seealso:
  - module: trainprep.features.training_run
"""

EXAMPLES = r"""
- name: Make the folder
  trainprep.features.training_project:
    user: ubuntu
"""

RETURN = r"""
staged:
  description: The folder, what identifies it, the host's rsync, and the project of the run before.
  returned: success
  type: dict
  sample:
    path: /home/ubuntu/emotion_recognition/runs/attn_crnn_v2/.project-0a1b2c
    name: .project-0a1b2c
    key: "2049:1234"
    rsync: /usr/bin/rsync
    copy_from: ""
    user: ubuntu
    sudo_user: ""
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._training.staging import stage_project
from ansible_collections.trainprep.features.plugins.module_utils.errors import NAMING
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Arguments in, one folder as the training user, result out."""
    module = AnsibleModule(
        argument_spec={
            "session": {"type": "str", "default": "attn_crnn_v2"},
            "dir": {"type": "str", "default": "~/emotion_recognition"},
            "user": {"type": "str"},
            **NAMING,
        }
    )
    params = module.params
    with failing(module):
        account = find_account(params["user"] or None)
        staged = run_as(account, stage_project, account, params["dir"], params["session"])
        # Who connects: root by sudo, or whoever this is.
        connecting = os.environ.get("SUDO_UID") or str(os.geteuid())
        module.exit_json(changed=True, staged={**staged, "sudo_user": "" if connecting == str(account.uid) else account.name})


if __name__ == "__main__":
    main()
