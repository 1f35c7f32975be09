# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source file says whose it is and under which licence; every file is plain text that git can merge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LINES = ("Copyright (c) 2026, trainprep.features contributors", "SPDX-License-Identifier: GPL-3.0-or-later")
WITHOUT = {".txt", ".md", ".rst", ".in", ".json", ".npz", ".npy", ".pt", ".bin", ".png", ".svg", ".html"}
WITHOUT_NAMES = {"LICENSE", "changelog.yaml"}
# As REUSE.toml says: files that other programs wrote.
WITHOUT_FOLDERS = ("tests/corpus/metrics/", "changelogs/fragments/")

listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True, text=True).stdout
lacking = []
for name in filter(None, listing.split("\0")):
    path = Path(name)
    if not path.is_file() or path.suffix in WITHOUT or path.name in WITHOUT_NAMES or name.startswith(WITHOUT_FOLDERS):
        continue
    head = path.read_text(errors="replace")[:1000]
    if path.stat().st_size and not all(line in head for line in LINES):
        lacking.append(name)
if lacking:
    sys.exit("These files lack the copyright or SPDX line: " + ", ".join(lacking))
