# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes that modules of this collection share."""


class ModuleDocFragment:
    ACTIONGROUP_FEATURES = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/trainprep.features.features) in C(module_defaults) to set the options that these modules share once.
    support: full
    membership:
      - trainprep.features.features
"""

    ACTIONGROUP_TRAINING = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/trainprep.features.training) in C(module_defaults) to set the options that these modules share once.
    support: full
    membership:
      - trainprep.features.training
"""

    LINUX = r"""
attributes:
  platform:
    description: Where it runs.
    support: full
    platforms: linux
"""

    POSIX = r"""
attributes:
  platform:
    description: Where it runs.
    support: full
    platforms: posix
"""

    READS = r"""
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
  diff_mode:
    description: Would show what changes.
    support: N/A
    details: It changes nothing.
"""

    CHANGES = r"""
attributes:
  check_mode:
    description: Can run in check mode and say what it would do, without changing anything.
    support: full
  diff_mode:
    description: Shows what it changes, as counts and samples.
    support: full
"""
