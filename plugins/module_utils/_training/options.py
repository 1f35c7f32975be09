# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules for trainings, of modules and of action plugins alike."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import NAMING

PLACE: Dict[str, Dict[str, Any]] = {
    "session": {"type": "str", "default": "attn_crnn_v2"},
    "dir": {"type": "str", "default": "~/emotion_recognition"},
    "user": {"type": "str"},
    **NAMING,
}
INFO: Dict[str, Dict[str, Any]] = {
    **PLACE,
    "stale_after": {"type": "int", "default": 900},
    "lines": {"type": "int", "default": 10},
    "history": {"type": "bool", "default": False},
    "metrics": {"type": "list", "elements": "str", "default": []},
    "sets": {"type": "list", "elements": "dict", "default": []},
    "report": {"type": "str", "choices": ["none", "short", "full"], "default": "none"},
    "title": {"type": "str", "default": ""},
    "label": {"type": "str", "default": ""},
    "fail": {"type": "bool", "default": False},
    "report_dir": {"type": "str", "default": ""},
    "fetch_dir": {"type": "str", "default": ""},
    "connecting_uid": {"type": "int"},
}
FOLLOW: Dict[str, Dict[str, Any]] = {
    **PLACE,
    "filter": {"type": "str", "choices": ["all", "training", "validation"], "default": "training"},
    "begin": {"type": "str", "choices": ["start", "now"], "default": "start"},
    "stale_after": {"type": "int", "default": 900},
    "fail": {"type": "bool", "default": True},
    "run": {"type": "str", "default": ""},
    "offset": {"type": "int", "default": 0},
}
