# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of the modules that can tell what is true after them."""

from __future__ import annotations


class ModuleDocFragment:
    """Documented once."""

    DOCUMENTATION = r"""
options:
  refresh_facts:
    description:
      - Whether to look once more when all is done, and return what is true then as C(ansible_facts). Nothing is returned in check mode.
    type: bool
    default: false
"""
