# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do where the system refuses to change something."""

from __future__ import annotations

import errno

from .. import errors


def advice(error: OSError) -> str:
    """What to do where the system refuses to change something, for the end of a sentence."""
    whose = "the role's" if errors.variable_prefix() else "the task's"
    refused = f"let {whose} user write there: root with {errors.named('become')}, else the connecting one"
    found = {
        errno.EACCES: refused,
        errno.EPERM: refused,
        errno.EROFS: "its file system is mounted read-only; mount it for writing",
        errno.ENOSPC: "its file system is full; make room there and run again",
        errno.EDQUOT: "a quota is used up; make room there and run again",
        errno.ENOTDIR: "a part of the path is a file; move that away",
        errno.EEXIST: "a part of the path is a file; move that away",
    }
    return found.get(error.errno or 0, "look at it on the host, then run again")
