# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules for trainings: where a session's runs lie."""

from __future__ import annotations


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
