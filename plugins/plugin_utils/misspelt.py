# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds variables of a host that look like a variable of the roles and are none. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

_CUTOFF = 0.85  # similarity, 0 to 1


def misspelt(variables: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """Return a message for each variable that is not known but begins like a known one, or is similar to one.

    variables: by name, as of a task. known: the variables of all roles. Registered results of tasks are left out.
    """
    roles = {"_".join(name.split("_")[:2]) + "_" for name in known}
    beginnings = {role[:6] for role in roles}
    messages = []
    for name in sorted(variables):
        if name in known or name[:6] not in beginnings or _is_result(variables[name]):
            continue
        similar = difflib.get_close_matches(name, known, 1, _CUTOFF)
        if similar:
            messages.append(f"{name} is not a variable of the roles and has no effect: did you mean {similar[0]}?")
        elif name.startswith(tuple(roles)):
            messages.append(f"{name} is not a variable of the roles and has no effect: remove it (docs/variables.md lists the variables)")
    return messages


def _is_result(value: Any) -> bool:
    return isinstance(value, Mapping) and ("changed" in value or "skipped" in value)
