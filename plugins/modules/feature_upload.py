#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_upload
short_description: Upload the features that a host lacks into a staging directory
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Judges the files of a source directory on the controller, asks the host which of the features it lacks, and sends
    those with rsync into the set's staging directory, C(.<target name>.incoming), beside the
    target. The target itself does not change; M(trainprep.features.feature_publish) does that.
  - Files of another kind are left out and counted. A damaged one stops the upload before anything is sent.
  - An upload that broke off goes on where it stopped, also in the middle of a file.
  - On a terminal the progress of all hosts that upload is shown in one compact block, elsewhere as a line on stderr
    every few seconds.
  - The receiving rsyncs of one upload share a lock on the staging directory as long as they live, so that two uploads of one set, or
    an upload and a publication, never work at once.
  - What this machine, the line and the host lack for an upload is told before anything is changed, in check mode too.
options:
  sets:
    description:
      - The feature sets to upload, as in the role variable C(prepare_features_sets), each with a C(source).
      - A relative C(source) is looked up in the current directory, then beside the playbook.
    type: list
    elements: dict
    required: true
  all_sets:
    description:
      - All feature sets of the host, where O(sets) are only some of them. What stands in the target of one is not sent into the target
        of another, where a trainer would meet it a second time.
      - By default O(sets).
    type: list
    elements: dict
  user:
    description:
      - The training user, whose home C(~) stands for in C(target).
      - Without it the connecting user, found on the host.
    type: str
  rsync_opts:
    description:
      - More options for rsync, one each, such as C(--bwlimit=5m).
      - Options that would change what is sent or where it gathers are refused.
    type: list
    elements: str
    default: []
  streams:
    description:
      - How many connections the upload of a set uses at once, 1 to 16. Its files are shared out to them by size.
      - V(auto) means 4 to 8 where the line is long (a round trip of 10 ms or more), as many as carry 1 Gbit/s, else 1. Where
        O(rsync_opts) limit the bandwidth it means 1, since each connection has that limit for itself.
    type: raw
    default: auto
  variable_names:
    description: The variables of options that O(variable_prefix) does not lead to. The role sets it.
    type: dict
    default: {}
  wait:
    description: How many seconds another upload or publication of the same set is waited for.
    type: float
    default: 60
extends_documentation_fragment:
  - trainprep.features.naming
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying the target.
    support: full
    details:
      - It says what it would send.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row, outside check mode, with the same arguments, the second changes nothing.
    support: full
  platform:
    description: Target OS that can be operated against.
    support: full
    platforms: posix
requirements:
  - rsync 3.1 or later on the controller and on the host
  - flock (util-linux) on the host
  - sudo without a password, where the task becomes another user
notes:
  - Hosts are reached over SSH, or are the controller itself (connection V(local)).
seealso:
  - module: trainprep.features.feature_publish
  - module: trainprep.features.feature_facts
"""

EXAMPLES = r"""
- name: Upload, at most 5 MB a second
  trainprep.features.feature_upload:
    sets:
      - name: wav2vec
        target: /data/wav2vec_features
        source: features/wav2vec
        arrays:
          wav2vec_features: {dtype: float32, shape: [null, 768]}
    rsync_opts: ["--bwlimit=5m"]
  become: true
"""

RETURN = r"""
sets:
  description: By name of the set, what was, or in check mode would be, sent.
  returned: always
  type: dict
  contains:
    NAME:
      description: One set.
      type: dict
      contains:
        sent:
          description: Number of files sent.
          type: int
        sent_bytes:
          description: Bytes that went over the line; in check mode the files' size.
          type: int
        resumed:
          description: Number of files that an earlier upload had already brought.
          type: int
        present:
          description: Number of features of the source that the target already holds.
          type: int
        left_out:
          description: Number of files of the source that are not features of this set, second copies, or in another set's target.
          type: int
        samples:
          description: At most ten of the files left out, with C(path) and C(reason).
          type: list
          elements: dict
        seconds:
          description: How long the transfer took.
          type: float
        warnings:
          description: Names in the target that stay as they are although the source has another feature of that name.
          type: list
          elements: str
  sample:
    wav2vec:
      sent: 600
      sent_bytes: 240061234
      resumed: 0
      present: 0
      left_out: 0
      samples: []
      seconds: 12.4
      warnings: []
"""
