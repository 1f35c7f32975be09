# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an upload of one set gathers, and which accounts work there."""

from __future__ import annotations

import os
from typing import NamedTuple

from .. import errors
from .._scan import manifest
from .._system import accounts, capabilities, paths
from . import requirements


class Site(NamedTuple):
    """C(keeper) makes and removes the staging directory and its manifest. C(worker) owns the staging directory and does all work in it
    and in the target. They differ only if root keeps the place and the target is another account's already. C(home): the worker's."""

    target: str
    staging: str
    keeper: accounts.Account
    worker: accounts.Account
    home: str


def find_site(target: str, account: accounts.Account) -> Site:
    """Decide who works for a target. FeatureError if several users can write there or the file system lacks what is needed.

    account: the training user.
    """
    staging = manifest.staging_path(target)
    place, above = os.path.split(staging)[0], os.path.dirname(target)
    needs = requirements.needs_of(target)
    keeper = capabilities.choose_writer(place, account, needs, via=above)
    worker = keeper
    if os.path.isdir(target) and not paths.is_below(place, os.path.realpath(target)):
        worker = capabilities.choose_writer(target, account, needs)
    if keeper.uid not in (0, worker.uid):
        raise errors.FeatureError(
            f"{paths.display(target)} is written by user {worker.name}, but {paths.display(place)}, where an upload gathers next to it,"
            f" by user {keeper.name}: give both to one user (chown), or name another target"
        )
    home = os.environ.get("HOME", "/") if worker.uid == os.geteuid() else worker.home
    return Site(target, staging, keeper, worker, home)
