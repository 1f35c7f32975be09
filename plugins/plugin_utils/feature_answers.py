# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schemas of what the feature modules return, for C(answers.check_answer)."""

from __future__ import annotations

from typing import Any

from .answers import PLAIN, Each, Maybe, OneOf, Schema

STATUS = OneOf(0, 1, 2, 3, None)
STEPS = OneOf("publish", "link", "unlink", "upload", "grant")
_STATE = OneOf("absent", "empty", "present", "unreadable")
_SAMPLES = [{"path": str, "reason": str, "features": int}]
_DIRECTORY: dict[str, Schema] = {
    "path": str,
    **dict.fromkeys(("features", "links", "dangling", "stray", "rejected", "damaged", "bytes"), int),
    **{name: Maybe(str) for name in ("owner", "group", "mode", "same_as")},
    "state": _STATE,
    "filesystem": Maybe(Each(str)),
    "closed": {"count": int, "samples": [str]},
}
_COUNTED = {"count": int, "samples": _SAMPLES}
SET_FACTS: dict[str, Schema] = {
    "status": STATUS,
    **dict.fromkeys(("ready", "will_be_ready", "to_change", "to_upload"), bool),
    **{name: [str] for name in ("problems", "planned", "warnings", "obstacles", "reads")},
    **dict.fromkeys(("features", "to_link", "to_remove", "leaks"), int),
    **{name: Maybe(str) for name in ("source", "digest", "digest_reason", "fetched_from")},
    "expected": Maybe(int),
    "required": OneOf("true", "false", "any"),
    "target": _DIRECTORY,
    "incoming": {"state": _STATE, "features": int, "complete": bool},
    "legacy": [_DIRECTORY],
    "access": {"user": Maybe(str), "unreadable": int, "to_grant": int, "samples": _SAMPLES},
    **dict.fromkeys(("rejected", "copies", "conflicts"), _COUNTED),
    "discovered": {"count": int, "cut_short": [str], "samples": _SAMPLES},
}
# What a step did to a set, or would do.
CHANGES: dict[str, Schema] = {
    **dict.fromkeys(("linked", "replaced", "removed", "kept", "granted", "directories", "widened", "published", "bytes"), int),
    **dict.fromkeys(("created_target", "whole_directory", "changed"), bool),
    "refused": PLAIN,
    "warnings": [str],
    "samples": [{"action": str, "path": str, "text": str, "old": str, "new": str}],
}
# What the host's side of an upload returns.
_LEFT_OUT: dict[str, Schema] = {"samples": _SAMPLES, "warnings": [str]}
_STAGED: dict[str, Schema] = {
    "shown": str,
    "busy": bool,
    "send": str,
    **dict.fromkeys(("send_count", "send_bytes", "staged", "staged_bytes", "present", "elsewhere"), int),
    "warnings": [str],
    "receiver": Maybe({"name": str, "uid": int}),
}
_FETCHED: dict[str, Schema] = {
    "shown": str,
    "busy": bool,
    "running": bool,
    "exit": Maybe(int),
    "error": str,
    **dict.fromkeys(("send_count", "send_bytes", "staged", "staged_bytes", "files", "bytes", "features", "left_out", "present"), int),
    **_LEFT_OUT,
}
TRANSFERS: dict[str, Schema] = {
    "python": str,
    "stage": Each(_STAGED),
    "fetch": _FETCHED,
    "reach": {"addresses": Each(str), "key": Maybe(str)},
    "offer": {"manifest": str, "host_keys": [str]},
    "receive": _STAGED,
    "forget": {},
}
PREPARED: dict[str, Schema] = {"found_status": STATUS, "steps": [STEPS]}
DESCRIPTIONS: dict[str, Schema] = {
    **dict.fromkeys(("groups", "damaged", "other", "links", "unreadable"), PLAIN),
    "groups_left_out": int,
    "cut_short": [str],
}


def facts_schema(names: frozenset[str] | None) -> dict[str, Any]:
    """Return the schema of the facts. names: of the sets that were declared; what a host says of others is dropped."""
    return {
        "feature_status": STATUS,
        "features_ready": bool,
        "features_will_be_ready": bool,
        "feature_training": bool,
        "feature_steps": [STEPS],
        "feature_digest": Maybe(str),
        "feature_sets": Each(SET_FACTS, names),
    }
