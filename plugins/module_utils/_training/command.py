# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names that a session can have. Pure."""

from __future__ import annotations

import re

from .. import errors

_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")


def check_session(name: str) -> str:
    """Return a session name that tmux keeps as it is and that can name a folder."""
    if not _SESSION.match(name):
        raise errors.FeatureError(
            f"{errors.named('session')} '{name}' cannot name a tmux session: use letters, digits, '_' and '-' only"
        )
    return name
