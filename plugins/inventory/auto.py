# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One message if a plugin's configuration cannot be read: Ansible alone tries all other plugins on the file and prints each failure."""

from __future__ import annotations

DOCUMENTATION = r"""
name: auto
short_description: As ansible.builtin.auto, but a failure is one message
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Runs the inventory plugin that the key C(plugin) of a YAML file names, as P(ansible.builtin.auto#inventory) does.
  - If that plugin fails (no credentials, a library is missing), the run ends at once with its message. Ansible alone would try each
    further enabled plugin on the file, and print about 30 lines for missing AWS credentials.
  - It ends the run only if C(any_unparsed_is_failed) is set. Files without the key C(plugin) are left to the next enabled plugin.
  - Enable it in C(ansible.cfg), in place of P(ansible.builtin.auto#inventory).
seealso:
  - plugin: ansible.builtin.auto
    plugin_type: inventory
"""

EXAMPLES = r"""
# ansible.cfg
# [inventory]
# any_unparsed_is_failed = true
# enable_plugins = host_list, script, trainprep.features.auto, yaml, ini, toml
plugin: amazon.aws.aws_ec2    # in a file named training.aws_ec2.yml
"""

import traceback
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.inventory.auto import InventoryModule as Auto
from ansible.utils.display import Display

LOG_IN = ": log in to AWS on this machine, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class InventoryModule(Auto):
    NAME = "trainprep.features.auto"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts of the plugin that the file names."""
        try:
            super().parse(inventory, loader, path, cache=cache)
        except AnsibleError as error:
            content = loader.load_from_file(path, cache="none")
            if not constants.INVENTORY_ANY_UNPARSED_IS_FAILED or not isinstance(content, Mapping) or "plugin" not in content:
                raise
            reason = str(error).rstrip(".")
            advice = LOG_IN if "Unable to locate credentials" in reason else ""
            Display().error(f"inventory {path} ({content['plugin']}): {reason}{advice}.")
            Display().vvv(traceback.format_exc())
            # Ansible catches every Exception, and goes on to the next plugin.
            raise SystemExit(1) from None
