# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Status codes, from what was found. Pure."""

from __future__ import annotations

from typing import Iterable, List, Optional, Sequence

STATUS_WORDS = {
    0: "no features",
    1: "target only",
    2: "legacy only",
    3: "target and legacy",
    None: "unknown",
}


def holds(features: int, sure: bool) -> Optional[bool]:
    """True if a place holds features; None if none was found and a part could not be scanned."""
    return True if features else (False if sure else None)


def any_holds(answers: Iterable[Optional[bool]]) -> Optional[bool]:
    seen = list(answers)
    return True if True in seen else (None if None in seen else False)


def set_status(in_target: Optional[bool], in_legacy: Optional[bool]) -> Optional[int]:
    """The status of one set, or None if two different ones are possible."""
    if in_target is None or in_legacy is None:
        return None
    return (1 if in_target else 0) + (2 if in_legacy else 0)


def host_status(statuses: Sequence[Optional[int]]) -> Optional[int]:
    """Return the host's status: the same rule over all of its sets."""
    if not statuses or any(status is None for status in statuses):
        return None
    known: List[int] = [status for status in statuses if status is not None]
    in_target = any(status in (1, 3) for status in known)
    in_legacy = any(status in (2, 3) for status in known)
    return set_status(in_target, in_legacy)
