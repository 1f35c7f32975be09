# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a run: adopted by its launcher, found by descent or by their mark, and ended."""

import contextlib
import os
import signal
import time

MARK = "TRAINPREP_RUN"  # in the environment of all processes of a run


def adopt_orphans():
    """Become the parent of what outlives the main process of the training (PR_SET_CHILD_SUBREAPER)."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def processes(run):
    """Return the live processes of this run except the launcher, by pid: its descendants, and those that have its mark."""
    mark, table, found = os.fsencode("%s=%s" % (MARK, run)), {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
            table[int(name)] = (int(fields[1]), int(fields[19]))
            if fields[0] in (b"Z", b"X", b"x"):
                del table[int(name)]
                continue
            with open("/proc/%s/environ" % name, "rb") as stream:
                if mark in stream.read().split(b"\0"):
                    found[int(name)] = table[int(name)][1]
        except (OSError, IndexError):
            pass
    size = -1
    while size != len(found):
        size = len(found)
        found.update((pid, one[1]) for pid, one in table.items() if one[0] in found or one[0] == os.getpid())
    return found


def send(pid, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_leftovers(run, deadline):
    """Ask what is left of an attempt to end, kill it after the deadline."""
    asked = set()
    while time.monotonic() < deadline + 30:  # one in an uninterruptible sleep may never end
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = processes(run)
        if not left:
            return
        for pid in left:
            if time.monotonic() > deadline:
                send(pid, signal.SIGKILL)
            elif pid not in asked:
                asked.add(pid)
                send(pid, signal.SIGTERM)
        time.sleep(0.1)
