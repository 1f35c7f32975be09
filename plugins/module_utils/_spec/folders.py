# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which folders are entered: snapshots and trash hold older and deleted features under the same names."""

from __future__ import annotations

import fnmatch
import re
from typing import NamedTuple, Tuple

# What systems and storage keep next to the data, whatever the case of their letters. Hidden ones too: the search of a host enters
# other hidden folders.
SYSTEM_FOLDERS = (
    *(".snapshot", ".snapshots", "~snapshot", "#snapshot", "@recently-snapshot", ".zfs"),
    *(".trash", ".trashes", ".trash-*", "#recycle", "@recycle", "$recycle.bin", "recycler"),
    *("lost+found", "@eadir", "system volume information"),
)


_is_system = re.compile("|".join(map(fnmatch.translate, SYSTEM_FOLDERS)), re.IGNORECASE).match


def is_system_folder(name: str) -> bool:
    """True if a folder of this name holds snapshots, trash, or files of the system."""
    return _is_system(name) is not None


def is_hidden(path: str) -> bool:
    """True if a folder of this path, or its last name, is one that a glob does not match unless asked for its dot."""
    return path.startswith(".") or "/." in path


def in_hidden_folder(path: str) -> bool:
    """True if a folder on the way to a path is hidden: a glob does not enter it."""
    return "/" in path and is_hidden(path.rpartition("/")[0])


class FolderRule(NamedTuple):
    """Which folders inside a directory are entered. hidden: hidden and system folders too; exclude: globs of names never entered."""

    hidden: bool = True
    exclude: Tuple[str, ...] = ()

    def closed(self, name: str) -> bool:
        """True if a folder is not entered because of its kind, although features may be in it."""
        return not self.hidden and (name.startswith(".") or is_system_folder(name))

    def excluded(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exclude)

    def enters(self, path: str) -> bool:
        return not any(self.closed(name) or self.excluded(name) for name in path.split("/") if name)


EVERY_FOLDER = FolderRule()
