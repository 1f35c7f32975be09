#!/usr/bin/python
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: feature_upload
short_description: Upload the features that a host lacks
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Classifies the files of each set's source on the controller, asks the host which of the features it lacks, sends those with rsync into
    the set's staging directory, C(.<target name>.incoming), next to the target.
  - Then the host publishes the directory, and does all else that it can do by itself, as M(trainprep.features.feature_prepare) does.
    Nothing is pruned.
  - Uploads the sets that an inspection of this run says are to be uploaded (C(to_upload) in the facts); if the host has not been
    inspected, each set that has a source.
  - Files of another kind are left out and counted. A damaged file stops the upload before anything is sent.
  - An interrupted upload is resumed, also in the middle of a file.
  - On a terminal the progress of all hosts that upload is shown in one compact block, elsewhere as a line on stderr every few seconds.
  - Works with every become method, with a password or without. Nothing on the host has to answer a prompt, since rsync itself never
    changes its user. The host starts a receiver as the account that owns the place, and the connecting user's side hands its connection
    over to it.
  - The receiver and its rsyncs hold a lock on the staging directory, so that two uploads of one set, or an upload and a publication,
    never work at once.
  - What the controller, the connection and the host lack for an upload is reported before anything is changed, in check mode too.
  - A set whose source is an object store is fetched by the host itself, with rclone.
options:
  rsync_opts:
    description:
      - More options for rsync, one per item (e.g. C(--bwlimit=5m)).
      - Options that would change which files are sent, or where they gather, are refused.
    type: list
    elements: str
    default: []
  streams:
    description:
      - How many connections the upload of a set uses at once, 1 to 16. Its files are distributed to them by size.
      - V(auto) means 4 to 8 if the round trip is 10 ms or longer, as many as carry 1 Gbit/s, else 1. If O(rsync_opts) limit the
        bandwidth, it means 1, since the limit holds for each connection.
    type: raw
    default: auto
  peers:
    description: An inventory pattern of hosts that hand features to each other. A set is sent from one of them if it holds the set in full.
    type: str
    default: ""
  peer_sends:
    description: To how many hosts one host sends at once.
    type: int
    default: 2
  wait:
    description: How many seconds to wait for another upload of the same set.
    type: float
    default: 60
extends_documentation_fragment:
  - trainprep.features.sets
  - trainprep.features.naming
  - trainprep.features.plan
  - trainprep.features.attributes.actiongroup_features
  - trainprep.features.attributes.posix
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: It reports what it would send.
  diff_mode:
    description: Shows what it changes.
    support: partial
    details: It shows what was published, linked and granted, not what was sent.
requirements:
  - rsync 3.1 or later on the controller and on the host
  - sshpass on the controller, if the connection logs in with a password
notes:
  - Hosts are reached over SSH, or are the controller itself (connection V(local)). Over other connections, only sets whose source is an
    object store can be uploaded.
seealso:
  - module: trainprep.features.feature_prepare
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
ansible_facts:
  description: What is true now, as M(trainprep.features.feature_prepare) returns it.
  returned: if something was to be uploaded, outside check mode
  type: dict
steps:
  description: What the host did after the upload.
  returned: if something was to be uploaded, outside check mode
  type: list
  elements: str
  sample: [publish]
sets:
  description:
    - By name of the set, what was, or in check mode would be, sent and published, with the keys of M(trainprep.features.feature_prepare).
    - C(sent) counts the files sent, C(sent_bytes) the bytes that went over the connection (in check mode the files' size), C(resumed) the
      files that an earlier upload had already brought, C(present) the features of the source that the target already holds, C(published)
      the features that were moved into the target. C(seconds) is how long the transfer took.
    - C(left_out) counts the files of the source that are not features of this set, second copies, or in another set's target; C(samples)
      are at most ten of them, with C(path) and C(reason).
    - C(warnings) are names in the target that stay as they are although the source has another feature of that name.
  returned: always
  type: dict
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
