# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.scopes import (
    STAY,
    SYSTEM,
    USER,
    Logind,
    decide,
    parse_logind,
)

SESSION = "/user.slice/user-1000.slice/session-3.scope"
KILLS = Logind(kills=True)


@pytest.mark.parametrize(
    ("cgroup", "logind", "privileged", "lingers", "owner", "place"),
    [
        ("", KILLS, True, False, "", STAY),
        ("/", KILLS, True, False, "", STAY),
        (SESSION, Logind(), True, False, "ubuntu", STAY),
        (SESSION, KILLS, True, False, "ubuntu", SYSTEM),
        (SESSION, KILLS, True, True, "ubuntu", SYSTEM),
        (SESSION, KILLS, False, True, "ubuntu", USER),
        (SESSION, KILLS, False, False, "ubuntu", None),
        (SESSION, KILLS, True, False, "root", STAY),
        (SESSION, Logind(only=("ubuntu",)), True, False, "ubuntu", SYSTEM),
        (SESSION, Logind(kills=True, only=("other",)), True, False, "ubuntu", STAY),
        (SESSION, Logind(kills=True, exclude=("ubuntu",)), False, False, "ubuntu", STAY),
        (SESSION, Logind(kills=True, exclude=("ubuntu",)), True, False, "root", SYSTEM),
        ("/system.slice/ssh.service", Logind(), True, False, "", SYSTEM),
        ("/system.slice/pull.service", KILLS, False, True, "", USER),
        ("/system.slice/pull.service", KILLS, False, False, "", STAY),
        ("/system.slice/trainprep-x-1.scope", KILLS, True, False, "", STAY),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.service", KILLS, False, True, "ubuntu", STAY),
    ],
)
def test_where_a_process_has_to_go(cgroup, logind, privileged, lingers, owner, place):
    assert decide(cgroup, logind, privileged, lingers, owner) == place


def test_what_logind_says():
    assert parse_logind('b true\nas 0\nas 1 "root"\nb true\n') == Logind(True, (), ("root",), True)
    assert parse_logind('b false\nas 2 "a" "b"\nas 0\nb false\n') == Logind(False, ("a", "b"), (), False)
    assert parse_logind("") == Logind()
