# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""True if the training user can open everything: yes or no. Why not, and what a grant would change, is asked by C(probe)."""

from __future__ import annotations

import os
from typing import Callable, Iterator, List, Sequence, Tuple

from .._system import accounts, at, become, parallel, paths

_BUNDLE = 64  # names that are opened together: nearly all can be

Refusals = List[Tuple[int, OSError]]


def begin_to_open(account: accounts.Account, directories: Sequence[Tuple[str, Sequence[str]]]) -> Callable[[], bool]:
    """Start to check if the account can list each directory and open all of its files; call what this returns for the answer.

    directories: absolute paths, each with files by their paths below it. The account opens them in a child of its own, concurrently with
    this process. FeatureError without the right to become the account.
    """
    return become.begin_as(account, _opens_all, directories)


def _opens_all(directories: Sequence[Tuple[str, Sequence[str]]]) -> bool:
    """Runs as the current user."""
    for path, names in directories:
        try:
            directory = os.open(path, paths.FOLLOW_DIRECTORY)
        except OSError:
            return False
        try:
            with os.scandir(directory) as entries:
                next(entries, None)
            if any(refused for _bundle, refused in open_all(directory, names)):
                return False
        except OSError:  # the listing: a file system that answers open() but not readdir()
            return False
        finally:
            os.close(directory)
    return True


def open_all(directory: int, names: Sequence[str]) -> Iterator[Tuple[Sequence[str], Refusals]]:
    """Open each file relative to an open directory, as the trainer would: through links.

    Yields bundles of the names, each with which of them cannot be opened, and why.
    """

    def open_each(bundle: Sequence[str]) -> Refusals:
        refused = []
        for index, name in enumerate(bundle):
            try:
                os.close(at.opened_through_links(directory, name, paths.FOLLOW_FILE))
            except OSError as error:
                refused.append((index, error))
        return refused

    bundles = [names[start : start + _BUNDLE] for start in range(0, len(names), _BUNDLE)]
    return parallel.map_parallel(bundles, open_each, slow=parallel.SLOW * _BUNDLE, share=parallel.SHARE // _BUNDLE, sample=1)
