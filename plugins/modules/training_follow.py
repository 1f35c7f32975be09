#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads one bounded chunk of a training's log; the action plugin of the same name asks for each."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: training_follow
short_description: Stream the log lines of a training until it ends
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - Prints each line of the last run's log once, in order, as it comes, until the run ends, and fails if it has ended badly.
  - The log is read in bounded chunks from a byte offset that is kept on the controller, so that a dropped connection loses
    and repeats nothing, and nothing stays behind on the host when it is interrupted.
  - Lines have the host's name in front if the play has several hosts.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_training
  - trainprep.features.training
  - trainprep.features.naming
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.reads
options:
  filter:
    description:
      - Which lines to show. V(training) are epochs, metrics, checkpoints and errors, V(validation) those with validation metrics.
    type: str
    choices: [all, training, validation]
    default: training
  begin:
    description: Whether to show the run from the start of its log, or only what comes from now on.
    type: str
    choices: [start, now]
    default: start
  stale_after:
    description: Seconds without a new log line after which a warning is printed, once for each such pause.
    type: int
    default: 900
  fail:
    description: Whether to fail if the run has ended badly.
    type: bool
    default: true
  run:
    description: The run to follow, as RV(run); by default the last one. Used between the action plugin and the module.
    type: str
    default: ""
  offset:
    description: The byte to read on from. Used between the action plugin and the module.
    type: int
    default: 0
attributes:
  action:
    description: Has an action plugin that runs on the controller.
    support: full
seealso:
  - module: trainprep.features.training_info
"""

EXAMPLES = r"""
- name: Watch the training
  trainprep.features.training_follow:
    user: ubuntu
    filter: validation
"""

RETURN = r"""
state:
  description: The verdict on the run, as of M(trainprep.features.training_info).
  returned: success
  type: str
  sample: succeeded
healthy:
  description: Whether the run has ended well.
  returned: success
  type: bool
outcome:
  description: The recorded end.
  returned: success
  type: str
  sample: exit code 0
sentence:
  description: The verdict in words.
  returned: success
  type: str
  sample: succeeded (exit code 0)
run:
  description: The run that was followed; empty if there is none.
  returned: success
  type: str
  sample: 20260101T120000Z
lines:
  description: How many lines were shown.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._training.follow import read_on
from ansible_collections.trainprep.features.plugins.module_utils._training.options import FOLLOW
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(argument_spec=FOLLOW, supports_check_mode=True)
    with failing(module):
        account = find_account(module.params["user"])
        module.exit_json(changed=False, **run_as(account, read_on, account, module.params))


if __name__ == "__main__":
    main()
