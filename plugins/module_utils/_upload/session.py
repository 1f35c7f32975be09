# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's processes that must not end with the connection that started it, see _system/scopes.py."""

from __future__ import annotations

import os

from .._system import scopes


def outlive_connection(name: str) -> None:
    """Put this process into a scope of its own if what it leaves would end with the connection and systemd allows it.

    Without root that scope is one of the user's own systemd, which lives as long as any session of the user, e.g. an rsync's.
    """
    this = os.getpid()
    if scopes.decide(scopes.cgroup_of(this), scopes.Logind(kills=True), True, True, "") == scopes.STAY:
        return
    logind = scopes.read_logind()
    place = scopes.place_of(this, logind, True) if logind else scopes.STAY
    if place != scopes.STAY:
        user = (f"--address=unix:path=/run/user/{os.geteuid()}/bus",)
        scopes.make_scope(f"{name}-{this}", [this], user if place == scopes.USER else ())
