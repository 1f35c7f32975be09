# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a host ready without a set? Pure."""

from __future__ import annotations

from .state import HostState, SetState


def may_stay_empty(state: SetState, host: HostState) -> bool:
    """True if the host is ready without this set: it is not required, or another C(any) set holds features or will be sent."""
    required = state.feature_set.required
    if required == "false":
        return True
    return required == "any" and any(
        other.features or other.arriving or (other.uploads and not state.uploads)
        for other in host.sets
        if other.feature_set.required == "any"
    )


def is_needed(state: SetState, host: HostState) -> bool:
    """True if the host is not ready while the set is empty."""
    return state.uploads or not may_stay_empty(state, host)
