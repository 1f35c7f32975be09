# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of the modules whose look can be remembered."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
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
