# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""True if the training user can open everything: yes or no. Why not, and what a grant would change, is asked by C(probe)."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Callable, Iterable, Iterator, List, Sequence, Tuple

from .._system import accounts, at, become, paths

BUNDLE = 64  # names that are opened together: nearly all can be
_FEW = 1024  # names that are opened before what it takes to share them out is loaded

Refusals = List[Tuple[int, OSError]]
# The items in order, each with what the function made of it, as C(parallel.map_parallel) gives them.
Spread = Callable[[Iterable[Any], Callable[[Any], Any]], Iterator[Tuple[Any, Any]]]


def begin_to_open(account: accounts.Account, directories: Sequence[Tuple[str, Sequence[str]]]) -> Callable[[], bool]:
    """Start to check if the account can list each directory and open all of its files; call what this returns for the answer.

    directories: absolute paths, each with files by their paths below it. The account opens them in a child of its own, concurrently with
    this process. FeatureError without the right to become the account.
    """
    spread: Spread = _one_by_one
    if sum(len(names) for _path, names in directories) > _FEW:
        # Imported if needed, and before the child becomes an account that may not read it.
        from .._system import parallel

        spread = partial(parallel.map_parallel, slow=parallel.SLOW * BUNDLE, share=parallel.SHARE // BUNDLE, sample=1)
    return become.begin_as(account, _opens_all, directories, spread)


def _one_by_one(items: Iterable[Any], work_on: Callable[[Any], Any]) -> Iterator[Tuple[Any, Any]]:
    return ((item, work_on(item)) for item in items)


def _opens_all(directories: Sequence[Tuple[str, Sequence[str]]], spread: Spread) -> bool:
    """Runs as the current user."""
    for path, names in directories:
        try:
            directory = os.open(path, paths.FOLLOW_DIRECTORY)
        except OSError:
            return False
        try:
            with os.scandir(directory) as entries:
                next(entries, None)
            for _bundle, refused in spread(bundles_of(names), opener(directory)):
                if refused:
                    return False
        except OSError:  # the listing: a file system that answers open() but not readdir()
            return False
        finally:
            os.close(directory)
    return True


def bundles_of(names: Sequence[str]) -> List[Sequence[str]]:
    return [names[start : start + BUNDLE] for start in range(0, len(names), BUNDLE)]


def opener(directory: int) -> Callable[[Sequence[str]], Refusals]:
    """A function that opens each file of a bundle relative to an open directory, as the trainer would: through links.

    It returns which of them cannot be opened, and why.
    """

    def open_each(bundle: Sequence[str]) -> Refusals:
        refused = []
        for index, name in enumerate(bundle):
            try:
                os.close(at.opened_through_links(directory, name, paths.FOLLOW_FILE))
            except OSError as error:
                refused.append((index, error))
        return refused

    return open_each
