# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who connects to a host, and whom the task becomes there."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Any

from ..module_utils.errors import FeatureError, named
from . import ssh
from .answers import clean


def become_user(action: Any) -> str | None:
    become = getattr(action._connection, "become", None)
    if become is None:
        return None
    return str(become.get_option("become_user", playcontext=action._play_context) or "root")


def method_variable(action: Any) -> str:
    """Return the other variable that names whom a task becomes: the become method's own."""
    return f"ansible_{str(action._connection.become.name).rpartition('.')[2]}_user"


def connecting_user(action: Any) -> str:
    """The user that the connection logs in as, asked of ssh, or of the host without become, if the inventory does not name one."""
    if action._connection.transport == "local":
        return pwd.getpwuid(os.geteuid()).pw_name
    with contextlib.suppress(KeyError):
        user = action._connection.get_option("remote_user") or _configured_user(action)
        if user:
            return str(user)
    answer = action._low_level_execute_command("id -un", sudoable=False)
    lines = clean(str(answer.get("stdout") or "")).split()
    if answer.get("rc") or not lines:
        raise FeatureError("the host does not report who connects (id -un failed): set ansible_user in the inventory")
    return lines[-1]


def _configured_user(action: Any) -> str | None:
    """The user that ssh itself logs in as; ssh_config decides that, and a question to ssh costs no connection."""
    if action._connection.transport != "ssh":
        return None
    return ssh.setting(ssh.login_of(action._connection, action._play_context, ""), "user") or None


def with_user(action: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """A module's arguments with the training user: if none is given, the connecting user.

    A process that became root cannot know who that is. FeatureError if a role, which needs root, became another user.
    """
    becomes = become_user(action)
    if arguments.get("variable_prefix") and becomes not in (None, "root"):
        raise FeatureError(
            f"ansible_become_user is '{becomes}', and the role needs root: remove ansible_become_user (or {method_variable(action)})"
            f" from the inventory or set it to root; or set {named('become')}: false to act as the connecting user alone"
        )
    if arguments.get("user") or becomes != "root":
        return arguments
    return {**arguments, "user": connecting_user(action)}
