# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specifications that modules share."""

from __future__ import annotations

from typing import Any, Dict

from .. import errors

# The keys of a set are checked by parse_sets, whose messages name the set; AnsibleModule's would not.
SETS_ARGUMENTS: Dict[str, Any] = {
    "sets": {"type": "list", "elements": "dict", "required": True},
    "user": {"type": "str"},
    **errors.NAMING,
}

PLAN_ARGUMENTS: Dict[str, Any] = {
    **SETS_ARGUMENTS,
    "on_conflict": {"type": "str", "choices": ["fail", "first"], "default": "fail"},
    "prune": {"type": "str", "choices": ["none", "dangling", "stray"], "default": "none"},
    "search_roots": {"type": "list", "elements": "str", "default": []},
    "on_discovery": {"type": "str", "choices": ["fail", "link", "upload"], "default": "fail"},
    "top_up": {"type": "bool", "default": False},
    "permissions": {"type": "str", "choices": ["grant", "widen", "check"], "default": "grant"},
    "peers": {"type": "str", "default": ""},
}

STATE: Dict[str, Any] = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
UPLOADED: Dict[str, Any] = {"uploaded": {"type": "list", "elements": "str", "default": []}}
REMEMBER: Dict[str, Any] = {"remember": {"type": "bool", "default": False}}
