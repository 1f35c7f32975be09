#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspects the training of a host in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: training_info
short_description: Inspect a training and print its health check
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - Inspects, in one execution, the tmux session and its process, the last run's record and log, its metrics, the newest checkpoint,
    GPUs, memory, disk, and the features in the targets.
  - Features are counted by the code of M(trainprep.features.feature_facts), in the sets that the run has recorded.
  - All of it is done as the training user.
extends_documentation_fragment:
  - trainprep.features.attributes.actiongroup_training
  - trainprep.features.training
  - trainprep.features.naming
  - trainprep.features.attributes.linux
  - trainprep.features.attributes.reads
options:
  stale_after:
    description: Seconds without a new log line before a live run counts as stuck.
    type: int
    default: 900
  lines:
    description: How many of the last log lines to return.
    type: int
    default: 10
  history:
    description:
      - Whether to return the curves of the session's last runs, too.
      - Of each log a bounded part is read once, and all curves together have at most 2,000 points.
    type: bool
    default: false
  metrics:
    description:
      - Globs of the files with metrics, below the run's project or the working directory, for a run whose record names none.
      - Without them the files that the run wrote are searched for TensorBoard event files, CSV files with C(epoch) or C(step) in their
        header (Lightning's C(metrics.csv), ultralytics' C(results.csv), Keras' CSVLogger), Hugging Face's C(trainer_state.json) and JSON
        lines, in this order. The log comes last, and only its unambiguous forms are read.
    type: list
    elements: str
    default: []
  sets:
    description:
      - Feature sets to count if no run has recorded its own, as in M(trainprep.features.feature_facts).
    type: list
    elements: dict
    default: []
  report:
    description:
      - What to print on the controller. V(short) is one line for a healthy host of several, the lines on session, process, features and
        run for a healthy host alone, and everything for any other. V(full) is everything.
    type: str
    choices: [none, short, full]
    default: none
  title:
    description:
      - The first line of what is printed. Empty is V(ATTN-CRNN TRAINING HEALTH CHECK) if the targets of the default sets are trained on,
        else V(TRAINING HEALTH CHECK).
    type: str
    default: ""
  label:
    description: The name of the features in the line that counts them. Empty is V(WAV2VEC) for the targets of the default sets, else none.
    type: str
    default: ""
  fail:
    description:
      - Whether to fail if the training is not healthy. A failed result has the verdict alone.
    type: bool
    default: false
  report_dir:
    description:
      - A directory on the controller for C(training.json) and C(training.html), or an empty string for none. The callback plugin
        P(trainprep.features.training_report#callback) writes them at the end of the run; if it is not enabled, each host's task adds its
        host.
    type: str
    default: ""
  fetch_dir:
    description:
      - A folder on the controller, into which the last run's log, record, metrics and checkpoints (the newest and the best) are fetched by
        rsync, below C(HOST/SESSION/RUN). A fetch that was cut goes on where it stopped, and only what changed is fetched again.
      - Nothing on the host has to answer a prompt for it. In check mode nothing is fetched.
    type: str
    default: ""
  connecting_uid:
    description: Who fetches; set by the action plugin.
    type: int
attributes:
  action:
    description: Has an action plugin that runs on the controller.
    support: full
seealso:
  - module: trainprep.features.training_run
  - module: trainprep.features.training_follow
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Inspect the training
  trainprep.features.training_info:
    user: ubuntu
  register: training

- name: Print the health check, and fail if the training is not healthy
  trainprep.features.training_info:
    report: full
    fail: true
"""

RETURN = r"""
runs:
  description:
    - The session's last 20 runs, the newest first; what a record does not tell is null.
    - With O(history=true) C(best) is that of the runs in RV(history).
  returned: success
  type: list
  elements: dict
  sample:
    - run: 20260101T120000Z
      started: 1767268800.0
      ended: 1767272400.0
      seconds: 3600.0
      state: succeeded
      outcome: exit code 0
      stopped_by:
      attempts: 1
      commit: 3f2a9c1d0b6a4e5f8a7b6c5d4e3f2a1b0c9d8e7f
      dirty: false
      command_line: /opt/pytorch/bin/python -u scripts/train.py --lr 0.01
      changes: ["--lr 0.05 → 0.01"]
      best: {metric: val_loss, epoch: 3.0, value: 1.3, axis: epoch}
      digest: 8d3f4c1e0b6a
fetched:
  description: Where the results are on the controller, which files they are, and how many of them were new or had changed.
  returned: with O(fetch_dir), if there is a run
  type: dict
  sample: {path: results/gpu-1/attn_crnn_v2/20260101T120000Z, files: [run.json, state.json, training.log], changed: 3}
state:
  description:
    - V(running), V(succeeded), V(failed), V(killed), V(vanished) (no end on record), V(stuck) or V(never started).
  returned: success
  type: str
  sample: failed
healthy:
  description: Whether it runs, or has ended well.
  returned: success
  type: bool
outcome:
  description: The recorded end as V(exit code N) or V(signal N); empty without one.
  returned: success
  type: str
  sample: exit code 3
sentence:
  description: The verdict in words.
  returned: success
  type: str
  sample: "failed (exit code 3)"
user:
  description: The training user.
  returned: success
  type: str
directory:
  description: The working directory, expanded.
  returned: success
  type: str
session:
  description: The tmux session.
  returned: success
  type: dict
  sample: {name: attn_crnn_v2, active: true}
process:
  description:
    - The training's process, found by the run's record and the session, not by its command line.
    - C(others) is what else works in the session, C(outlived) what is left of runs whose main process has ended, at most ten each.
  returned: success
  type: dict
  sample: {running: true, pid: 4711, others: [], outlived: []}
run:
  description: The last run, times in seconds since the epoch; null where none is on record.
  returned: success
  type: dict
  sample:
    path: /home/ubuntu/emotion_recognition/runs/attn_crnn_v2/20260101T120000Z
    started: 1767268800.5
    ended: null
    exit_code: null
    signal: null
    command_line: /opt/pytorch/bin/python -u scripts/train.py --epochs 30
    feature_status: 2
    sets: [wav2vec, wav2vec_crema_d]
log:
  description: The run's log; its age is in seconds since it last grew.
  returned: success
  type: dict
  sample: {path: /home/ubuntu/emotion_recognition/runs/attn_crnn_v2/20260101T120000Z/training.log, bytes: 4096, age: 2.5, lines: []}
progress:
  description:
    - The current epoch, the last value of each metric, and the errors in the log, the cause of a failure first.
    - C(seconds_left) is until the last epoch ends; null where the log does not tell, or the run has ended.
  returned: success
  type: dict
  sample: {epoch: 3, epochs: 30, metrics: {loss: 1.2, val_loss: 1.3}, errors: [],
    seconds_per_epoch: 12.5, seconds_left: 337.5}
history:
  description:
    - With O(history=true), the last five runs of the session, the newest first; else null.
    - A point of a curve is a pair of epoch (or step, see C(axis)) and value. Names are the same for all trainers, e.g. C(val_accuracy). A
      value is null for C(nan) or infinity. C(source) names the kind and the path of the file that the curves are from; C(sampled) is true
      if that file is too long to be read whole.
    - C(seconds_left) is until the last epoch ends; null where a log names no number of epochs, or the run has ended.
  returned: success
  type: list
  elements: dict
  sample:
    - run: 20260101T120000Z
      started: 1767268800.5
      ended: null
      exit_code: null
      signal: null
      axis: epoch
      source: {kind: TensorBoard, path: /home/ubuntu/emotion_recognition/logs}
      epochs: 30
      seconds_per_epoch: 12.5
      seconds_left: 337.5
      best: {metric: val_loss, epoch: 3.0, value: 1.3}
      sampled: false
      curves: {loss: [[1.0, 1.9], [2.0, 1.5], [3.0, 1.2]], val_loss: [[1.0, 1.8], [2.0, 1.5], [3.0, 1.3]]}
checkpoint:
  description:
    - The newest model file that the last run wrote, its age in seconds; null where there is none.
    - It is looked for in the working directory, anywhere below its C(checkpoints/), and in the run's own copy of a project.
  returned: success
  type: dict
  sample: {path: /home/ubuntu/emotion_recognition/checkpoints/attn_crnn_v2_1/best.keras, bytes: 1048576, age: 60.0}
gpus:
  description:
    - The GPUs as C(nvidia-smi), C(amd-smi) or C(rocm-smi) reports them; use in percent, memory in MiB, null if it is not known.
    - A GPU in MIG mode has one entry for each instance.
  returned: success
  type: list
  elements: dict
  sample: [{index: 0, name: Tesla T4, instance: null, use: 97, memory_used: 11000, memory_total: 15360}]
gpu_problem:
  description: What that program says if it fails; null if it does not, or if there is none.
  returned: success
  type: str
  sample: "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch (exit code 18)"
memory:
  description: Bytes of main memory.
  returned: success
  type: dict
  sample: {total: 16000000000, available: 9000000000}
disk:
  description: Bytes of the working directory's file system.
  returned: success
  type: dict
  sample: {total: 100000000000, free: 40000000000}
features:
  description:
    - The features that the training reads. C(count) is null, with the reason in C(problem), where it is unknown.
    - C(data) compares the digest of what the trainer sees now with that on the run's record. C(changed) is null, with the reason in
      C(reason), where that is unknown; C(changed_sets) names the sets that have changed.
  returned: success
  type: dict
  sample:
    count: 8690
    from: record
    status: 1
    ready: true
    problem: null
    sets: {}
    data: {digest: 8d3f4c1e0b6a, at_start: 8d3f4c1e0b6a, changed: false, changed_sets: [], reason: null}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.plugins.module_utils._training.info import look
from ansible_collections.trainprep.features.plugins.module_utils._training.offer import offer
from ansible_collections.trainprep.features.plugins.module_utils._training.options import INFO
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing


def main() -> None:
    module = AnsibleModule(argument_spec=INFO, supports_check_mode=True)
    params = module.params
    with failing(module):
        account = find_account(params["user"])
        found = run_as(account, look, account, params)
        if params["connecting_uid"] is not None and found["run"]:
            source = ((found["history"] or [{}])[0].get("source") or {}).get("path", "")
            try:
                found["offer"] = run_as(account, offer, account, params, source)
            except FeatureError as error:
                found["no_offer"] = str(error)
        module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
