# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import scopes
from ansible_collections.trainprep.features.plugins.module_utils._training import gpus, start
from ansible_collections.trainprep.features.plugins.module_utils._upload import peer_receive, requirements

ASKS = {
    "nvidia-smi": gpus.find_gpus,
    "rsync": requirements.check_tools,
    "python3": lambda: start._find_interpreter(None),
    "ssh-keygen": lambda: peer_receive.make_key("0" * 32),
    "busctl": lambda: scopes.make_scope("x", []),
}


@pytest.mark.parametrize("program", ASKS)
def test_a_program_sees_nothing_that_a_play_put_into_our_environment(tmp_path, monkeypatch, program):
    """A program that runs as the training user can be read by that user's other processes (/proc/PID/environ)."""
    for name in ("rsync", "ssh", program):
        (tmp_path / name).write_text(f"#!/bin/sh\n/usr/bin/env >>{tmp_path}/said.{name}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("A_PLAYS_TOKEN", "secret")
    monkeypatch.setattr(start.sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setattr(peer_receive.tempfile, "gettempdir", lambda: str(tmp_path))
    with contextlib.suppress(OSError):  # no key was made
        ASKS[program]()
    said = (tmp_path / f"said.{program}").read_text()
    assert "PATH=" in said and "secret" not in said
