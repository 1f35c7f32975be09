# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of work on a host. Pure, and the only place that decides it.

publish   A finished staging directory, left by an upload whose run ended, is published first, whatever the status: those features
          are on the host already. The host is inspected again before anything else, since its status may have changed.
link      Links that the targets lack are made, and those to prune removed: at status 2 and 3 features of legacy directories get linked.
upload    At status 0 a set is sent from its source, and with top_up a set that has fewer features than expected.
grant     The training user is granted the access that it lacks.

So a host of status 2 with a finished staging directory publishes it, is inspected again (it has status 3 now), and links what its
targets still lack. If a set has an obstacle (status null, a conflict, nothing anywhere and no source), nothing but publish is done.
With state absent, links are removed and nothing is ever added: unlink is the only step.
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
    """Return what is pending after some steps. A run that removed links never uploads in their place: the next run does."""
    if UNLINK in done:
        return []
    return [step for step in after if step != UPLOAD or LINK not in done or step in before]
