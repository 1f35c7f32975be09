# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules for trainings: where a session's runs lie."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  session:
    description: The tmux session, and the folder of its runs. Letters, digits, V(_) and V(-).
    type: str
    default: attn_crnn_v2
  dir:
    description: The working directory on the host; V(~) is the training user's home.
    type: str
    default: ~/emotion_recognition
  user:
    description: The training user; without it the connecting user.
    type: str
"""

    # Of training_run alone; here, since what stands in a module is sent to each host.
    RUN = r"""
options:
  state:
    description:
      - V(started) starts a training unless one is live. V(stopped) ends it and all that it started. V(absent) also removes the oldest
        ended runs but O(keep_runs).
    type: str
    choices: [started, stopped, absent]
    default: started
  script:
    description: The training script, a path on the controller or, with O(project), below the project. Required without O(command).
    type: str
    default: ""
  project:
    description:
      - A folder on the controller to send, without what its C(.gitignore) files name and without C(.git). Each run works in a copy of
        its own.
    type: str
    default: ""
  arguments:
    description: Arguments of the script or command. A list is taken item by item, a text is split as a shell would.
    type: raw
    default: []
  command:
    description:
      - What to run in place of the interpreter and the script, in the same environment. A list is a program and its arguments; a text
        is run by the user's login shell (bash if the user's is not a Bourne shell with its features).
    type: raw
  environment:
    description: Environment variables of the training. Only its user can read them.
    type: dict
    default: {}
  virtualenv:
    description: The virtual or conda environment to activate; empty for what a login of the user finds.
    type: str
    default: ""
  on_end:
    description: A command, as O(command), that gets the outcome as a JSON object on standard input when the run has ended.
    type: raw
  features:
    description: Whether to start only if this run of Ansible has found the features ready, and to record which they are.
    type: bool
    default: false
  require_gpus:
    description: How many GPUs or MIG instances must answer, without a process of others.
    type: int
    default: 0
  require_gpu_memory:
    description: Free memory that each of these GPUs must have, in MiB or with a unit (V(20 GiB)).
    type: str
    default: ""
  settle:
    description: Seconds after the start within which the death of the training fails the task.
    type: int
    default: 0
  retries:
    description:
      - How often the launcher starts the training again after a failure, with C(TRAINPREP_ATTEMPT) (from 1) and C(TRAINPREP_CHECKPOINT)
        (the run's newest, if there is one) in its environment. Not after a stop, and not after a reboot of the host.
    type: int
    default: 0
  metrics:
    description: Globs, below the training's working directory, of files with metrics, for M(trainprep.features.training_info).
    type: list
    elements: str
    default: []
  keep_runs:
    description: How many ended runs of the session to keep. Those in whose folder a training has written are never removed.
    type: int
    default: 20
  restart:
    description: Whether to replace a live training.
    type: bool
    default: false
  grace:
    description: Seconds between SIGTERM and SIGKILL when a training is replaced or stopped.
    type: int
    default: 30
  order:
    description: What the action plugin makes of the other options. No task sets it.
    type: str
    default: ""
  variable_names:
    description: The variables of options that O(variable_prefix) does not lead to. The role sets it.
    type: dict
    default: {}
"""
