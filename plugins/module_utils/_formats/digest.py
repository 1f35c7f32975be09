# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest of which identities are made."""

from __future__ import annotations

from hashlib import sha256

SIZE = 16


def short_digest(content: bytes) -> bytes:
    """SHA-256, cut to C(SIZE) bytes: hosts in FIPS mode have it, and lack most other digests."""
    return sha256(content).digest()[:SIZE]
