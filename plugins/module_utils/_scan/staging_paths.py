# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths of the staging directory and of the files next to it."""

from __future__ import annotations

import os

from .._system import mounts


def staging_path(target: str) -> str:
    """C(.<name>.incoming) next to the target, or inside it if the target is a mount point, bind mounts included: files
    cannot be renamed across one. A target that is a link stands for the directory that it leads to."""
    return _near(target, "incoming")


def manifest_path(target: str) -> str:
    """The manifest. It is not in the staging directory, which holds features alone and is published by renaming it."""
    return _near(target, "incoming.manifest")


def _near(target: str, suffix: str) -> str:
    real = os.path.realpath(target) if os.path.islink(target) else target.rstrip("/") or "/"
    parent = real if mounts.is_mount_point(real) else os.path.dirname(real)
    return os.path.join(parent, f".{os.path.basename(real)}.{suffix}")
