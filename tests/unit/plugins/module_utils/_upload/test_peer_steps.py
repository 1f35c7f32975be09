# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver is asked before a sender opens anything to it."""

from __future__ import annotations

import errno
import os
import pwd

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system import accounts, capabilities
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_receive, peer_steps
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_receiver_that_cannot_write_says_so_itself(tmp_path, monkeypatch, check_mode):
    monkeypatch.setattr(peer_receive, "reach", lambda peers: {"a": "10.0.0.1"})
    monkeypatch.setattr(peer_receive, "check_programs", lambda: None)
    monkeypatch.setattr(capabilities, "why_not_writable", lambda _path: errno.EACCES)
    account = accounts.find_account(pwd.getpwuid(os.geteuid()).pw_name)
    params = {"peers": [], "set": "s", "token": "0" * 32}
    with pytest.raises(FeatureError, match="cannot be changed"):
        peer_steps.reach(parse_sets([{"name": "s", "target": str(tmp_path / "t")}]), account, params, check_mode)
