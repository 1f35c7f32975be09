# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of work on a host. Pure, and the only place that decides it.

Statuses of a set: 0 no features anywhere, 1 in the target, 2 in legacy directories only, 3 in both, null (None) if unknown.

publish   Publish each finished staging directory (a complete upload that an earlier run left next to the target) first: those features
          are on the host already. The host is then inspected again, since the status may have changed.
link      Make the links that the targets lack, at status 2 and 3, and remove those that C(prune) names.
upload    Send a set of status 0 from its source; with top_up also one that has fewer features than expected. The controller sends,
          the host does all other steps by itself.
grant     Grant the training user the access that it lacks.
unlink    The only step with state absent: remove the links. Nothing is ever added then, published included.

The host does all its own steps before the controller sends. It publishes, links and grants what was uploaded in one more execution.

So a host of status 2 with a finished staging directory publishes it, is inspected again (its status is 3 now), and links what its
targets still lack. If any set has an obstacle (status null, a conflict of names, or no features and no source), the host does nothing
but publish. A dry run (check mode) reports all steps that the host would do, without inspecting it again.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Sequence

PUBLISH, LINK, UNLINK, UPLOAD, GRANT = "publish", "link", "unlink", "upload", "grant"
# What a host does by itself. The controller has to send what is uploaded.
ON_HOST = (PUBLISH, LINK, UNLINK, GRANT)


class SetNeeds(NamedTuple):
    """What one set needs.

    C(staged): a finished staging directory is next to the target. C(links): its plan makes or removes links. C(uploads): see below.
    C(grants): access is lacking that may be granted. C(obstacle): a user has to decide or repair something first.
    """

    staged: bool = False
    links: bool = False
    uploads: bool = False
    grants: bool = False
    obstacle: bool = False


def uploads(status: Optional[int], has_source: bool, top_up: bool, lacking: int, staged: bool = False) -> bool:
    """True if a set is to be sent. lacking: how many features fewer than expected the host has, finished staging directories included.

    staged: there is one, so the set has features once that is published.
    """
    if not has_source or status is None:
        return False
    return (status == 0 and not staged) or (top_up and lacking > 0)


def steps(state: str, sets: Sequence[SetNeeds]) -> List[str]:
    """Return the pending steps of a host, in their order. state: C(present) or C(absent), as the user asks for."""
    if state == "absent":
        return [UNLINK]
    pending = [PUBLISH] if any(one.staged for one in sets) else []
    if any(one.obstacle for one in sets):
        return pending
    pending += [LINK] if any(one.links for one in sets) else []
    pending += [UPLOAD] if any(one.uploads for one in sets) else []
    pending += [GRANT] if any(one.grants for one in sets) else []
    return pending


def next_on_host(pending: Sequence[str], done: Iterable[str], check_mode: bool) -> List[str]:
    """Return the steps that the host does now, before it is inspected again. Each is done once in an execution."""
    left = [step for step in pending if step in ON_HOST and step not in done]
    # A dry run changes nothing that a new inspection could find.
    return [PUBLISH] if PUBLISH in left and not check_mode else left


def pending_after(done: Sequence[str], before: Sequence[str], after: Sequence[str]) -> List[str]:
    """Return what is pending after some steps. A run that changed links uploads nothing that was not pending before: the next run does."""
    if UNLINK in done:
        return []
    return [step for step in after if step != UPLOAD or LINK not in done or step in before]
