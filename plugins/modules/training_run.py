#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a training in a detached tmux session; the work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: training_run
short_description: Start a training in a detached tmux session, or leave the live one alone
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - Writes the script into the working directory and a folder for the run (record, launcher, log), and starts the launcher
    in a detached tmux session that outlives the connection.
  - The environment is that of a login of the training user, and what is configured; not that of a tmux server that is there.
  - Where systemd or logind would end the tmux server with the connection, it gets a scope of its own, or nothing is started.
  - Whatever lives in that session already is left alone, unless O(restart=true).
  - All of it is done as the training user, to whom everything in the working directory belongs.
  - It does not ask whether the features are ready. The role P(trainprep.features.deploy_training#role) does.
extends_documentation_fragment:
  - trainprep.features.training
  - trainprep.features.naming
  - trainprep.features.attributes.linux
options:
  script_name:
    description: The name of the training script, below C(scripts/) in the working directory. Without O(command) one is needed.
    type: str
    default: ""
  script:
    description: The content of the training script.
    type: str
    default: ""
  launcher:
    description: The content of the launcher, a Python script that reads C(run.json) beside it and writes C(state.json).
    type: str
    required: true
  arguments:
    description: The arguments of the script or the command. A list is taken item by item, a text is split as a shell would.
    type: raw
    default: []
  command:
    description:
      - What to run in place of the interpreter and the script, in the same environment. A list is a program and its arguments;
        a text is run by a shell, the arguments after its last command.
    type: raw
  on_end:
    description:
      - A command, as O(command), that the launcher runs when the training has ended. It gets the outcome as a JSON object on
        standard input.
    type: raw
  command_line:
    description: The command for people; set by the action plugin.
    type: str
    default: ""
  programs:
    description: What has to be found in the environment; set by the action plugin.
    type: dict
    default: {}
  environment:
    description: Environment variables of the training that only its user may see; the action plugin makes one text of the dictionary.
    type: str
    default: ""
  variables:
    description: Environment variables of the training that may stand in the run's record.
    type: dict
    default: {}
  virtualenv:
    description: The virtual or conda environment to activate; an empty string for what a login of the user finds.
    type: str
    default: ""
  keep_runs:
    description:
      - How many ended runs of the session to keep when one is started. Older ones are removed, except those in whose folder a
        training has written.
    type: int
    default: 20
  restart:
    description: Whether to replace a live training.
    type: bool
    default: false
  grace:
    description: Seconds that a live training has to end by itself, once asked, before it is killed.
    type: int
    default: 30
  project:
    description:
      - A folder on the controller that the action plugin sends before the start, by rsync, without what its C(.gitignore) files name
        and without C(.git). Each run has its own copy, in which it works; O(script_name) is a path below it.
    type: str
    default: ""
  tree:
    description: The folder that the project was sent into; set by the action plugin.
    type: str
    default: ""
  ready_for:
    description: The user for whom the features were made ready. It is an error where another one is to train.
    type: str
    default: ""
  record:
    description: What else to write into the run's record, as C(sets), C(feature_status) and C(data), the digests of what the trainer sees.
    type: dict
    default: {}
  variable_names:
    description: The variables of options that O(variable_prefix) does not lead to. The role sets it.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Shows what is started and what is replaced.
    support: full
  idempotent:
    description: A training that is live is not started again. One that has ended is.
    support: partial
seealso:
  - module: trainprep.features.training_info
"""

EXAMPLES = r"""
- name: Start the training
  trainprep.features.training_run:
    user: ubuntu
    script_name: train.py
    script: "{{ lookup('ansible.builtin.file', 'train.py', rstrip=false) }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') }}"
    arguments: [--epochs, 30]
    virtualenv: /opt/pytorch
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
  description: The process of the training that is live now; null in check mode and where there is none.
  returned: success
  type: int
run:
  description: The folder of that training's run; empty where it has none.
  returned: success
  type: str
  sample: /home/ubuntu/emotion_recognition/runs/attn_crnn_v2/20260101T120000Z
directory:
  description: The working directory, expanded.
  returned: success
  type: str
  sample: /home/ubuntu/emotion_recognition
user:
  description: The training user.
  returned: success
  type: str
removed:
  description: How many old runs were removed; counted by the action plugin.
  returned: success
  type: int
command_line:
  description: What is run, quoted for a shell.
  returned: success
  type: str
  sample: /opt/pytorch/bin/python -u scripts/train.py --epochs 30
"""

import json
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._training.lifetime import Lifetime
from ansible_collections.trainprep.features.plugins.module_utils._training.start import Order, start
from ansible_collections.trainprep.features.plugins.module_utils.errors import NAMING
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    """Arguments in, one start as the training user, result out."""
    module = AnsibleModule(
        argument_spec={
            "session": {"type": "str", "default": "attn_crnn_v2"},
            "dir": {"type": "str", "default": "~/emotion_recognition"},
            "user": {"type": "str"},
            **NAMING,
            "variable_names": {"type": "dict", "default": {}},
            "script_name": {"type": "str", "default": ""},
            # Kept out of the system log: a whole program in the one, the environment's values in the other.
            "script": {"type": "str", "default": "", "no_log": True},
            "launcher": {"type": "str", "required": True, "no_log": True},
            "arguments": {"type": "raw", "default": []},
            "command": {"type": "raw"},
            "on_end": {"type": "raw"},
            "command_line": {"type": "str", "default": ""},
            "programs": {"type": "dict", "default": {}},
            "environment": {"type": "str", "default": "", "no_log": True},
            "variables": {"type": "dict", "default": {}},
            "virtualenv": {"type": "str", "default": ""},
            "keep_runs": {"type": "int", "default": 20},
            "restart": {"type": "bool", "default": False},
            "grace": {"type": "int", "default": 30},
            "project": {"type": "str", "default": ""},
            "tree": {"type": "str", "default": ""},
            "ready_for": {"type": "str", "default": ""},
            "record": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    with failing(module):
        account = find_account(params["user"] or None)
        order = Order(
            directory=params["dir"],
            session=params["session"],
            script_name=params["script_name"],
            script=params["script"],
            launcher=params["launcher"],
            arguments=tuple(params["arguments"]),
            command=tuple(params["command"] or ()),
            shown=params["command_line"],
            on_end=tuple(params["on_end"] or ()),
            programs=params["programs"],
            variables={str(name): str(value) for name, value in params["variables"].items()},
            environment=json.loads(params["environment"] or '{"variables": {}}')["variables"],
            virtualenv=params["virtualenv"],
            keep_runs=params["keep_runs"],
            restart=params["restart"],
            grace=params["grace"],
            ready_for=params["ready_for"],
            facts=params["record"],
            tree=params["tree"],
        )
        lifetime = Lifetime(account)
        # First whether it can be done, as the user; the user's tmux server is then kept alive by whoever may.
        answer = run_as(account, start, account, order, True)
        login, server, warnings = (answer.pop(name) for name in ("login", "server", "warnings"))
        prefix = lifetime.prefix(order.session, server) if answer["changed"] else ()
        if answer["changed"] and not module.check_mode:
            warnings += lifetime.protect(order.session, server)
            order = replace(order, login=login, prefix=prefix)
            answer = run_as(account, start, account, order, False)
            warnings += answer.pop("warnings")
        for one in warnings:
            module.warn(one)
        module.exit_json(**answer)


if __name__ == "__main__":
    main()
