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
from functools import partial
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# How long an interruption waits for a text that is on its way, in seconds.
_PATIENCE = 5.0

_showing = threading.Lock()


def show(display: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Calls C(display); a signal that would end this worker meanwhile ends it afterwards."""
    if threading.current_thread() is not threading.main_thread():
        with _showing:
            display(*arguments, **options)
        return
    pending: list[int] = []
    try:
        with _handled_by(lambda number, _handler, _frame: pending.append(number)):
            display(*arguments, **options)
    finally:
        for number in pending:
            signal.raise_signal(number)


@contextlib.contextmanager
def threads_show() -> Iterator[None]:
    """As long as this lasts, other threads may show text while the main thread works, but shows nothing itself.

    Python runs its handlers in the main thread, whichever thread holds the queue's lock: they wait for that here.
    """

    def wait_first(number: int, handler: Any, frame: Any) -> None:
        waited = _showing.acquire(timeout=_PATIENCE)
        try:
            if callable(handler):
                handler(number, frame)
            else:
                signal.signal(number, handler)
                signal.raise_signal(number)
        finally:
            if waited:
                _showing.release()

    with _handled_by(wait_first):
        yield


def _call(instead: Callable[[int, Any, Any], None], handler: Any, caught: int, frame: Any) -> None:
    instead(caught, handler, frame)


@contextlib.contextmanager
def _handled_by(instead: Callable[[int, Any, Any], None]) -> Iterator[None]:
    """Has the signals handled by C(instead), which is given number, former handler and frame."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    # Who ignores a signal goes on ignoring it, and a handler that is not Python's cannot be put back.
    handlers = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for number, handler in handlers.items():
        signal.signal(number, partial(_call, instead, handler))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
