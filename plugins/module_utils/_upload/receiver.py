# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service that receives an upload into a staging directory, or sends the results of a training."""

from __future__ import annotations

import mmap
import re
from functools import partial
from typing import List, Optional, Sequence, Tuple

from . import service
from .service import Address, make_pulse, stop

__all__ = ["Address", "make_pulse", "refused_option", "start_receiver", "stop"]

# Seconds without a transfer in any receiver of the upload, after which they end.
IDLE = 30.0

# The options of a receiving rsync, as the controller's passes them on. Whoever may connect must not get more from this
# process than files in the staging directory: no sender, no links, devices, owners or modes, no other directory.
_ALLOWED = re.compile(
    r"-[ILORSWcqtvyz]*(e[0-9]*\.?[A-Za-z]*)?|-B[0-9]+|--partial-dir=\.rsync-partial|"
    r"--(bwlimit|checksum-choice|checksum-seed|compress-choice|compress-level|contimeout|debug|info|log-format|max-alloc|"
    r"modify-window|stop-after|stop-at|timeout)=[\w.,:%/+-]*|"
    r"--(stats|fsync|preallocate|new-compress|old-compress|size-only|no-inc-recursive|no-implied-dirs|no-whole-file|no-W)"
)

# And of one that sends all of its directory, with the files to which its links lead.
_ALLOWED_SENDER = re.compile(r"-[Lrtvyz]*(e[0-9]*\.?[A-Za-z]*)?|--timeout=[0-9]+")


def refused_option(arguments: Sequence[str], sends: bool = False) -> Optional[str]:
    """The first argument that a receiving rsync (or a sending one) must not get; None if it may run. Pure."""
    if sends:
        if list(arguments[:2]) != ["--server", "--sender"] or list(arguments[-2:]) != [".", "./"]:
            return " ".join(arguments)[:80] or "an empty command"
        return next((one for one in arguments[2:-2] if not _ALLOWED_SENDER.fullmatch(one)), None)
    if arguments[:1] != ["--server"]:
        return arguments[0] if arguments else "an empty command"
    if list(arguments[-2:]) != [".", "./"]:
        return arguments[-1]
    options = list(arguments[1:-2])
    while options:
        one = options.pop(0)
        if one == "--partial-dir" and options:
            one += "=" + options.pop(0)
        if not _ALLOWED.fullmatch(one):
            return one
    return None


def start_receiver(staging: int, uid: int, streams: int, rsync: str, pulse: mmap.mmap, sends: bool = False) -> Address:
    """Start a receiver for an open, locked staging directory, as this process's account. It outlives this process.

    uid: who may connect. streams: how many transfers it serves. sends: from its directory, instead of into it.
    """
    return service.start(staging, service.Terms(uid, streams, [rsync], partial(_checked, sends), pulse, IDLE))


def _checked(sends: bool, arguments: Sequence[str]) -> Tuple[str, List[str]]:
    return refused_option(arguments, sends) or "", list(arguments)
