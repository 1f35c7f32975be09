# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts one host per host of molecule's inventory and writes how to reach them; called by molecule/shared/create.yml.

Usage: molecule_hosts.py RUN-DIRECTORY CONTAINER-PREFIX OWNER NAME...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.hosts import Hosts


def main(run: Path, prefix: str, owner: str, names: List[str]) -> None:
    hosts = Hosts(prefix, scratch=run, owner=owner)
    reached = {name: hosts.start(name, name=f"{prefix}-{name}").variables for name in names}
    # JSON is YAML.
    (run / "inventory" / "connections.yml").write_text(json.dumps({"all": {"hosts": reached}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
