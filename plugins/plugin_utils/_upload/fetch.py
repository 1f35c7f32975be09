# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of a fetch: the host's rclone is started, watched, and its catch classified."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import size
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.progress import (
    Board,
    Progress,
    Show,
    clock,
)

# Seconds between two looks at a host that fetches.
_EVERY = 2.0

# (state) -> the answer of feature_fetch; FeatureError where it fails.
Ask = Callable[[str], dict[str, Any]]


def start(ask: Ask, host: str, wait: float, show: Show) -> dict[str, Any]:
    """Starts the fetch; waits where another one of the set is running."""
    end = time.monotonic() + wait
    told = False
    while True:
        started = ask("start")
        if not started["busy"]:
            return started
        if not told:
            show(f"{host}: another upload is writing into {started['shown']}, waiting for it", False)
            told = True
        if time.monotonic() >= end:
            raise FeatureError(
                f"{host}: {started['shown']} is still being written by another upload (waited {wait:.0f} s for it):"
                " wait until it ends, then run again"
            )
        time.sleep(min(3.0, wait))


def watch(ask: Ask, host: str, set_name: str, started: dict[str, Any], board_directory: Path, show: Show) -> dict[str, Any]:
    """Shows the progress until rclone has ended, and returns what has arrived, as the task reports it."""
    began = time.monotonic()
    there, there_bytes = started["staged"], started["staged_bytes"]
    progress = Progress(
        host, set_name, there + started["send_count"], there_bytes + started["send_bytes"], there, there_bytes
    )
    board = Board(board_directory, show)
    while True:
        found = ask("look")
        progress.files, progress.bytes = there + found["files"], there_bytes + found["bytes"]
        progress.updated = time.time()
        progress.rate = found["bytes"] / max(time.monotonic() - began, 0.001)
        if not found["running"]:
            break
        board.update(progress)
        time.sleep(_EVERY)
    seconds = time.monotonic() - began
    if found["exit"] != 0:
        board.finish(progress, "")
        raise FeatureError(f"{host}: {found['error']}")
    board.finish(
        progress,
        f"{host}: {set_name}: {started['send_count']:,} files, {size(started['send_bytes'])} fetched in {clock(seconds)}"
        f" ({size(started['send_bytes'] / max(seconds, 0.001))}/s)",
    )
    classified = ask("finish")
    return {
        "sent": started["send_count"],
        "sent_bytes": started["send_bytes"],
        "resumed": there,
        "present": classified["present"],
        "left_out": classified["left_out"],
        "seconds": round(seconds, 1),
        "samples": classified["samples"],
        "warnings": classified["warnings"],
    }
