# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files opened below an open directory."""

from __future__ import annotations

import os
import stat
from typing import Callable, Optional, Tuple, TypeVar

from .. import errors
from . import acl, at, paths

T = TypeVar("T")
# A file for messages: the path of a directory, and the file's path below it.
Shown = Tuple[str, str]


def with_file(
    use: Callable[[int, os.stat_result, str], T], name: str, directory: Optional[int], flags: int, shown: Shown
) -> Optional[T]:
    """C(use(fd, stat, name)) of a file that is opened, and closed, for it; None if it is not a regular file.

    OSError if the file cannot be opened or read. Any other exception is an internal error, and is reported as one, with the
    file's path: FeatureError.
    """
    fd = _open(name, directory, flags)
    if fd is None:
        return None
    try:
        info = os.fstat(fd)
        return use(fd, info, name) if stat.S_ISREG(info.st_mode) else None
    except (OSError, errors.FeatureError):
        raise
    except Exception as error:
        raise errors.internal_error(f"{paths.display(shown[0])}/{paths.display(shown[1])} could not be classified", error) from error
    finally:
        os.close(fd)


def _open(name: str, directory: Optional[int], flags: int) -> Optional[int]:
    """Open a file; None for what else is behind a link, which root does not open: some devices act as soon as they are opened.

    A link is anybody's, and can be changed since it was looked at.
    """

    def opened(how: int) -> int:
        return os.open(name, how) if directory is None else at.opened(directory, name, how)

    if flags & os.O_NOFOLLOW or os.geteuid() != 0 or not hasattr(os, "O_PATH"):
        return opened(flags)
    place = opened(os.O_PATH | os.O_CLOEXEC)
    try:
        return os.open(acl.magic(place), flags) if stat.S_ISREG(os.fstat(place).st_mode) else None
    finally:
        os.close(place)
