# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import multiprocessing

from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import gc_paused


def _in_worker(answers):
    with gc_paused():
        within = gc.isenabled()
    answers.put((within, gc.isenabled(), gc.get_freeze_count() > 0))


def test_a_worker_searches_for_no_garbage_and_later_only_among_what_is_new():
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    worker = context.Process(target=_in_worker, args=(answers,))
    worker.start()
    told = answers.get()
    worker.join()
    assert told == (False, True, True)


def test_a_process_that_goes_on_after_the_task_is_left_as_it_is():
    # Python 3.12 starts with some objects frozen.
    frozen = gc.get_freeze_count()
    with gc_paused():
        assert gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() == frozen
