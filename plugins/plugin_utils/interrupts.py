# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Showing text from one of Ansible's workers, so that a Ctrl-C at that very moment ends the run instead of hanging it.

A worker shows text by way of a queue whose lock is shared with the main process, and is killed by the handler that it
has for the signal. Killed with the lock held, it leaves a main process that waits for that lock for good. Whoever
stops a long transfer or the following of a log does so just when text appears.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# How long an interruption waits for a text that is on its way, in seconds.
_PATIENCE = 5.0

_showing = threading.Lock()


def show(display: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Calls C(display); a signal that would end this worker meanwhile ends it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with _showing:
            display(*arguments, **options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def threads_show() -> Iterator[None]:
    """As long as this lasts, other threads may show text while the main thread works, but shows nothing itself.

    Python runs its handlers in the main thread, whichever thread holds the queue's lock: they wait for that here.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def wait_first(number: int, frame: Any) -> None:
        waited = _showing.acquire(timeout=_PATIENCE)
        try:
            handler = handlers[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            else:
                signal.signal(number, handler)
                signal.raise_signal(number)
        finally:
            if waited:
                _showing.release()

    for number in handlers:
        signal.signal(number, wait_first)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
