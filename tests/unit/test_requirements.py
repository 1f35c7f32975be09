# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pins: plain, and the same for running and for testing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_tests_run_with_the_versions_that_users_run(version):
    run, dev = (set((REQUIREMENTS / f"{kind}-py{version}.txt").read_text().splitlines()) for kind in ("run", "dev"))
    assert {line for line in run | dev if not re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[A-Za-z0-9.+!]+", line)} == set()
    assert run - dev == set()
    assert any(line.startswith("ansible-core==") for line in run)
