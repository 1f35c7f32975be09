# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of a fetch: the host's rclone is started and watched, and what it brought is classified."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...module_utils._spec.sets import FeatureSet
from ...module_utils._spec.sources import parse_store, settings_of
from ...module_utils._upload.plan import check_number
from ...module_utils.errors import FeatureError
from .._report.words import size
from .host import Host
from .progress import Board, Progress, clock

# How long the host waits for the end of a fetch before it answers, in seconds: twice as long each time, up to the second.
_PATIENCE = (2.0, 30.0)


def fetch_set(
    host: Host, one: FeatureSet, environment: Mapping[str, str], check_mode: bool, board_directory: Path, known: int
) -> dict[str, Any]:
    """Have the host fetch a set from an object store; the task's result for it.

    environment: the controller's. known: how many features of the set the host has.
    """
    store = parse_store(str(one.source))
    settings = settings_of(store, environment) if store else {}
    started = host.start_fetch(one.name, settings)
    count, volume, there = started["send_count"], started["send_bytes"], started["staged"]
    done: dict[str, Any] = {
        "sent": count, "sent_bytes": volume, "resumed": there, "present": 0, "left_out": 0, "seconds": 0.0, "samples": [], "warnings": [],
    }  # fmt: skip
    if check_mode:
        check_number(one, known + there + count)  # all that is there may be features
        host.show(f"{host.name}: {one.name}: would fetch {count:,} files, {size(volume)}, to {one.target}", False)
        return done
    began = time.monotonic()
    there_bytes = started["staged_bytes"]
    board = Board(board_directory, host.show)
    _watch(host, one.name, Progress(host.name, one.name, there + count, there_bytes + volume, there, there_bytes), board)
    seconds = time.monotonic() - began
    rate = size(volume / max(seconds, 0.001))
    board.finish(
        Progress(host.name, one.name, 0, 0),
        f"{host.name}: {one.name}: {count:,} files, {size(volume)} fetched in {clock(seconds)} ({rate}/s)",
    )
    classified = host.step("fetch", set=one.name, state="finish")["fetch"]
    done.update({name: classified[name] for name in ("present", "left_out", "samples", "warnings")}, seconds=round(seconds, 1))
    return done


def _watch(host: Host, name: str, progress: Progress, board: Board) -> None:
    """Show the progress until rclone has ended; FeatureError if it failed."""
    there, there_bytes, began = progress.files, progress.bytes, time.monotonic()
    patience, most = _PATIENCE
    while True:
        found = host.step("fetch", set=name, state="wait", patience=patience)["fetch"]
        progress.files, progress.bytes, progress.updated = there + found["files"], there_bytes + found["bytes"], time.time()
        progress.rate = found["bytes"] / max(time.monotonic() - began, 0.001)
        if not found["running"]:
            break
        board.update(progress)
        patience = min(2 * patience, most)
    if found["exit"] != 0:
        board.finish(progress, "")
        raise FeatureError(f"{host.name}: {found['error']}")
