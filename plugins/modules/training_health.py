#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: training_health
short_description: Print the health check of a training
version_added: 1.0.0
author:
  - trainprep.features contributors (@trainprep)
description:
  - Prints the result of M(trainprep.features.training_info) as a block of plain text for each host, and fails where the
    last run is neither running nor has succeeded.
  - It runs on the controller and costs no remote execution.
extends_documentation_fragment:
  - trainprep.features.attributes.reads
options:
  training:
    description: The registered result of M(trainprep.features.training_info).
    type: dict
    required: true
  title:
    description: What stands in the first line.
    type: str
    default: ATTN-CRNN TRAINING HEALTH CHECK
  label:
    description: The name of the features in the line that counts them.
    type: str
    default: WAV2VEC
  fail:
    description: Whether to fail where the training is not healthy.
    type: bool
    default: true
  report_dir:
    description:
      - A directory on the controller for the page of all hosts, or an empty string for none. It is written at the end of the run by
        the callback plugin P(trainprep.features.training_report#callback), which learns of it here.
      - It is an error where that callback is not enabled.
    type: str
    default: ""
attributes:
  action:
    description: Has an action plugin that runs on the controller.
    support: full
  platform:
    description: Where it runs.
    support: full
    platforms: posix
seealso:
  - module: trainprep.features.training_info
  - plugin: trainprep.features.training_report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Look at the training
  trainprep.features.training_info:
  register: training

- name: Print the health check
  trainprep.features.training_health:
    training: "{{ training }}"
"""

RETURN = r"""
lines:
  description: The lines that were printed.
  returned: success
  type: list
  elements: str
  sample:
    - "=== ATTN-CRNN TRAINING HEALTH CHECK ==="
state:
  description: The verdict.
  returned: success
  type: str
  sample: running
healthy:
  description: Whether the host passes.
  returned: success
  type: bool
  sample: true
report_dir:
  description: The O(report_dir) that was given.
  returned: success
  type: str
  sample: reports
"""
