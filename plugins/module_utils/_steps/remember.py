# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true of a host: from the witness of the last look where the host is as it was, else from a new look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional

from .._system import accounts
from . import recall

if TYPE_CHECKING:
    from .._plan import state


class Inspected(NamedTuple):
    """What is true of a host. C(host) is None where a witness said so, and nothing was scanned."""

    facts: Dict[str, Any]
    host: Optional[state.HostState]


def inspect_or_recall(params: Mapping[str, Any], account: accounts.Account, check_mode: bool) -> Inspected:
    """The facts that a module's parameters ask for. A look leaves a witness (not in check mode). FeatureError for bad parameters."""
    known = recall.recall(params, account)
    if known is not None:
        return Inspected(known, None)
    # Imported where it is needed: an unchanged host needs none of it.
    from .._spec import arguments
    from .._spec.sets import parse_sets, resolve_sets
    from .._system import mounts
    from . import inspect, witness
    from .facts import facts

    started = time.time()
    sets = resolve_sets(parse_sets(params["sets"]), account.home)
    host = inspect.inspect_host(sets, account, arguments.parse_policy(params, account))
    found = facts(host, mounts.read_mountinfo())
    if not check_mode:
        witness.leave_witness(params, host, found, started)
    return Inspected(found, host)
