# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import multiprocessing

from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import gc_of_what_is_new


class Knot:
    """Only a search for garbage removes it."""

    alive = 0

    def __init__(self):
        self.own = self
        Knot.alive += 1

    def __del__(self):
        Knot.alive -= 1


def _in_worker(answers):
    searches = []
    before = Knot(), Knot()
    del before
    gc.callbacks.append(lambda phase, info: searches.append(info["generation"]) if phase == "start" else None)
    with gc_of_what_is_new():
        for _turn in range(30_000):
            Knot()
        within, seen = Knot.alive, set(searches)
    gc.collect()
    answers.put((within, Knot.alive, seen, gc.get_threshold(), gc.isenabled()))


def test_a_worker_searches_seldom_and_only_among_what_is_new():
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    usual = gc.get_threshold()
    worker = context.Process(target=_in_worker, args=(answers,))
    worker.start()
    within, afterwards, seen, thresholds, enabled = answers.get()
    worker.join()
    assert 2 < within < 20_002, "what is made inside does not stay"
    # What is left stays until the process ends: nothing is searched that was there by then.
    assert afterwards == within and 2 not in seen
    assert thresholds == usual and enabled


def test_a_process_that_goes_on_after_the_task_is_left_as_it_is():
    # Python 3.12 starts with some objects frozen.
    frozen = gc.get_freeze_count()
    with gc_of_what_is_new():
        assert gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() == frozen
