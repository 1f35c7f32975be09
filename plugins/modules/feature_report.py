#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_report
short_description: Print what was found, done and is still to do on a host
version_added: 1.0.0
description:
  - Prints a block of plain text for each host from the facts of M(trainprep.features.feature_facts) and the results
    of the modules that acted on them, readable at 80 columns and without colour.
  - It runs on the controller and costs no remote execution.
author:
  - trainprep.features contributors (@trainprep)
options:
  facts:
    description:
      - The facts to report, C(ansible_facts) with C(feature_status), C(features_ready) and C(feature_sets).
      - By default those of the host.
    type: dict
  done:
    description:
      - What was done, as registered results of the modules that acted, in any order. Loops and skipped tasks may be among them.
      - The name of a registered variable does as well, and saves Ansible a copy of the result on each host.
    type: list
    elements: raw
    default: []
  state:
    description:
      - V(absent) is for a run that removed links, which does not require readiness.
    type: str
    choices: [present, absent]
    default: present
  report_dir:
    description:
      - A directory on the controller for the report of all hosts, or an empty string for none. It is written at the end
        of the run by the callback plugin P(trainprep.features.feature_report#callback), which learns of it here.
      - If that callback is not enabled, each host's task adds its host to the report instead.
    type: str
    default: ""
  detail:
    description:
      - V(short) prints one line for a host that is ready and where nothing was done. All other hosts get the full block.
    type: str
    choices: [short, full]
    default: full
  fail_on:
    description:
      - What ends the run of this host as failed, after its report was printed.
      - V(obstacles) is what stopped the run before anything was changed, such as a status that is unknown.
      - V(unready) is that, and any required set that is not ready. In check mode readiness is predicted and not required.
      - With O(state=absent), nothing does.
    type: str
    choices: [nothing, obstacles, unready]
    default: nothing
extends_documentation_fragment:
  - trainprep.features.attributes.reads
  - trainprep.features.attributes.posix
seealso:
  - module: trainprep.features.feature_facts
  - plugin: trainprep.features.feature_report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Inspect the features
  trainprep.features.feature_facts:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        legacy:
          - ~/audio_emotion/models/wav2vec
  register: inspected

- name: Report what was found
  trainprep.features.feature_report:
    facts: "{{ inspected.ansible_facts }}"
"""

RETURN = r"""
report:
  description: The lines that were printed.
  returned: success
  type: list
  elements: str
  sample:
    - "gpu-1: READY, status 1: target only"
state:
  description: The O(state) that was given.
  returned: success
  type: str
report_dir:
  description: The O(report_dir) that was given.
  returned: success
  type: str
"""
