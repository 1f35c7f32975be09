# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that plan for all sets of a host."""

from __future__ import annotations


class ModuleDocFragment:
    """What bears on the plan, documented once."""

    DOCUMENTATION = r"""
options:
  on_conflict:
    description:
      - What to plan where one wanted name stands for different features in legacy directories.
      - With V(fail) nothing is planned for that name, which is a problem, and nothing at all is changed.
        With V(first) the directories count in their order.
    type: str
    choices: [fail, first]
    default: fail
  prune:
    description:
      - Which links are to go from the targets. With V(dangling), those into the set's legacy directories that lead to nothing;
        with V(stray), also those into legacy directories that do not belong into the target.
      - Nothing goes while the legacy directory that a link names is itself missing.
    type: str
    choices: [none, dangling, stray]
    default: none
  search_roots:
    description: Where to search for directories that nobody listed, when a set that is wanted has nothing anywhere.
    type: list
    elements: str
    default: []
  on_discovery:
    description: What a find of that search means. With V(link), found directories count as legacy directories.
    type: str
    choices: [fail, link, upload]
    default: fail
  top_up:
    description: Whether a present but incomplete set counts as one that this run uploads, from which nothing is pruned.
    type: bool
    default: false
  permissions:
    description: With V(check), nothing is going to be granted, so that what the training user cannot read stays a problem.
    type: str
    choices: [grant, widen, check]
    default: grant
"""
