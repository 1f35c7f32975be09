# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that is repeated as the training user if root is refused, as by NFS with root_squash and other users' FUSE mounts."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, TypeVar

from . import accounts, become

T = TypeVar("T")


def as_needed(user: Optional[accounts.Account], lacks: Callable[[T], float], function: Callable[..., T], *args: Any) -> T:
    """Return C(function(*args)); if root is refused something, repeat it as the training user.

    lacks: how much was refused, 0 for nothing. The result that lacks less is returned.
    """
    found = function(*args)
    if user is None or os.geteuid() != 0 or user.uid == 0 or not lacks(found):
        return found
    again: T = become.run_as(user, function, *args)
    return min(found, again, key=lacks)
