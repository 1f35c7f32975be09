#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts or stops a training in a detached tmux session; the work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: training_run
short_description: Start a training in a detached tmux session, leave a live one alone, or stop it
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - Sends the script or project, makes a folder for the run (record, launcher, log), and starts the launcher in a detached tmux session
    that outlives the connection, as the training user and with the environment of that user's login.
  - A training that lives in the session is left alone, unless O(restart=true).
  - Check mode checks all that can be known before a start (environment, programs, project, GPUs, disk space).
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_training
  - trainprep.features.training
  - trainprep.features.training.run
  - trainprep.features.naming
  - trainprep.features.attributes.linux
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows what is started, replaced or stopped.
    support: full
  idempotent:
    description: A live training is not started again. One that has ended is.
    support: partial
seealso:
  - module: trainprep.features.training_info
"""

EXAMPLES = r"""
- name: Start the training
  trainprep.features.training_run:
    user: ubuntu
    script: train.py
    arguments: [--epochs, 30]
    virtualenv: /opt/pytorch

- name: Stop it
  trainprep.features.training_run:
    user: ubuntu
    state: stopped
"""

RETURN = r"""
message:
  description: What was done, or why nothing was.
  returned: success
  type: str
  sample: started in tmux session 'attn_crnn_v2'
live:
  description: Whether a training was live before.
  returned: success
  type: bool
pid:
  description: The process of the training; null if none is live, and in check mode.
  returned: success
  type: int
run:
  description: The folder of its run; empty if it has none.
  returned: success
  type: str
  sample: /home/ubuntu/emotion_recognition/runs/attn_crnn_v2/20260101T120000Z
directory:
  description: The working directory, expanded.
  returned: success
  type: str
user:
  description: The training user.
  returned: success
  type: str
attach:
  description: The command that shows the session, for the training user on the host.
  returned: success
  type: str
  sample: tmux attach -t attn_crnn_v2
removed:
  description: How many old runs were removed.
  returned: success
  type: int
command_line:
  description: What is run, quoted for a shell.
  returned: success
  type: str
  sample: /opt/pytorch/bin/python -u scripts/train.py --epochs 30
changes:
  description: How arguments, code and data differ from those of the run before.
  returned: when a training was started
  type: list
  sample: ["--lr 0.05 → 0.01"]
"""

import json
import os
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account, find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._system.scopes import Lifetime
from ansible_collections.trainprep.features.plugins.module_utils._training.options import PLACE
from ansible_collections.trainprep.features.plugins.module_utils._training.start import (
    STARTED,
    Order,
    end,
    plan_start,
    start,
)
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **PLACE,
            "variable_names": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "script": {"type": "str", "default": ""},
            "project": {"type": "str", "default": ""},
            "arguments": {"type": "raw", "default": []},
            "command": {"type": "raw"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "virtualenv": {"type": "str", "default": ""},
            "on_end": {"type": "raw"},
            "features": {"type": "bool", "default": False},
            "require_gpus": {"type": "int", "default": 0},
            "require_gpu_memory": {"type": "str", "default": ""},
            "settle": {"type": "int", "default": 0},
            "retries": {"type": "int", "default": 0},
            "metrics": {"type": "list", "elements": "str", "default": []},
            "keep_runs": {"type": "int", "default": 20},
            "restart": {"type": "bool", "default": False},
            "grace": {"type": "int", "default": 30},
            "order": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    with failing(module):
        account = find_account(module.params["user"])
        order = {**module.params, **json.loads(module.params["order"])}
        if module.params["state"] != STARTED:
            answer = run_as(account, end, account, order, module.check_mode)
        else:
            answer = _start(module, account, order)
        for one in answer.pop("warnings"):
            module.warn(one)
        module.exit_json(**answer)


def _start(module: Any, account: Account, order: Order) -> Dict[str, Any]:
    lifetime = Lifetime(account)
    # First whether it can be done, as the user; the user's tmux server is then kept alive by whoever may.
    plan = run_as(account, plan_start, account, order)
    answer, server = plan["answer"], plan["server"]
    prefix = lifetime.prefix(order["session"], server) if answer["changed"] else ()
    if module.check_mode or not answer["changed"]:
        return dict(answer)
    warnings = answer["warnings"] + lifetime.protect(order["session"], server)
    archive = order["archive"]
    handle = os.open(archive, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) if archive else None
    answer = dict(run_as(account, start, account, order, plan, prefix, handle))
    return {**answer, "warnings": warnings}


if __name__ == "__main__":
    main()
