# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module run on another host of the play, over a connection made as Ansible makes that host's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader

from ..module_utils.errors import FeatureError


def action_for(action: Any, host: str, task_vars: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return an action plugin that works on another host of the inventory, with that host's variables.

    The task's keywords (become, remote_user, ...) count as for a delegated task. FeatureError for a host that is not known.
    """
    hostvars = task_vars["hostvars"]
    if host not in hostvars:
        raise FeatureError(f"'{host}' is no host of the inventory")
    variables = hostvars[host]
    known = {name: variables[name] for name in variables if str(name).startswith(("ansible_", "inventory_", "prepare_features_"))}
    context = action._play_context.set_task_and_variable_override(task=action._task, variables=known, templar=action._templar)
    context.remote_addr = str(known.get("ansible_host") or host)
    connection = connection_loader.get(context.connection, context, new_stdin=None, task_uuid=action._task._uuid)
    if connection is None:
        raise FeatureError(f"{host}: Ansible has no connection plugin '{context.connection}'")
    keys = {**action._task.dump_attrs(), "timeout": context.timeout}
    keys.pop("retries", None)
    if context.password:
        keys["password"] = context.password
    _set_options(connection, "connection", keys, known)
    _set_options(connection._shell, "shell", keys, known)
    if boolean(known.get("ansible_become", action._task.become) or False, strict=False):
        become = become_loader.get(str(known.get("ansible_become_method") or action._task.become_method or "sudo"))
        connection.set_become_plugin(become)
        context.set_become_plugin(become.name)
        if context.become_pass:
            keys["become_pass"] = context.become_pass
        _set_options(become, "become", keys, known)
    loader = action._shared_loader_obj
    other = loader.action_loader.get(
        "ansible.legacy.normal", task=action._task, connection=connection, play_context=context, loader=action._loader,
        templar=action._templar, shared_loader_obj=loader,
    )  # fmt: skip
    return other, known


def _set_options(plugin: Any, kind: str, keys: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    names = C.config.get_plugin_vars(kind, plugin._load_name)
    plugin.set_options(task_keys=dict(keys), var_options={name: variables[name] for name in names if name in variables})
