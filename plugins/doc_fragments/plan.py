# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that plan for all sets of a host."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  on_conflict:
    description:
      - What to do if different features in legacy directories claim one name.
      - With V(fail) that is an obstacle, and nothing is changed. With V(first), the directory listed first wins.
    type: str
    choices: [fail, first]
    default: fail
  prune:
    description:
      - Which links to remove from the targets. With V(dangling), those into the set's legacy directories that lead to nothing; with
        V(stray), also those into legacy directories that do not belong into the target.
      - No link is removed while the legacy directory that it names is itself missing.
    type: str
    choices: [none, dangling, stray]
    default: none
  search_roots:
    description: Where to search for features in unlisted directories, if a required set has nothing anywhere.
    type: list
    elements: str
    default: []
  on_discovery:
    description: What a find of that search means. With V(link), the directories count as legacy directories.
    type: str
    choices: [fail, link, upload]
    default: fail
  top_up:
    description: Whether a set with fewer features than C(expected) is uploaded too. Nothing is pruned from it then.
    type: bool
    default: false
  permissions:
    description:
      - With V(grant), the training user is granted access by ACL entries of its own. If no such entry can be made, because the file system
        has no ACLs or the host has no C(setfacl), that fails before anything is changed.
      - With V(widen), mode bits are set instead in that case, those of the group if the training user belongs to it, else those of
        everyone, with a warning for whom that opened what. Nothing is made writable.
      - With V(check), nothing is granted, and a feature that the training user cannot read is a problem.
    type: str
    choices: [grant, widen, check]
    default: grant
  peers:
    description:
      - An inventory pattern of hosts that hand features to each other. If it is not empty, a set without C(source) may still be sent.
    type: str
    default: ""
"""

    REMEMBER = r"""
options:
  remember:
    description:
      - Cache the inspection of a host that is ready and needs nothing, and return it while nothing has changed, so that an unchanged host
        costs a C(stat) a file. Access is proved each time. A reboot ends it.
      - The cache is in C(/var/cache/trainprep.features), or without root in C(~/.cache/trainprep.features). It is not written in check
        mode, and neither written nor used with C(verify=full), on file systems other than ext2, ext3, ext4, xfs, btrfs and zfs, or if
        something changed in the last two minutes.
    type: bool
    default: false
"""
