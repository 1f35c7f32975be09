# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments that the collection's modules share, and the one place where their errors become results."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Tuple

from .account import Account, find_account
from .errors import FeatureError
from .paths import display
from .sets import FeatureSet, parse_sets
from .views import Options

# The keys of a set are checked by parse_sets, whose sentences name the set; AnsibleModule's would not.
SETS_ARGUMENTS: Dict[str, Any] = {
    "sets": {"type": "list", "elements": "dict", "required": True},
    "user": {"type": "str"},
}

PLAN_ARGUMENTS: Dict[str, Any] = {
    **SETS_ARGUMENTS,
    "on_conflict": {"type": "str", "choices": ["fail", "first"], "default": "fail"},
    "prune": {"type": "str", "choices": ["none", "dangling", "stray"], "default": "none"},
    "search_roots": {"type": "list", "elements": "str", "default": []},
    "on_discovery": {"type": "str", "choices": ["fail", "link", "upload"], "default": "fail"},
    "top_up": {"type": "bool", "default": False},
}


def parse_arguments(params: Dict[str, Any]) -> Tuple[List[FeatureSet], Account, Options]:
    """The sets, the training user and the options of a module's parameters; FeatureError for bad ones."""
    sets = parse_sets(params["sets"])
    account = find_account(params["user"] or None)
    options = Options(
        on_conflict=params.get("on_conflict") or "fail",
        prune=params.get("prune") or "none",
        search_roots=tuple(params.get("search_roots") or ()),
        on_discovery=params.get("on_discovery") or "fail",
        top_up=bool(params.get("top_up")),
    )
    for root in options.search_roots:
        if not root.startswith(("/", "~")):
            raise FeatureError(
                f"prepare_features_search_roots: '{display(root)}' is a relative path: write it from / on, or with ~"
            )
    return sets, account, options


@contextlib.contextmanager
def failing(module: Any, **so_far: Any) -> Iterator[None]:
    """Turns a FeatureError into the module's failure, at the edge and nowhere else.

    So too what the system refuses where nobody expects it, such as a link that is none any more when it is read.
    so_far: results that the failure tells as well.
    """
    try:
        yield
    except FeatureError as error:
        module.fail_json(msg=str(error), **so_far)
    except OSError as error:
        place = display(str(error.filename)) if error.filename is not None else "a file system call"
        module.fail_json(
            msg=f"{place}: {error.strerror}: it may have changed during the look, so run again, and look at it if this stays",
            **so_far,
        )
