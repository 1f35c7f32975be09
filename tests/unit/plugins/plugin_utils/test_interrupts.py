# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils.interrupts import show, threads_show

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


class Queue:
    """As Ansible's: whoever dies between taking and giving back its lock leaves it locked."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sending = threading.Event()
        self.sent = []

    def put(self, text, number=None):
        with self.lock:
            self.sending.set()
            if number is not None:
                os.kill(os.getpid(), number)
            time.sleep(0.3)
            self.sent.append(text)


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def ended(queue):
    """What a worker's handler saw when the signal reached it: whether the queue was locked."""
    seen = []
    before = {number: signal.signal(number, lambda *_args: seen.append(queue.lock.locked())) for number in (signal.SIGINT, signal.SIGTERM)}
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_a_signal_in_the_middle_of_a_text_comes_after_it(queue, ended, number):
    show(queue.put, "text", number=number)
    assert (queue.sent, ended) == (["text"], [False])


@BOTH
def test_a_signal_while_another_thread_shows_waits_for_that(queue, ended, number):
    with threads_show():
        thread = threading.Thread(target=show, args=(queue.put, "text"))
        thread.start()
        queue.sending.wait()
        os.kill(os.getpid(), number)
        thread.join()
    assert (queue.sent, ended) == (["text"], [False])


def test_without_it_the_handler_would_have_met_the_lock(queue, ended):
    queue.put("text", number=signal.SIGINT)
    assert ended == [True]


def test_the_handlers_are_as_before_afterwards(ended):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with threads_show():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_default_handler_still_ends_the_process():
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with threads_show():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
