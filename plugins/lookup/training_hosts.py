# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play, or an error where there are none: Ansible by itself would succeed, having done nothing."""

DOCUMENTATION = r"""
name: training_hosts
short_description: The hosts of a play, which must be at least one
version_added: 1.0.0
author: trainprep.features contributors (@trainprep)
description:
  - Returns the host pattern that it is given, for the keyword C(hosts) of a play.
  - It is an error where no host of the inventory matches that pattern and C(--limit). Ansible by itself would skip the play, and
    the run would succeed.
  - With C(--syntax-check) there need not be an inventory.
options:
  _terms:
    description: One host pattern.
    type: list
    elements: str
    required: true
seealso:
  - plugin: ansible.builtin.inventory_hostnames
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Prepare the features of a group that is given with -e
  hosts: "{{ query('trainprep.features.training_hosts', training_hosts | default('all')) }}"
  gather_facts: false
  roles:
    - role: trainprep.features.prepare_features
"""

RETURN = r"""
_raw:
  description: The pattern, as it was given.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_options: Any) -> list[str]:
        """Returns ``terms``; raises where they match no host that this run may touch."""
        limit = context.CLIARGS.get("subset")
        if not context.CLIARGS.get("syntax") and not self._matching(terms, (variables or {}).get("groups", {}), limit):
            within = f" within --limit {limit}" if limit else ""
            raise AnsibleError(
                f"no host of the inventory matches '{','.join(terms)}'{within}: name hosts in the inventory (-i), or choose"
                " others with -e training_hosts=PATTERN"
            )
        return terms

    def _matching(self, patterns: list[str], groups: dict[str, list[str]], limit: str | None) -> list[Any]:
        """The hosts that Ansible is going to take."""
        inventory = InventoryManager(self._loader, parse=False)
        for group, hosts in groups.items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        inventory.subset(limit)
        return list(inventory.get_hosts(patterns))
