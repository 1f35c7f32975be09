# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import multiprocessing

from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import stop_collecting


def _in_worker(answers):
    stop_collecting()
    answers.put(gc.isenabled())


def test_a_worker_searches_for_garbage_no_more():
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    worker = context.Process(target=_in_worker, args=(answers,))
    worker.start()
    collecting = answers.get()
    worker.join()
    assert not collecting


def test_a_process_that_goes_on_after_the_task_does():
    stop_collecting()
    assert gc.isenabled()
