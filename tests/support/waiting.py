# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time limits of the tests, and the end of what they start.

A limit ends a hang and never decides a test: it is ten times what a slow moment of a usual machine takes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Union

PATIENCE = float(os.environ.get("TRAINPREP_PATIENCE", "10"))


def limit(seconds: float) -> int:
    """The limit, in seconds, of something that a usual machine does in fewer than ``seconds``."""
    return round(seconds * PATIENCE)


def wait_for(probe: Callable[[], Any], what: str, seconds: float = 60, pause: float = 0.2) -> Any:
    """Return what ``probe`` returns, once that is true. It is asked half of the time at most: asking a container takes a while."""
    end = time.monotonic() + limit(seconds)
    while True:
        asked = time.monotonic()
        found = probe()
        if found:
            return found
        assert asked < end, f"waited {limit(seconds)} s in vain: {what}"
        time.sleep(max(pause, time.monotonic() - asked))


@contextlib.contextmanager
def background(command: Sequence[Union[str, Path]], **options: Any) -> Iterator[subprocess.Popen]:
    """A program in a process group of its own. Nothing of it is left at the end, whatever ends the test."""
    with subprocess.Popen(list(command), start_new_session=True, **{"stdin": subprocess.DEVNULL, **options}) as process:
        try:
            yield process
        finally:
            kill_tree(process)


def run(command: Sequence[Union[str, Path]], seconds: float = 120, **options: Any) -> subprocess.CompletedProcess:
    """As `subprocess.run` with the output as text, but a limit ends all descendants too."""
    with background(command, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}) as process:
        out, err = process.communicate(timeout=limit(seconds))
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a program that has not ended, and all below it. Ansible's workers have sessions of their own and would run on for hours."""
    if process.poll() is not None:
        return
    stopped: List[int] = []
    # Stopped first: what is found cannot start anything that is not.
    while new := [pid for pid in (process.pid, *descendants(process.pid)) if pid not in stopped]:
        for pid in new:
            send(pid, signal.SIGSTOP)
        stopped += new
    for pid in stopped:
        send(pid, signal.SIGKILL)
    process.wait()


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; false if the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def descendants(pid: int) -> List[int]:
    """The processes below one that lives, zombies left out."""
    children: Dict[int, List[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]
