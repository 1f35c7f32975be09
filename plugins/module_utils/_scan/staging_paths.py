# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what belongs to an upload lies beside its target."""

from __future__ import annotations

import os

from .._system import mounts


def staging_path(target: str) -> str:
    """C(.<name>.incoming) beside the target; inside it where the target is a mount point, since files cannot be
    renamed across one. A target that is a link stands for the directory that it leads to."""
    return _beside(target, "incoming")


def manifest_path(target: str) -> str:
    """The manifest beside the staging directory: what is published by renaming that holds features alone."""
    return _beside(target, "incoming.manifest")


def upload_path(target: str) -> str:
    """Beside it too: which upload the staging directory was prepared for last."""
    return _beside(target, "incoming.upload")


def _beside(target: str, suffix: str) -> str:
    real = os.path.realpath(target) if os.path.islink(target) else target.rstrip("/") or "/"
    parent = real if mounts.is_mount_point(real) else os.path.dirname(real)
    return os.path.join(parent, f".{os.path.basename(real)}.{suffix}")
