# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One set sent from the controller into the host's staging directory."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils._spec.sets import FeatureSet
from ...module_utils._system.paths import display as shown
from ...module_utils._upload.connector import ARRIVED, connector_words
from ...module_utils.errors import FeatureError
from .._report.words import size
from ..interrupts import threads_show
from ..ssh import Login
from .failures import Where, explain
from .progress import Board, Meter, Progress, Show, clock, watch
from .rsync import Sending, files_list, first_failure, rsync_options, run_streams, send_command, share_out
from .source import Source


@dataclass(frozen=True)
class Sender:
    """How the controller sends to one host. C(login): None if the host is this machine; C(directory): the run's own."""

    host: str
    login: Login | None
    streams: int
    rsync_opts: list[str]
    directory: Path
    show: Show

    def send(self, one: FeatureSet, source: Source, found: dict[str, Any], python: str) -> dict[str, Any]:
        """Send what the host lacks; the task's result for the set. found: the host's answer to the step stage."""
        names = source.chosen(found["send"])
        done = planned(one, source, found)
        if not names:
            return done
        began = time.monotonic()
        there, there_bytes = found["staged"], found["staged_bytes"]
        progress = Progress(
            self.host, one.name, there + len(names), there_bytes + done["sent_bytes"], there, there_bytes, updated=time.time()
        )
        connector = connector_words(python, str(found["receiver"]["name"]), int(found["receiver"]["uid"]))
        with tempfile.TemporaryDirectory(prefix="rsync-", dir=self.directory) as work:
            sendings = self._lay_out(Path(work), one, source, names)
            done["sent_bytes"] = self._transfer(sendings, connector, progress, found["shown"], source.left_out)
        changed = source.changed_since(names)
        if changed is not None:
            raise FeatureError(
                f"{shown(changed)} changed while it was uploaded: nothing is published; run again when the source does not change"
            )
        done["seconds"] = round(time.monotonic() - began, 1)
        return done

    def _lay_out(self, work: Path, one: FeatureSet, source: Source, names: list[str]) -> list[Sending]:
        """Write the lists that rsync reads, one per stream."""
        # A symlink with a plain name: the real path may contain characters special to rsync or the shell.
        (work / "source").symlink_to(source.path)
        sendings = []
        for number, share in enumerate(share_out([source.manifest[name].size for name in names], self.streams)):
            files, log = work / f"files{number}", work / f"log{number}"
            files.write_bytes(files_list([os.fsencode(source.files[names[index]]) for index in share]))
            sendings.append(Sending(str(work / "source"), str(files), str(log), one.layout == "tree", self.rsync_opts))
        return sendings

    def _transfer(self, sendings: list[Sending], connector: list[str], progress: Progress, where: str, left_out: int) -> int:
        """Run rsync and report how it ended; the bytes sent over the connection. FeatureError if not all has arrived."""
        began = time.monotonic()
        to_send, there = progress.total_files - progress.files, progress.files
        meter = Meter(progress, [Path(sending.log) for sending in sendings])
        board = Board(self.directory / "progress", self.show)
        commands = [send_command(rsync_options(sending), sending.source, connector, self.login) for sending in sendings]
        with threads_show(), watch(meter, board):
            ended = run_streams(commands, Path(sendings[0].log).parent, self.login)
        seconds = max(time.monotonic() - began, 0.001)
        failed = first_failure(ended)
        summary = (
            f"{self.host}: {progress.set_name}: {meter.sent:,} files, {size(meter.wire)} in {clock(seconds)}"
            f" ({size(meter.wire / seconds)}/s)"
        )
        arrived = meter.sent if all(ARRIVED in one.stderr for one in ended) else 0
        if failed or arrived < to_send:
            summary += f", {to_send - meter.sent:,} files left"
        elif there:
            summary += f", {there:,} files were there from before"
        if left_out:
            summary += f", {left_out:,} other files left out"
        board.finish(progress, summary)
        if failed:
            user = self.login.user if self.login and self.login.user else "the connecting user"
            raise FeatureError(explain(failed.code, failed.stderr, Where(self.host, user, where, self.rsync_opts)))
        if arrived < to_send:
            raise FeatureError(
                f"{self.host}: only {arrived} of {to_send} files arrived in {where}, although rsync reports no error: look for a"
                " wrapper in place of rsync or ssh, on the controller and on the host"
            )
        return meter.wire


def planned(one: FeatureSet, source: Source, found: dict[str, Any]) -> dict[str, Any]:
    """The task's result for a set of which nothing has been sent yet; in check mode it is what would be sent."""
    names = source.chosen(found["send"])
    return {
        "sent": len(names),
        "sent_bytes": sum(source.manifest[name].size for name in names),
        "resumed": found["staged"],
        "present": found["present"],
        "left_out": source.left_out + found["elsewhere"],
        "seconds": 0.0,
        "samples": source.samples,
        "warnings": found["warnings"],
    }
