# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of the modules whose messages name options."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  variable_prefix:
    description:
      - Prefix of the variables that hold the options, as messages are to name them. The roles set it.
      - With an empty one messages name the options themselves, and C(become) as the keyword of the task.
    type: str
    default: ""
"""
