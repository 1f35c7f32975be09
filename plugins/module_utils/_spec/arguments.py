# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the parameters of a module: sets, training user and policy."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, List, Mapping, Sequence, Tuple

from .. import errors
from .._system import accounts, paths
from .sets import FeatureSet, parse_sets, resolve_sets


@dataclass(frozen=True)
class Policy:
    """The options that the plan depends on, as the modules document them."""

    on_conflict: str = "fail"
    prune: str = "none"
    search_roots: Tuple[str, ...] = ()
    on_discovery: str = "fail"
    top_up: bool = False
    permissions: str = "grant"


def parse_sets_and_user(params: Mapping[str, Any]) -> Tuple[List[FeatureSet], accounts.Account]:
    """Return the sets, with absolute paths, and the training user; FeatureError for bad ones."""
    sets = [replace(one, peers=bool(params.get("peers"))) for one in parse_sets(params["sets"])]
    account = accounts.find_account(params["user"])
    return resolve_sets(sets, account.home), account


def parse_arguments(params: Mapping[str, Any]) -> Tuple[List[FeatureSet], accounts.Account, Policy]:
    """Return the sets, the training user and the policy of a module with C(PLAN_ARGUMENTS); FeatureError for bad ones."""
    sets, account = parse_sets_and_user(params)
    choices = {field.name: params[field.name] for field in fields(Policy)}
    choices["search_roots"] = tuple(paths.expand_home(root, account.home) for root in _search_roots(params["search_roots"]))
    return sets, account, Policy(**choices)


def _search_roots(roots: Sequence[str]) -> Tuple[str, ...]:
    """Return the search roots; an empty list may arrive as text from the command line."""
    if list(roots) in ([""], ["[]"]):
        return ()
    for root in roots:
        if not root.startswith(("/", "~")):
            raise errors.FeatureError(
                f"{errors.named('search_roots')}: '{paths.display(root)}' is a relative path: write it from / on, or with ~"
            )
    return tuple(roots)
